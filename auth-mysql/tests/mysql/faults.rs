//! Connections break, locks stand in the way and servers refuse: nothing is lost, nothing happens
//! twice, and no failure reads as a wrong token.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use auth_core::store::Guarded;
use auth_core::{
    Failure, FailureKind, Password, RefreshError, StoreErrorKind, TokenStore as _, UserStore as _,
};
use auth_mysql::{MySqlOptions, MySqlStore};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use crate::proxy::{Direction, Proxy};
use crate::server::{self, OTHER_PASSWORD, PASSWORD, client, link, service};

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

/// The places of the cuts: evenly over what one run of the flow passes through the proxy.
fn places() -> impl Iterator<Item = (Direction, i64)> {
    [Direction::ToServer, Direction::ToStore]
        .into_iter()
        .flat_map(|way| (0..cuts()).map(move |cut| (way, 1 + cut * 3_000 / cuts())))
}

fn is_unavailable(failure: &Failure) -> bool {
    failure.kind() == FailureKind::Unavailable
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_cut_anywhere_can_be_repeated_and_ends_no_session() {
    let (store, proxy) = behind_proxy("cut_refresh").await;
    let (auth, mailbox, clock) = service(store.clone());
    let email = server::fresh_email();
    auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &email).await, None, &client()).await.unwrap();
    let mut token =
        auth.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap().refresh_token.expose();
    let (mut failed, mut spared) = (0, 0);
    for (way, bytes) in places() {
        clock.advance(Duration::from_mins(1));
        proxy.cut_after(way, bytes);
        let outcome = auth.refresh(&token, &client()).await;
        spared += u64::from(proxy.disarm());
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
    println!("refresh: {} cuts, {spared} beyond the end, {failed} failed and were repeated", proxy.cuts());
    assert!(proxy.cuts() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_cut_anywhere_happens_once_or_not_at_all() {
    let (store, proxy) = behind_proxy("cut_reset").await;
    let (auth, mailbox, clock) = service(store.clone());
    let email = server::fresh_email();
    auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &email).await, None, &client()).await.unwrap();
    let passwords = [PASSWORD, OTHER_PASSWORD];
    let mut failed = 0;
    for (number, (way, bytes)) in places().enumerate() {
        let (old, new) = (passwords[number % 2], passwords[(number + 1) % 2]);
        let before = auth.log_in(&email, Password::new(old), &client()).await.unwrap();
        auth.forgot_password(&email, &client()).await.unwrap();
        let reset = link(&auth, &mailbox, &email).await;
        proxy.cut_after(way, bytes);
        let outcome = auth.reset_password(&reset, Password::new(new), &client()).await;
        proxy.disarm();
        if let Err(error) = outcome {
            let auth_core::ResetPasswordError::Failed(failure) = error else { panic!("{error:?}") };
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
    println!("reset: {} cuts, {failed} failed and were repeated", proxy.cuts());
    assert!(proxy.cuts() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_address_cut_anywhere_happens_once_or_not_at_all() {
    let (store, proxy) = behind_proxy("cut_new_address").await;
    let (auth, mailbox, clock) = service(store.clone());
    let mut own = server::fresh_email();
    auth.register(&own, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &own).await, None, &client()).await.unwrap();
    let mut failed = 0;
    for (way, bytes) in places() {
        let (new, before) =
            (server::fresh_email(), auth.log_in(&own, Password::new(PASSWORD), &client()).await.unwrap());
        let claims = auth.authenticate(before.access_token.expose()).unwrap();
        auth.change_email(&claims, &new, Password::new(PASSWORD), &client()).await.unwrap();
        let confirm = link(&auth, &mailbox, &new).await;
        proxy.cut_after(way, bytes);
        let outcome = auth.confirm_email(&confirm, &client()).await;
        proxy.disarm();
        if let Err(error) = outcome {
            let auth_core::ConfirmEmailError::Failed(failure) = error else { panic!("{error:?}") };
            assert!(is_unavailable(&failure), "{failure:?}");
            failed += 1;
            // Repeated: it takes effect now, or says that it had.
            drop(auth.confirm_email(&confirm, &client()).await);
        }
        let user = auth.user(before.user.id).await.unwrap();
        assert_eq!((user.email.address(), user.epoch), (&*new, before.user.epoch.next()), "once");
        assert!(auth.confirm_email(&confirm, &client()).await.is_err(), "a link worked twice");
        auth.log_in(&own, Password::new(PASSWORD), &client()).await.expect_err("the old address is free");
        clock.advance(Duration::from_hours(2));
        auth.deliver_due_mails().await.unwrap();
        for address in [&own, &new] {
            let told =
                |mail: &auth_core::Mail| matches!(mail.message, auth_core::Message::EmailChanged { .. });
            assert!(
                mailbox.mails().iter().any(|mail| mail.to.address() == address && told(mail)),
                "{address}"
            );
        }
        own = new;
    }
    println!("new address: {} cuts, {failed} failed and were repeated", proxy.cuts());
    assert!(proxy.cuts() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_cut_anywhere_leaves_one_user_and_its_mail() {
    let (store, proxy) = behind_proxy("cut_registration").await;
    let (auth, mailbox, clock) = service(store.clone());
    let mut failed = 0;
    for (way, bytes) in places() {
        let email = server::fresh_email();
        proxy.cut_after(way, bytes);
        let outcome = auth.register(&email, Password::new(PASSWORD), None, &client()).await;
        proxy.disarm();
        if let Err(error) = outcome {
            let auth_core::RegisterError::Failed(failure) = error else { panic!("{error:?}") };
            assert!(is_unavailable(&failure), "{failure:?}");
            failed += 1;
            auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
        }
        let verify = link(&auth, &mailbox, &email).await;
        auth.verify_email(&verify, None, &client()).await.expect("the mailed link verifies");
        auth.log_in(&email, Password::new(PASSWORD), &client()).await.expect("the registered password works");
        clock.advance(Duration::from_mins(1));
    }
    println!("registration: {} cuts, {failed} failed and were repeated", proxy.cuts());
    assert!(proxy.cuts() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_replaced_unseen() {
    let scratch = server::Scratch::new("killed").await;
    let store = MySqlStore::connect(scratch.url()).await.unwrap();
    let mut stranger = server::stranger().await;
    let (user, session) = server::user_and_session(&store).await;
    let mut killed = 0;
    for round in 0..20 {
        let list =
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = 'auth_test_killed'";
        // MySQL's list fails while any statement runs whose text is not UTF-8, such as those with ids.
        let rows = loop {
            if let Ok(rows) = stranger.fetch_all(list).await {
                break rows;
            }
        };
        for row in rows {
            let kill = format!("KILL {}", row.get::<i64, _>(0));
            killed += stranger.execute(sqlx::raw_sql(AssertSqlSafe(kill))).await.map_or(0, |_| 1);
        }
        // Each of these meets a connection that the server has closed.
        let found = store.find_by_id(user).await.unwrap().unwrap();
        assert!(store.find_session(session).await.unwrap().is_some(), "round {round}");
        assert_eq!(store.advance_epoch(user, found.epoch).await.unwrap(), Guarded::Applied, "round {round}");
    }
    assert!(killed >= 20, "{killed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lock_of_others_is_waited_for_and_then_unavailable() {
    let store = Arc::new(server::store().await);
    let (user, _) = server::user_and_session(&store).await;
    let found = store.find_by_id(user).await.unwrap().unwrap();
    let mut stranger = server::stranger().await;
    let mut lock = stranger.begin().await.unwrap();
    let touch = "UPDATE auth_users SET name = 'locked' WHERE id = ?";
    sqlx::query(touch).bind(user.as_bytes().as_slice()).execute(&mut *lock).await.unwrap();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (store, epoch) = (Arc::clone(&store), found.epoch);
        waiting.spawn(async move { store.advance_epoch(user, epoch).await });
    }
    for outcome in waiting.join_all().await {
        assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
    lock.rollback().await.unwrap();
    assert_eq!(store.advance_epoch(user, found.epoch).await.unwrap(), Guarded::Applied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deadlock_is_tried_again_until_it_is_decided() {
    let store = server::store().await;
    let (first, second) =
        (server::user_and_session(&store).await.0, server::user_and_session(&store).await.0);
    let lock = "UPDATE auth_users SET name = 'mine' WHERE id = ?";
    let big = "UPDATE auth_users SET name = CONCAT(name, '!') WHERE id IN (?, ?)";
    for _ in 0..20 {
        let epoch = store.find_by_id(first).await.unwrap().unwrap().epoch;
        let mut stranger = server::stranger().await;
        let mut held = stranger.begin().await.unwrap();
        sqlx::query(lock).bind(first.as_bytes().as_slice()).execute(&mut *held).await.unwrap();
        let waiting = tokio::spawn({
            let store = store.clone();
            async move { store.advance_epoch(first, epoch).await }
        });
        sqlx::query(big)
            .bind(first.as_bytes().as_slice())
            .bind(second.as_bytes().as_slice())
            .execute(&mut *held)
            .await
            .unwrap();
        held.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), Guarded::Applied);
    }
}

#[tokio::test]
async fn a_server_with_no_room_is_unavailable() {
    let url = &server::urls()[0];
    let options: MySqlConnectOptions = url.parse().unwrap();
    let name = format!("auth_few_{}", std::process::id());
    let mut stranger = server::stranger().await;
    for sql in [
        format!("CREATE USER '{name}'@'%' IDENTIFIED BY 'few-pw' WITH MAX_USER_CONNECTIONS 1"),
        format!("GRANT ALL ON {}.* TO '{name}'@'%'", options.get_database().unwrap()),
    ] {
        stranger.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
    let (_, place) = url.split_once('@').unwrap();
    let few = format!("mysql://{name}:few-pw@{place}");
    let store = MySqlOptions::from_url(&few).unwrap().connections(1).open().await.unwrap();
    store.close().await;
    let held = server::connect(&few).await;
    for _ in 0..20 {
        let error = MySqlStore::connect(&few).await.unwrap_err();
        assert!(matches!(error, auth_mysql::OpenError::Unreachable(_)), "{error:?}");
    }
    drop(held);
    let drop = format!("DROP USER '{name}'@'%'");
    stranger.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
}

#[tokio::test]
async fn a_write_that_a_constraint_refuses_is_corrupt_and_a_second_id_a_conflict() {
    let store = server::store().await;
    let session = crate::samples::session(u32::MAX);
    drop(store.revoke_session(session.user_id, session.id).await);
    store.insert_session(&session).await.unwrap();
    assert_eq!(store.insert_session(&session).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    let agent = Some("x".repeat(257));
    let long =
        auth_core::Session { id: crate::samples::session_id(u32::MAX - 1), user_agent: agent, ..session };
    assert_eq!(store.insert_session(&long).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}
