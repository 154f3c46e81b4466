//! Connections break at any byte: nothing is lost, nothing is applied twice, and no failure is
//! reported as a wrong token. Negative controls: a store that skips a write of an interrupted
//! request must be noticed.

use std::env;
use std::time::Duration;

use auth_core::store::Store;
use auth_core::{
    Auth, ConfirmEmailError, Failure, FailureKind, Mail, Mailbox, Message, Password, RefreshError,
    RegisterError, ResetPasswordError,
};
use auth_testkit::FakeClock;
use zeroize::Zeroizing;

use super::proxy::{Direction, Proxy};
use super::service::{self, client, fresh_email, instance};
use crate::{Behavior, Interceptor, OTHER_PASSWORD, PASSWORD, said};

/// The number of cuts of each flow and direction; `scripts/soak` sets more.
fn cuts() -> i64 {
    env::var("AUTH_TEST_CUTS").map_or(12, |cuts| cuts.parse().unwrap())
}

/// A service behind a proxy.
struct Service {
    auth: Auth,
    /// The instance whose requests are cut.
    instance: Auth,
    mailbox: Mailbox,
    clock: FakeClock,
    proxy: Proxy,
    failed: u32,
}

impl Service {
    /// The store uses one connection through the proxy, so that all bytes count, and a separate
    /// database, because another test would deliver this test's mails. The store of interrupted
    /// requests has this behavior.
    fn new((proxy, store): (Proxy, impl Store + Clone + 'static), manner: Behavior) -> Self {
        let (auth, mailbox, clock) = service::service(store.clone());
        let instance = instance(Interceptor(manner, store), &mailbox, &clock);
        Self { auth, instance, mailbox, clock, proxy, failed: 0 }
    }

    /// The bytes at which to cut: evenly distributed over the bytes of an uncut run in each
    /// direction, over a connection that has prepared its statements.
    fn places(passed: [i64; 2]) -> impl Iterator<Item = (Direction, i64)> {
        [Direction::ToServer, Direction::ToStore]
            .into_iter()
            .flat_map(move |way| (0..cuts()).map(move |cut| (way, 1 + cut * passed[way as usize] / cuts())))
    }

    async fn cut<T>(&self, (way, bytes): (Direction, i64), request: impl Future<Output = T>) -> T {
        self.proxy.cut_after(way, bytes);
        let outcome = request.await;
        self.proxy.disarm();
        outcome
    }

    /// Counts a failure; it must be the database's, so that the client may repeat the request.
    fn failed(&mut self, failure: &Failure) {
        assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure:?}");
        self.failed += 1;
    }

    async fn link(&self, email: &str) -> Zeroizing<String> {
        service::link(&self.auth, &self.mailbox, email).await
    }

    async fn user(&self) -> String {
        let email = fresh_email();
        self.auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
        self.auth.verify_email(&self.link(&email).await, None, &client()).await.unwrap();
        email
    }

    /// Prints the number of cuts. It is smaller than planned if requests ended before their cut.
    fn report(&self, flow: &str, passed: [i64; 2]) {
        let (done, planned) = (self.proxy.cuts(), u64::try_from(2 * cuts()).unwrap());
        println!(
            "proof cuts: {flow} cut: {done} times within {} bytes to the server and {} back, {} failed and were repeated",
            passed[0], passed[1], self.failed
        );
        assert!(done * 10 >= planned * 9, "{done} cuts of {planned}");
    }
}

