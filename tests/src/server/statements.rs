//! No statement reveals the class of an account.

use auth_core::store::Store;
use auth_core::{Client, Password};

use super::service::{client, link, service};
use crate::{OTHER_PASSWORD, PASSWORD, SqlLog};

/// Each class of account gets the same SQL, statement by statement. The caller's runtime has one
/// thread, so that the log has all statements of this test and none of others.
pub async fn every_class_of_account_is_answered_with_the_same_sql(store: impl Store + Clone + 'static) {
    let (auth, mailbox, _) = service(store);
    let addresses =
        ["unknown", "verified", "disabled", "unverified"].map(|name| format!("{name}@example.com"));
    let [_, verified, disabled, unverified] = &addresses;
    for address in [verified, disabled, unverified] {
        auth.register(address, Password::new(PASSWORD), None, &client()).await.unwrap();
        let token = link(&auth, &mailbox, address).await;
        if address != unverified {
            auth.verify_email(&token, None, &client()).await.unwrap();
        }
    }
    let grant = auth.log_in(disabled, Password::new(PASSWORD), &client()).await.unwrap();
    auth.disable_user(grant.user.id).await.unwrap();

    let statements = SqlLog::of_this_thread();
    tracing::subscriber::set_global_default(statements.clone()).unwrap();
    for (operation, least) in [("log in", 1), ("forgot", 1), ("resend", 1), ("register", 3)] {
        let mut first: Option<(String, Vec<String>)> = None;
        for address in &addresses {
            statements.take();
            // A separate client, so that no limit applies.
            let here = Client::new(format!("198.51.100.{}", address.len()).parse().ok(), None);
            let password = Password::new(OTHER_PASSWORD);
            let answer = match operation {
                "log in" => format!("{:?}", auth.log_in(address, password, &here).await.map(drop)),
                "forgot" => format!("{:?}", auth.forgot_password(address, &here).await),
                "resend" => format!("{:?}", auth.resend_verification(address, &here).await),
                _ => format!("{:?}", auth.register(address, password, None, &here).await),
            };
            let this = (answer, statements.take());
            assert!(this.1.len() >= least, "{operation}, {address}: {this:?}");
            assert_eq!(first.get_or_insert_with(|| this.clone()), &this, "{operation}, {address}");
        }
    }
}
