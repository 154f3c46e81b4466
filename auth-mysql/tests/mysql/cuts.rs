//! Connections break anywhere: nothing is lost, nothing happens twice, and no failure reads as a wrong
//! token.

use std::env;
use std::time::Duration;

use auth_core::{
    ConfirmEmailError, Failure, FailureKind, Mail, Message, Password, RefreshError, RegisterError,
    ResetPasswordError,
};
use auth_mysql::{MySqlOptions, MySqlStore};

use crate::proxy::{Direction, Proxy};
use crate::server;
use crate::service::{OTHER_PASSWORD, PASSWORD, client, fresh_email, link, service};

/// Cuts of each flow and direction; `scripts/prove-mysql` asks for more.
fn cuts() -> i64 {
    env::var("AUTH_TEST_MYSQL_CUTS").map_or(12, |cuts| cuts.parse().unwrap())
}

/// A store behind a proxy; one connection, so that all bytes count. A database of its own, or another
/// proof would send its mails.
async fn behind_proxy(purpose: &str) -> (MySqlStore, Proxy) {
    let url: url::Url = server::Scratch::new(purpose).await.url().parse().unwrap();
    let proxy = Proxy::new(url.host_str().unwrap().to_owned(), url.port().unwrap_or(3306)).await;
    let mut through = url.clone();
    through.set_host(Some("127.0.0.1")).unwrap();
    through.set_port(Some(proxy.port)).unwrap();
    let options = MySqlOptions::from_url(through.as_str()).unwrap().connections(1);
    (options.open().await.unwrap(), proxy)
}

/// The places of the cuts: evenly over the bytes that a run of the flow passes each way, uncut and over a
/// connection that knows its statements.
fn places(passed: [i64; 2]) -> impl Iterator<Item = (Direction, i64)> {
    [Direction::ToServer, Direction::ToStore]
        .into_iter()
        .flat_map(move |way| (0..cuts()).map(move |cut| (way, 1 + cut * passed[way as usize] / cuts())))
}

/// Prints what was done, which is less than was asked for only where a run ended early.
fn report(flow: &str, proxy: &Proxy, passed: [i64; 2], failed: u32) {
    let (done, asked) = (proxy.cuts(), u64::try_from(2 * cuts()).unwrap());
    println!(
        "proof mysql: {flow} cut: {done} times within {} bytes to the server and {} back, {failed} failed and were repeated",
        passed[0], passed[1]
    );
    assert!(done * 10 >= asked * 9, "{done} cuts of {asked}");
}

