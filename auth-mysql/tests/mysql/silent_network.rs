//! Callers that are cancelled while the network drops or delays bytes.

use std::time::Duration;

use auth_core::TokenStore as _;
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::samples;
use sqlx::mysql::MySqlPoolOptions;
use tokio::time::timeout;

use crate::proxy::Proxy;
use crate::server::Scratch;

#[tokio::test]
async fn a_cancelled_caller_leaves_no_dead_connection() {
    let (proxy, url) = Proxy::before(Scratch::new("silence").await.url()).await;
    let store = MySqlOptions::from_url(&url).unwrap().connections(1).open().await.unwrap();
    replaces_the_connection(&proxy, &store, || true).await;
}

#[tokio::test]
async fn a_cancelled_caller_leaves_a_shared_pool_no_dead_connection() {
    let (proxy, url) = Proxy::before(Scratch::new("silence_pool").await.url()).await;
    let pool = MySqlPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(3))
        .after_connect(|connection, _| Box::pin(MySqlStore::prepare(connection)));
    let pool = pool.connect(&url).await.unwrap();
    let store = MySqlStore::from_pool(pool.clone());
    store.migrate().await.unwrap();
    // sqlx pings each released connection, and waits for the answer as long as TCP does.
    replaces_the_connection(&proxy, &store, || pool.num_idle() == 1).await;
}

/// The only connection hangs; TCP would retry for a quarter of an hour.
async fn replaces_the_connection(proxy: &Proxy, store: &MySqlStore, is_released: impl Fn() -> bool + Sync) {
    for _ in 0..3 {
        assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
        let released = async {
            while !is_released() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), released).await.expect("it is released");
        proxy.drop_bytes();
        let patience = Duration::from_millis(200);
        timeout(patience, store.find_session(samples::session_id(1))).await.expect_err("nothing answers");
    }
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
}

/// Two callers are cancelled: the first during its statement, so that the other connection is not
/// fresh any more; the second during the check of that connection. The late answers must not reach
/// another statement.
#[tokio::test]
async fn a_late_answer_never_reaches_the_next_statement() {
    let (proxy, url) = Proxy::before(Scratch::new("late").await.url()).await;
    let store = MySqlOptions::from_url(&url).unwrap().connections(2).open().await.unwrap();
    for number in [1, 2] {
        store.insert_session(&samples::session(number)).await.unwrap();
    }
    let reads_its_own = async |number| {
        let found = store.find_session(samples::session_id(number)).await.unwrap();
        assert_eq!(found.map(|session| session.id), Some(samples::session_id(number)));
    };
    for _ in 0..3 {
        // Concurrently, so that each has a connection.
        tokio::join!(reads_its_own(1), reads_its_own(2));
        proxy.until_open(2).await;
        proxy.delay_answers(true);
        let soon = Duration::from_millis(200);
        timeout(soon, store.find_session(samples::session_id(1))).await.expect_err("the answer is delayed");
        proxy.until_open(1).await;
        timeout(soon, store.find_session(samples::session_id(2))).await.expect_err("the answer is delayed");
        proxy.delay_answers(false);
        for _ in 0..5 {
            tokio::join!(reads_its_own(1), reads_its_own(2));
        }
    }
}