/// Refreshes whose connection is cut.
pub async fn refreshes(behind: (Proxy, impl Store + Clone + 'static), manner: Behavior) {
    let mut service = Service::new(behind, manner);
    let email = service.user().await;
    let auth = service.auth.clone();
    let mut token =
        auth.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap().refresh_token.expose();
    let mut passed = [0; 2];
    for _ in 0..2 {
        service.clock.advance(Duration::from_mins(1));
        service.proxy.passed();
        token = auth.refresh(&token, &client()).await.unwrap().refresh_token.expose();
        passed = service.proxy.passed();
    }
    for (number, place) in Service::places(passed).enumerate() {
        service.clock.advance(Duration::from_mins(1));
        let outcome = service.cut(place, service.instance.refresh(&token, &client())).await;
        let child = match outcome {
            Ok(grant) => Some(grant.refresh_token.expose()),
            Err(RefreshError::Failed(failure)) => {
                service.failed(&failure);
                None
            }
            Err(error) => panic!("cut {place:?}: {error:?}"),
        };
        token = match child {
            // The client continues with the new token, or repeats the request with the old one.
            Some(child) if number % 2 == 0 => child,
            child => {
                let again = auth.refresh(&token, &client()).await;
                let again = again.expect("the parent is answered within the leeway").refresh_token.expose();
                assert!(child.is_none_or(|child| child == again), "one live child");
                again
            }
        };
        service.clock.advance(Duration::from_mins(1));
        let next = auth.refresh(&token, &client()).await;
        token = next.expect("the session continues").refresh_token.expose();
    }
    service.report("refresh", passed);
}

/// Resets whose connection is cut.
pub async fn resets(behind: (Proxy, impl Store + Clone + 'static), manner: Behavior) {
    let mut service = Service::new(behind, manner);
    let email = service.user().await;
    let auth = service.auth.clone();
    let passwords = [PASSWORD, OTHER_PASSWORD];
    let mut passed = [0; 2];
    for password in [OTHER_PASSWORD, PASSWORD] {
        auth.forgot_password(&email, &client()).await.unwrap();
        let reset = service.link(&email).await;
        service.proxy.passed();
        auth.reset_password(&reset, Password::new(password), &client()).await.unwrap();
        passed = service.proxy.passed();
        service.clock.advance(Duration::from_hours(2));
    }
    for (number, place) in Service::places(passed).enumerate() {
        let (old, new) = (passwords[number % 2], passwords[(number + 1) % 2]);
        let before = auth.log_in(&email, Password::new(old), &client()).await.unwrap();
        auth.forgot_password(&email, &client()).await.unwrap();
        let reset = service.link(&email).await;
        let request = async { service.instance.reset_password(&reset, Password::new(new), &client()).await };
        if let Err(error) = service.cut(place, request).await {
            let ResetPasswordError::Failed(failure) = error else { panic!("{error:?}") };
            service.failed(&failure);
            // The repetition takes effect now, or reports that the link is spent.
            drop(auth.reset_password(&reset, Password::new(new), &client()).await);
        }
        service.clock.advance(Duration::from_mins(1));
        assert!(
            auth.refresh(&before.refresh_token.expose(), &client()).await.is_err(),
            "a session outlived a reset"
        );
        assert!(
            auth.log_in(&email, Password::new(old), &client()).await.is_err(),
            "the old password still works"
        );
        assert!(
            auth.reset_password(&reset, Password::new(old), &client()).await.is_err(),
            "a link worked twice"
        );
        auth.log_in(&email, Password::new(new), &client()).await.expect("the new password works");
        service.clock.advance(Duration::from_hours(2));
    }
    service.report("reset", passed);
}

/// Changes of address whose connection is cut.
pub async fn changes_of_address(behind: (Proxy, impl Store + Clone + 'static), manner: Behavior) {
    let mut service = Service::new(behind, manner);
    let mut own = service.user().await;
    let auth = service.auth.clone();
    let requested = async |service: &Service, own: &str, new: &str| {
        let grant = auth.log_in(own, Password::new(PASSWORD), &client()).await.unwrap();
        let claims = auth.authenticate(grant.access_token.expose()).unwrap();
        auth.change_email(&claims, new, Password::new(PASSWORD), &client()).await.unwrap();
        (grant.user, service.link(new).await)
    };
    let mut passed = [0; 2];
    for _ in 0..2 {
        let new = fresh_email();
        let (_, confirm) = requested(&service, &own, &new).await;
        service.proxy.passed();
        auth.confirm_email(&confirm, &client()).await.unwrap();
        passed = service.proxy.passed();
        own = new;
    }
    for place in Service::places(passed) {
        let new = fresh_email();
        let (before, confirm) = requested(&service, &own, &new).await;
        if let Err(error) = service.cut(place, service.instance.confirm_email(&confirm, &client())).await {
            let ConfirmEmailError::Failed(failure) = error else { panic!("{error:?}") };
            service.failed(&failure);
            // The repetition takes effect now, or reports that the link is spent.
            drop(auth.confirm_email(&confirm, &client()).await);
        }
        let user = auth.user(before.id).await.unwrap();
        assert_eq!((user.email.address(), user.epoch), (&*new, before.epoch.next()), "once");
        assert!(auth.confirm_email(&confirm, &client()).await.is_err(), "a link worked twice");
        auth.log_in(&own, Password::new(PASSWORD), &client()).await.expect_err("the old address is free");
        service.clock.advance(Duration::from_hours(2));
        auth.deliver_due_mails().await.unwrap();
        for address in [&own, &new] {
            let is_notice = |mail: &Mail| matches!(mail.message, Message::EmailChanged { .. });
            assert!(
                service.mailbox.mails().iter().any(|mail| mail.to.address() == address && is_notice(mail)),
                "{address}"
            );
        }
        own = new;
    }
    service.report("change of address", passed);
}

/// Registrations whose connection is cut.
pub async fn registrations(behind: (Proxy, impl Store + Clone + 'static), manner: Behavior) {
    let mut service = Service::new(behind, manner);
    let auth = service.auth.clone();
    let mut passed = [0; 2];
    for _ in 0..2 {
        service.proxy.passed();
        auth.register(&fresh_email(), Password::new(PASSWORD), None, &client()).await.unwrap();
        passed = service.proxy.passed();
    }
    for place in Service::places(passed) {
        let email = fresh_email();
        let request =
            async { service.instance.register(&email, Password::new(PASSWORD), None, &client()).await };
        if let Err(error) = service.cut(place, request).await {
            let RegisterError::Failed(failure) = error else { panic!("{error:?}") };
            service.failed(&failure);
            auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
        }
        let verify = service.link(&email).await;
        auth.verify_email(&verify, None, &client()).await.expect("the mailed link verifies");
        auth.log_in(&email, Password::new(PASSWORD), &client()).await.expect("the registered password works");
        service.clock.advance(Duration::from_mins(1));
    }
    service.report("registration", passed);
}

/// Asserts that a run fails with this message.
pub async fn is_noticed(forgotten: &str, run: impl Future<Output = ()> + Send + 'static, message: &str) {
    let said = said(tokio::spawn(run).await.expect_err("the run passed").into_panic());
    assert!(said.contains(message), "{said}");
    println!("proof cuts: negative control: a store that forgets `{forgotten}`: noticed: {message}");
}

/// Makes the tests, given a function `async fn(purpose: &str) -> (Proxy, Store)` that opens a store
/// with one connection, through a proxy, over an empty database.
#[macro_export]
macro_rules! cut_tests {
    ($open:path) => {
        $crate::cut_tests! { $open;
            a_refresh_cut_anywhere_can_be_repeated_and_ends_no_session: refreshes;
            a_reset_cut_anywhere_happens_once_or_not_at_all: resets;
            a_change_of_address_cut_anywhere_happens_once_or_not_at_all: changes_of_address;
            a_registration_cut_anywhere_leaves_one_user_and_its_mail: registrations;
        }
        $crate::cut_tests! { $open;
            a_forgotten_rotation_is_noticed: refreshes, forgetting "rotate": "the session continues";
            a_forgotten_new_password_is_noticed: resets, forgetting "set_password": "a session outlived a reset";
            a_forgotten_new_address_is_noticed: changes_of_address, forgetting "set_email": "once";
            a_forgotten_user_is_noticed: registrations, forgetting "UserStore::insert_user": "a link was mailed";
            a_forgotten_mail_is_noticed: registrations, forgetting "Outbox::insert_intent": "a link was mailed";
        }
    };
    ($open:path; $($test:ident: $flow:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let behind = $open(concat!("cut_", stringify!($flow))).await;
            $crate::server::cuts::$flow(behind, $crate::Behavior::AsTheyAre).await;
        })*
    };
    ($open:path; $($control:ident: $flow:ident, forgetting $method:literal: $message:literal;)*) => {
        $(#[tokio::test]
        async fn $control() {
            let behind = $open(stringify!($control)).await;
            let flow = $crate::server::cuts::$flow(behind, $crate::Behavior::Forgetting($method));
            $crate::server::cuts::is_noticed($method, flow, $message).await;
        })*
    };
}
