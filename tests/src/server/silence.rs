//! Callers that are cancelled while the network drops or delays bytes.

use std::time::Duration;

use auth_core::store::Store;
use auth_testkit::samples;
use tokio::time::timeout;

use super::Proxy;

/// The only connection hangs; TCP would retry for a quarter of an hour. The next caller gets another one. A store
/// over a pool of the service says when the pool has its connection back.
pub async fn a_cancelled_caller_leaves_no_dead_connection(
    proxy: &Proxy,
    store: &impl Store,
    is_released: impl Fn() -> bool + Sync,
) {
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

/// Two callers of a store with two connections are cancelled: the first during its statement, so that the other
/// connection is not fresh any more; the second during the check of that connection. The late answers must not
/// reach another statement.
pub async fn a_late_answer_never_reaches_the_next_statement(proxy: &Proxy, store: &impl Store) {
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
