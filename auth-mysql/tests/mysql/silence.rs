//! A network that swallows or holds back what it is given, and callers who do not wait for the end of that.

use std::time::Duration;

use auth_core::TokenStore as _;
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::samples;
use sqlx::mysql::MySqlPoolOptions;
use tokio::time::timeout;

use crate::proxy::Proxy;
use crate::server::Scratch;

#[tokio::test]
async fn a_caller_who_goes_away_leaves_no_dead_connection_to_the_next() {
    let (proxy, url) = Proxy::before(Scratch::new("silence").await.url()).await;
    let store = MySqlOptions::from_url(&url).unwrap().connections(1).open().await.unwrap();
    given_up_for_a_new_one(&proxy, &store, || true).await;
}

#[tokio::test]
async fn nor_to_the_next_of_a_pool_that_others_use() {
    let (proxy, url) = Proxy::before(Scratch::new("silence_pool").await.url()).await;
    let pool = MySqlPoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(3))
        .after_connect(|connection, _| Box::pin(MySqlStore::prepare(connection)));
    let pool = pool.connect(&url).await.unwrap();
    let store = MySqlStore::from_pool(pool.clone());
    store.migrate().await.unwrap();
    // sqlx asks each that comes back, and waits for the answer as long as TCP does.
    given_up_for_a_new_one(&proxy, &store, || pool.num_idle() == 1).await;
}

/// There is one connection, which hangs; TCP would try for a quarter of an hour.
async fn given_up_for_a_new_one(proxy: &Proxy, store: &MySqlStore, is_back: impl Fn() -> bool + Sync) {
    for _ in 0..3 {
        assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
        let back = async {
            while !is_back() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(20), back).await.expect("it comes back");
        proxy.swallow();
        let patience = Duration::from_millis(200);
        timeout(patience, store.find_session(samples::session_id(1))).await.expect_err("nothing answers");
    }
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_none());
}

/// Two callers go away: the first from a statement, so that the other connection is in doubt, the second from the question
/// whether that one lives. What answers that late is nobody else's answer.
#[tokio::test]
async fn a_late_answer_is_not_taken_for_that_of_the_next_statement() {
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
        // At once, so that each has a connection.
        tokio::join!(reads_its_own(1), reads_its_own(2));
        proxy.until_open(2).await;
        proxy.hold(true);
        let soon = Duration::from_millis(200);
        timeout(soon, store.find_session(samples::session_id(1))).await.expect_err("it is held back");
        proxy.until_open(1).await;
        timeout(soon, store.find_session(samples::session_id(2))).await.expect_err("it is held back");
        proxy.hold(false);
        for _ in 0..5 {
            tokio::join!(reads_its_own(1), reads_its_own(2));
        }
    }
}
