use sqlx::mysql::MySqlRow;
use sqlx::{Executor as _, Row as _};

use super::*;
use crate::{MySqlOptions, MySqlStore};

/// One that takes no writes for long, because no other takes its place, is not left over and over.
#[test]
fn a_server_that_is_not_the_primary_is_left_once_in_a_while() {
    let at_hand = AtHand::new(1);
    let old = Instant::now();
    assert!(!at_hand.has_left(old));
    assert!(at_hand.leaves(old));
    assert!(at_hand.has_left(old) && at_hand.leaves(old), "whoever was on its way there too");
    let new = Instant::now();
    assert!(!at_hand.has_left(new));
    assert!(!at_hand.leaves(new), "the new one led to the same");
    let long_ago = at_hand.left_at.lock().unwrap().and_then(|left_at| left_at.checked_sub(LEAVING));
    *at_hand.left_at.lock().unwrap() = long_ago;
    assert!(at_hand.leaves(new));
}

async fn open() -> MySqlStore {
    open_with(1).await
}

async fn open_with(connections: u32) -> MySqlStore {
    let urls = std::env::var("AUTH_TEST_MYSQL_URL").expect("a server; run `scripts/test`");
    let url = urls.split(',').next().unwrap();
    MySqlOptions::from_url(url).unwrap().connections(connections).open().await.unwrap()
}

async fn ask(store: &MySqlStore, sql: &'static str) -> Result<MySqlRow, sqlx::Error> {
    let mut lent = store.connections.lend().await.unwrap();
    let outcome = lent.fetch_one(sqlx::raw_sql(sql)).await;
    lent.done(outcome).map_err(|(_, error)| error)
}

/// A firewall that forgets a connection is not met by a statement.
#[tokio::test]
async fn one_that_was_idle_for_long_is_asked_before_it_is_used() {
    let store = open().await;
    for (idle_for, used) in [(Duration::ZERO, true), (LONG_IDLE, false)] {
        let mut lent = store.connections.lend().await.unwrap();
        // It is told that this statement was broken off, or nothing any more.
        drop(lent.execute("KILL CONNECTION_ID()").await);
        _ = lent.done(Ok(()));
        let age = |free: &mut Free| free.idle_since = free.idle_since.checked_sub(idle_for).unwrap();
        age(&mut store.connections.at_hand.as_ref().unwrap().free.lock().unwrap()[0]);
        let outcome = ask(&store, "SELECT 1").await;
        assert_eq!(outcome.is_err(), used, "idle for {idle_for:?}: {outcome:?}");
    }
}

/// One that does not answer takes along those that may have gone with it, not one that worked meanwhile.
#[tokio::test]
async fn whoever_came_back_while_another_was_in_doubt_stays() {
    let store = open_with(2).await;
    let at_hand = store.connections.at_hand.as_ref().unwrap();
    let (one, other) = (store.connections.lend().await.unwrap(), store.connections.lend().await.unwrap());
    _ = one.done(Ok(()));
    let in_doubt = at_hand.free.lock().unwrap()[0].idle_since;
    _ = other.done(Ok(()));
    at_hand.close_idle_since(in_doubt);
    let left: Vec<_> = at_hand.free.lock().unwrap().iter().map(|free| free.idle_since).collect();
    assert!(matches!(left[..], [idle_since] if idle_since > in_doubt), "{left:?} of {in_doubt:?}");
}

/// Changed rights and names are met within half an hour, and what is beyond need goes.
#[tokio::test]
async fn one_that_is_old_or_idle_for_too_long_is_closed() {
    for age in [
        |free: &mut Free| free.opened_at = free.opened_at.checked_sub(LIFETIME).unwrap(),
        |free: &mut Free| free.idle_since = free.idle_since.checked_sub(IDLE).unwrap(),
    ] {
        let store = open_with(2).await;
        let at_hand = store.connections.at_hand.as_ref().unwrap();
        let (one, other) = (store.connections.lend().await.unwrap(), store.connections.lend().await.unwrap());
        _ = one.done(Ok(()));
        age(&mut at_hand.free.lock().unwrap()[0]);
        _ = other.done(Ok(()));
        assert_eq!(at_hand.free.lock().unwrap().len(), 1, "the younger one");
    }
}

/// On every connection of a store's own, whatever the server's defaults are.
#[tokio::test]
async fn every_connection_is_strict_in_utc_and_reads_what_is_committed() {
    let store = open().await;
    let mut lent = store.connections.lend().await.unwrap();
    let said = async |lent: &mut Lent| {
        let sql = "SELECT @@SESSION.sql_mode LIKE '%STRICT_ALL_TABLES%', @@SESSION.time_zone = '+00:00', \
            @@SESSION.autocommit = 1, @@SESSION.innodb_lock_wait_timeout = 1, @@SESSION.lock_wait_timeout = 1";
        let row = lent.fetch_one(sqlx::raw_sql(sql)).await.unwrap();
        // The name is another on MariaDB before 11.1.
        let sql = "SHOW SESSION VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')";
        let isolation: String = lent.fetch_one(sqlx::raw_sql(sql)).await.unwrap().get_unchecked(1);
        let [strict, utc, autocommit, record, table] =
            [0, 1, 2, 3, 4].map(|column| row.get_unchecked(column));
        [strict, utc, autocommit, record, table, i64::from(isolation == "READ-COMMITTED")]
    };
    assert_eq!(said(&mut lent).await, [1; 6], "as it is opened");
    for sql in [
        "SET SESSION sql_mode = '', time_zone = '+05:00', autocommit = 0, innodb_lock_wait_timeout = 50, \
         lock_wait_timeout = 50",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ] {
        lent.execute(sql).await.unwrap();
    }
    assert_eq!(said(&mut lent).await, [0; 6], "as a server may have it");
    MySqlStore::prepare(&mut lent).await.unwrap();
    assert_eq!(said(&mut lent).await, [1; 6], "as it is prepared");
}
