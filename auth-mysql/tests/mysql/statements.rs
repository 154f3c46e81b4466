//! Promise 10 on MySQL: for every class of account the same SQL, statement by statement.

use std::cell::RefCell;
use std::fmt::Debug;

use auth_core::{Client, Password};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::server::{Scratch, open};
use crate::service::{OTHER_PASSWORD, PASSWORD, client, link, service};

thread_local! {
    /// The statements that sqlx reports to have run on this thread, in order, once somebody listens.
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Listens on all threads: what a listener of one thread is told depends on what other threads do.
#[derive(Debug)]
struct Statements;

impl Visit for Statements {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "summary" {
            HEARD
                .with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.push(format!("{value:?}"))));
        }
    }
}

/// Those since the last call.
fn heard() -> Vec<String> {
    HEARD.replace(Some(Vec::new())).unwrap_or_default()
}

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Statements);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// One thread, so that all of it is seen, and nothing of other tests.
#[tokio::test]
async fn every_class_of_account_is_answered_with_the_same_sql() {
    let scratch = Scratch::new("statements").await;
    let (auth, mailbox, _) = service(open(scratch.url()).await);
    let everybody =
        ["unknown", "verified", "disabled", "unverified"].map(|name| format!("{name}@example.com"));
    let [_, verified, disabled, unverified] = &everybody;
    for address in [verified, disabled, unverified] {
        auth.register(address, Password::new(PASSWORD), None, &client()).await.unwrap();
        let token = link(&auth, &mailbox, address).await;
        if address != unverified {
            auth.verify_email(&token, None, &client()).await.unwrap();
        }
    }
    let grant = auth.log_in(disabled, Password::new(PASSWORD), &client()).await.unwrap();
    auth.disable_user(grant.user.id).await.unwrap();

    tracing::subscriber::set_global_default(Statements).unwrap();
    assert_eq!(heard(), Vec::<String>::new());
    for (operation, least) in [("log in", 1), ("forgot", 1), ("resend", 1), ("register", 3)] {
        let mut first: Option<(String, Vec<String>)> = None;
        for address in &everybody {
            // A client of its own, so that no limit is met.
            let here = Client::new(format!("198.51.100.{}", address.len()).parse().ok(), None);
            let typed = Password::new(OTHER_PASSWORD);
            let answer = match operation {
                "log in" => format!("{:?}", auth.log_in(address, typed, &here).await.map(drop)),
                "forgot" => format!("{:?}", auth.forgot_password(address, &here).await),
                "resend" => format!("{:?}", auth.resend_verification(address, &here).await),
                _ => format!("{:?}", auth.register(address, typed, None, &here).await),
            };
            let this = (answer, heard());
            assert!(this.1.len() >= least, "{operation}, {address}: {this:?}");
            assert_eq!(first.get_or_insert_with(|| this.clone()), &this, "{operation}, {address}");
        }
    }
}
