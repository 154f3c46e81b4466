//! Callers that are cancelled while the network drops or delays bytes.

use std::time::Duration;

use auth_core::{StoreErrorKind, TokenStore as _};
use auth_postgres::{PgOptions, PgStore};
use auth_testkit::samples;
use auth_tests::server::{Proxy, silence};
use tokio::time::timeout;

use crate::server::{self, Scratch};

async fn behind(purpose: &str, connections: u32) -> (Proxy, PgStore) {
    let (proxy, url) = Proxy::before(Scratch::new(purpose).await.url()).await;
    (proxy, PgOptions::from_url(&url).unwrap().connections(connections).open().await.unwrap())
}

#[tokio::test]
async fn a_cancelled_caller_leaves_no_dead_connection() {
    let (proxy, store) = behind("silence", 1).await;
    silence::a_cancelled_caller_leaves_no_dead_connection(&proxy, &store, || true).await;
}

#[tokio::test]
async fn a_late_answer_never_reaches_the_next_statement() {
    let (proxy, store) = behind("late", 2).await;
    silence::a_late_answer_never_reaches_the_next_statement(&proxy, &store).await;
}

/// sqlx gives the error of an abandoned statement to the next one over the same connection. Here that
/// would be "this address is taken", to a caller whose address is free.
#[tokio::test]
async fn a_late_error_never_reaches_the_next_statement() {
    let scratch = Scratch::new("late_error").await;
    let store = PgOptions::from_url(scratch.url()).unwrap().connections(1).open().await.unwrap();
    let mut other = server::connect(scratch.url()).await;
    for round in 0..3 {
        // The insert waits for this one, and fails once it is committed.
        let mut held = sqlx::Connection::begin(&mut other).await.unwrap();
        let taken = samples::session(round);
        let sql = "INSERT INTO auth_users (id, email_canonical, email, password_changed_at, epoch, status, created_at) \
            VALUES (decode(lpad($1, 32, '0'), 'hex'), $2, 'x', now(), 1, 'active', now())";
        let user = samples::user(round);
        sqlx::query(sql)
            .bind(format!("{round:x}"))
            .bind(user.email.canonical())
            .execute(&mut *held)
            .await
            .unwrap();
        let soon = Duration::from_millis(200);
        timeout(soon, auth_core::UserStore::insert_user(&store, &user)).await.expect_err("it waits");
        held.commit().await.unwrap();
        store.insert_session(&taken).await.expect("the answer to this statement");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_in_time() {
    let (proxy, store) = behind("no_answer", 1).await;
    proxy.delay_answers(true);
    let started = std::time::Instant::now();
    let error = store.find_session(samples::session_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    proxy.delay_answers(false);
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
}
