//! Callers that are cancelled while the network drops or delays bytes.

use std::time::Duration;

use auth_mysql::{MySqlOptions, MySqlStore};
use auth_tests::server::{Proxy, silence};
use sqlx::mysql::MySqlPoolOptions;

use crate::server::Scratch;

#[tokio::test]
async fn a_cancelled_caller_leaves_no_dead_connection() {
    let (proxy, url) = Proxy::before(Scratch::new("silence").await.url()).await;
    let store = MySqlOptions::from_url(&url).unwrap().connections(1).open().await.unwrap();
    silence::a_cancelled_caller_leaves_no_dead_connection(&proxy, &store, || true).await;
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
    silence::a_cancelled_caller_leaves_no_dead_connection(&proxy, &store, || pool.num_idle() == 1).await;
}

#[tokio::test]
async fn a_late_answer_never_reaches_the_next_statement() {
    let (proxy, url) = Proxy::before(Scratch::new("late").await.url()).await;
    let store = MySqlOptions::from_url(&url).unwrap().connections(2).open().await.unwrap();
    silence::a_late_answer_never_reaches_the_next_statement(&proxy, &store).await;
}