fn is_unavailable(failure: &Failure) -> bool {
    failure.kind() == FailureKind::Unavailable
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_cut_anywhere_can_be_repeated_and_ends_no_session() {
    let (store, proxy) = behind_proxy("cut_refresh").await;
    let (auth, mailbox, clock) = service(store.clone());
    let email = fresh_email();
    auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &email).await, None, &client()).await.unwrap();
    let mut token =
        auth.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap().refresh_token.expose();
    let (mut passed, mut failed) = ([0; 2], 0);
    for _ in 0..2 {
        clock.advance(Duration::from_mins(1));
        proxy.passed();
        token = auth.refresh(&token, &client()).await.unwrap().refresh_token.expose();
        passed = proxy.passed();
    }
    for (way, bytes) in places(passed) {
        clock.advance(Duration::from_mins(1));
        proxy.cut_after(way, bytes);
        let outcome = auth.refresh(&token, &client()).await;
        proxy.disarm();
        // The honest client asks again with what it holds.
        let again = auth.refresh(&token, &client()).await.expect("the parent is answered within the leeway");
        match outcome {
            Ok(grant) => {
                assert_eq!(*grant.refresh_token.expose(), *again.refresh_token.expose(), "one live child");
            }
            Err(RefreshError::Failed(failure)) if is_unavailable(&failure) => failed += 1,
            Err(error) => panic!("cut after {bytes} bytes {way:?}: {error:?}"),
        }
        token = again.refresh_token.expose();
    }
    report("refresh", &proxy, passed, failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_cut_anywhere_happens_once_or_not_at_all() {
    let (store, proxy) = behind_proxy("cut_reset").await;
    let (auth, mailbox, clock) = service(store.clone());
    let email = fresh_email();
    auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &email).await, None, &client()).await.unwrap();
    let passwords = [PASSWORD, OTHER_PASSWORD];
    let (mut passed, mut failed) = ([0; 2], 0);
    for password in [OTHER_PASSWORD, PASSWORD] {
        auth.forgot_password(&email, &client()).await.unwrap();
        let reset = link(&auth, &mailbox, &email).await;
        proxy.passed();
        auth.reset_password(&reset, Password::new(password), &client()).await.unwrap();
        passed = proxy.passed();
        clock.advance(Duration::from_hours(2));
    }
    for (number, (way, bytes)) in places(passed).enumerate() {
        let (old, new) = (passwords[number % 2], passwords[(number + 1) % 2]);
        let before = auth.log_in(&email, Password::new(old), &client()).await.unwrap();
        auth.forgot_password(&email, &client()).await.unwrap();
        let reset = link(&auth, &mailbox, &email).await;
        proxy.cut_after(way, bytes);
        let outcome = auth.reset_password(&reset, Password::new(new), &client()).await;
        proxy.disarm();
        if let Err(error) = outcome {
            let ResetPasswordError::Failed(failure) = error else { panic!("{error:?}") };
            assert!(is_unavailable(&failure), "{failure:?}");
            failed += 1;
            // Repeated: it takes effect now, or says that it had.
            drop(auth.reset_password(&reset, Password::new(new), &client()).await);
        }
        clock.advance(Duration::from_mins(1));
        assert!(
            auth.refresh(&before.refresh_token.expose(), &client()).await.is_err(),
            "a session outlived a reset"
        );
        assert!(auth.log_in(&email, Password::new(old), &client()).await.is_err(), "the old password lives");
        assert!(
            auth.reset_password(&reset, Password::new(old), &client()).await.is_err(),
            "a link worked twice"
        );
        auth.log_in(&email, Password::new(new), &client()).await.expect("the new password works");
        clock.advance(Duration::from_hours(2));
    }
    report("reset", &proxy, passed, failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_address_cut_anywhere_happens_once_or_not_at_all() {
    let (store, proxy) = behind_proxy("cut_new_address").await;
    let (auth, mailbox, clock) = service(store.clone());
    let mut own = fresh_email();
    auth.register(&own, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &own).await, None, &client()).await.unwrap();
    let asked = async |own: &str, new: &str| {
        let grant = auth.log_in(own, Password::new(PASSWORD), &client()).await.unwrap();
        let claims = auth.authenticate(grant.access_token.expose()).unwrap();
        auth.change_email(&claims, new, Password::new(PASSWORD), &client()).await.unwrap();
        (grant.user, link(&auth, &mailbox, new).await)
    };
    let (mut passed, mut failed) = ([0; 2], 0);
    for _ in 0..2 {
        let new = fresh_email();
        let (_, confirm) = asked(&own, &new).await;
        proxy.passed();
        auth.confirm_email(&confirm, &client()).await.unwrap();
        passed = proxy.passed();
        own = new;
    }
    for (way, bytes) in places(passed) {
        let new = fresh_email();
        let (before, confirm) = asked(&own, &new).await;
        proxy.cut_after(way, bytes);
        let outcome = auth.confirm_email(&confirm, &client()).await;
        proxy.disarm();
        if let Err(error) = outcome {
            let ConfirmEmailError::Failed(failure) = error else { panic!("{error:?}") };
            assert!(is_unavailable(&failure), "{failure:?}");
            failed += 1;
            // Repeated: it takes effect now, or says that it had.
            drop(auth.confirm_email(&confirm, &client()).await);
        }
        let user = auth.user(before.id).await.unwrap();
        assert_eq!((user.email.address(), user.epoch), (&*new, before.epoch.next()), "once");
        assert!(auth.confirm_email(&confirm, &client()).await.is_err(), "a link worked twice");
        auth.log_in(&own, Password::new(PASSWORD), &client()).await.expect_err("the old address is free");
        clock.advance(Duration::from_hours(2));
        auth.deliver_due_mails().await.unwrap();
        for address in [&own, &new] {
            let told = |mail: &Mail| matches!(mail.message, Message::EmailChanged { .. });
            assert!(
                mailbox.mails().iter().any(|mail| mail.to.address() == address && told(mail)),
                "{address}"
            );
        }
        own = new;
    }
    report("change of address", &proxy, passed, failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_cut_anywhere_leaves_one_user_and_its_mail() {
    let (store, proxy) = behind_proxy("cut_registration").await;
    let (auth, mailbox, clock) = service(store.clone());
    let (mut passed, mut failed) = ([0; 2], 0);
    for _ in 0..2 {
        proxy.passed();
        auth.register(&fresh_email(), Password::new(PASSWORD), None, &client()).await.unwrap();
        passed = proxy.passed();
    }
    for (way, bytes) in places(passed) {
        let email = fresh_email();
        proxy.cut_after(way, bytes);
        let outcome = auth.register(&email, Password::new(PASSWORD), None, &client()).await;
        proxy.disarm();
        if let Err(error) = outcome {
            let RegisterError::Failed(failure) = error else { panic!("{error:?}") };
            assert!(is_unavailable(&failure), "{failure:?}");
            failed += 1;
            auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
        }
        let verify = link(&auth, &mailbox, &email).await;
        auth.verify_email(&verify, None, &client()).await.expect("the mailed link verifies");
        auth.log_in(&email, Password::new(PASSWORD), &client()).await.expect("the registered password works");
        clock.advance(Duration::from_mins(1));
    }
    report("registration", &proxy, passed, failed);
}
