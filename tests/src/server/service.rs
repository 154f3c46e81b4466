//! A service over the store, and its client.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use auth_core::store::{Store, UserInsert};
use auth_core::{
    Auth, BcryptImport, Client, Clock as _, Email, Mailbox, Password, Policy, RefreshPolicy, Session,
    SessionId, SystemClock, SystemRandom, User, UserId,
};
use auth_testkit::{FakeClock, cheap_hashing, samples};
use zeroize::Zeroizing;

use crate::{OTHER_PASSWORD, PASSWORD, SECRET};

/// Registers, verifies, logs in, refreshes, resets, logs in again and logs out, through `Auth`.
pub async fn use_all_flows(store: impl Store + Clone + 'static) {
    let (auth, mailbox, clock) = service(store);
    let email = fresh_email();
    auth.register(&email, Password::new(PASSWORD), Some("Ada"), &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &email).await, None, &client()).await.unwrap();
    let grant = auth.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap();
    clock.advance(Duration::from_mins(1));
    let grant = auth.refresh(&grant.refresh_token.expose(), &client()).await.unwrap();
    auth.forgot_password(&email, &client()).await.unwrap();
    let reset = link(&auth, &mailbox, &email).await;
    auth.reset_password(&reset, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    assert!(auth.refresh(&grant.refresh_token.expose(), &client()).await.is_err());
    let grant = auth.log_in(&email, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    auth.log_out(&grant.refresh_token.expose(), &client()).await.unwrap();
    auth.clean_up().await.unwrap();
}

/// The client of every request.
pub fn client() -> Client {
    Client::new("192.0.2.7".parse().ok(), Some("Firefox"))
}

/// An address that no other test uses.
pub fn fresh_email() -> String {
    static NUMBERS: AtomicU32 = AtomicU32::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let now = SystemClock.now().timestamp_micros();
    format!("ada{now}-{number}@example.com")
}

/// A service over this store, with a mailbox and a clock.
pub fn service(store: impl Store + Clone + 'static) -> (Auth, Mailbox, FakeClock) {
    let (mailbox, clock) = (Mailbox::new(), FakeClock::new(SystemClock.now()));
    (instance(store, &mailbox, &clock), mailbox, clock)
}

/// An instance of a service with cheap hashes, few limits, the reuse leeway for browsers, and a
/// test clock.
pub fn instance(store: impl Store + 'static, mailbox: &Mailbox, clock: &FakeClock) -> Auth {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    policy.hashing.bcrypt = BcryptImport::Accept { cost: 6 };
    policy.refresh = RefreshPolicy::browser();
    let limits = &mut policy.limits;
    for limit in [
        &mut limits.register_client,
        &mut limits.forgot_client,
        &mut limits.forgot_mailbox,
        &mut limits.change_email_client,
        &mut limits.confirm_email_client,
        &mut limits.verify_client,
        &mut limits.reset_client,
        &mut limits.refresh_client,
        &mut limits.refresh_session,
        &mut limits.restore_client,
        &mut limits.restore_session,
    ] {
        *limit = None;
    }
    Auth::builder(store, mailbox.clone()).secret(SECRET).policy(policy).clock(clock.clone()).build().unwrap()
}

/// Delivers due mails; returns the token of the last link mailed to this address.
pub async fn link(auth: &Auth, mailbox: &Mailbox, email: &str) -> Zeroizing<String> {
    auth.deliver_due_mails().await.unwrap();
    let mails = mailbox.mails();
    let mut mine = mails.iter().rev().filter(|mail| mail.to.address() == email);
    mine.find_map(|mail| mail.message.token()).expect("a link was mailed").expose()
}

/// Inserts a user and a session that no other test uses.
pub async fn user_and_session(store: &impl Store) -> (UserId, SessionId) {
    let now = SystemClock.now();
    let user = User {
        id: UserId::generate(now, &SystemRandom).unwrap(),
        email: Email::parse(&fresh_email()).unwrap(),
        ..samples::user(0)
    };
    let id = SessionId::generate(now, &SystemRandom).unwrap();
    let session = Session { id, user_id: user.id, ..samples::session(0) };
    assert_eq!(auth_core::UserStore::insert_user(store, &user).await.unwrap(), UserInsert::Inserted);
    store.insert_session(&session).await.unwrap();
    (user.id, id)
}
