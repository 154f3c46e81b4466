//! A store waits for locks of other connections for a limited time, and then reports them.

use std::time::{Duration, Instant};

use auth_core::store::GuardedWrite;
use auth_core::{StoreErrorKind, TokenStore};
use auth_sqlite::{OpenError, SqliteStore};
use sqlx::Connection as _;

use crate::scratch::{Scratch, raw_connection};
use auth_testkit::samples;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_for_a_lock_and_reads_do_not() {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();

    let mut raw = raw_connection(&path).await;
    let transaction = raw.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.rotate(&samples::rotation(1, 0)).await }
    });
    // Many times longer than SQLite itself polls.
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!waiting.is_finished());
    assert_eq!(store.find_session(samples::session_id(1)).await.unwrap().unwrap().generation, 0);
    transaction.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), GuardedWrite::Applied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_never_released_makes_the_store_unavailable() {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();

    let mut raw = raw_connection(&path).await;
    let transaction = raw.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let started = Instant::now();
    // Several writers: those that wait for the permit wait no longer than the one that has it.
    let writers = [(); 4].map(|()| {
        let store = store.clone();
        tokio::spawn(async move { store.rotate(&samples::rotation(1, 0)).await })
    });
    let opening = SqliteStore::open(&path).await;
    assert!(matches!(opening, Err(OpenError::Database(_))), "{opening:?}");
    for writer in writers {
        let error = writer.await.unwrap().expect_err("locked");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
    let waited = started.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(9)).contains(&waited), "{waited:?}");
    transaction.rollback().await.unwrap();
    assert_eq!(store.rotate(&samples::rotation(1, 0)).await.unwrap(), GuardedWrite::Applied);
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let store = SqliteStore::in_memory().await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
    let read = store.find_session(samples::session_id(1)).await.expect_err("closed");
    let written = store.insert_session(&samples::session(1)).await.expect_err("closed");
    let pinged = store.ping().await.expect_err("closed");
    for error in [read, written, pinged] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}
