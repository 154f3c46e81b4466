//! A network that swallows what it is given, and callers who do not wait for the end of that.

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
