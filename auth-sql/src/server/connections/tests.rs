use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::idle::{FRESH_FOR, IDLE_TIMEOUT, MAX_LIFETIME};
use super::*;
use crate::UniqueKey;

/// A pool without a server: it numbers the connections that it opens.
#[derive(Clone, Default)]
struct Fake(Arc<FakeServer>);

#[derive(Default)]
struct FakeServer {
    opened: AtomicU32,
    /// Connections are lost: a check fails.
    gone: AtomicBool,
    closed: Mutex<Vec<u32>>,
}

struct FakeConnection {
    number: u32,
    server: Arc<FakeServer>,
}

impl Driver for Fake {
    type Connection = FakeConnection;
    type Statement = ();
    type Row = ();

    async fn open(&self) -> Result<FakeConnection, StoreError> {
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed);
        Ok(FakeConnection { number, server: Arc::clone(&self.0) })
    }

    async fn is_alive(connection: &mut FakeConnection) -> bool {
        !connection.server.gone.load(Ordering::Relaxed)
    }

    fn close(connection: FakeConnection) {
        connection.server.closed.lock().unwrap().push(connection.number);
    }

    async fn close_gracefully(connection: FakeConnection) {
        Self::close(connection);
    }

    async fn close_pool(&self) {}

    async fn execute(_: &mut FakeConnection, (): ()) -> Result<u64, sqlx::Error> {
        Ok(1)
    }

    async fn fetch(_: &mut FakeConnection, (): ()) -> Result<Vec<()>, sqlx::Error> {
        Ok(vec![()])
    }

    fn class(_: &sqlx::Error) -> ErrorClass {
        ErrorClass::Refused
    }

    fn unique_key(_: &sqlx::Error) -> UniqueKey {
        UniqueKey::Other
    }
}

fn owned(max_connections: u32) -> (Connections<Fake>, Arc<FakeServer>) {
    let fake = Fake::default();
    (Connections::owned(fake.clone(), max_connections), fake.0)
}

async fn acquire(connections: &Connections<Fake>) -> PooledConnection<Fake> {
    connections.acquire().await.unwrap()
}

fn idle(connections: &Connections<Fake>) -> &IdleConnections<Fake> {
    connections.idle.as_ref().unwrap()
}

fn age(connections: &Connections<Fake>, age: impl Fn(&mut IdleConnection<Fake>)) {
    idle(connections).all().iter_mut().for_each(age);
}

fn idle_numbers(connections: &Connections<Fake>) -> Vec<u32> {
    idle(connections).all().iter().map(|idle| idle.connection.number).collect()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_released_connection_is_used_again() {
    let (connections, server) = owned(2);
    for _ in 0..3 {
        acquire(&connections).await.release();
    }
    assert_eq!(server.opened.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_idle_for_long_is_checked_before_its_use() {
    for (idle_for, checked) in [(Duration::ZERO, false), (FRESH_FOR, true)] {
        let (connections, server) = owned(1);
        acquire(&connections).await.release();
        age(&connections, |idle| idle.idle_since = idle.idle_since.checked_sub(idle_for).unwrap());
        server.gone.store(true, Ordering::Relaxed);
        let number = acquire(&connections).await.number;
        assert_eq!(number, u32::from(checked), "idle for {idle_for:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_checked_after_another_was_lost() {
    let (connections, server) = owned(2);
    let (first, second) = (acquire(&connections).await, acquire(&connections).await);
    first.release();
    assert_eq!(second.release_failed(ErrorClass::ConnectionLost), ErrorClass::ConnectionLost);
    assert_eq!(*server.closed.lock().unwrap(), [1]);
    server.gone.store(true, Ordering::Relaxed);
    assert_eq!(acquire(&connections).await.number, 2, "the idle one failed its check");
}

#[tokio::test]
async fn a_failed_check_closes_what_was_idle_for_as_long() {
    let (connections, server) = owned(3);
    let [first, second, third] =
        [acquire(&connections).await, acquire(&connections).await, acquire(&connections).await];
    first.release();
    second.release();
    let second_idle_since = idle(&connections).all()[1].idle_since;
    third.release();
    idle(&connections).close_idle_since(second_idle_since);
    assert_eq!(idle_numbers(&connections), [2], "the third was used since");
    assert_eq!(*server.closed.lock().unwrap(), [0, 1]);
}

#[tokio::test]
async fn an_old_or_long_idle_connection_is_closed() {
    for make_old in [
        |idle: &mut IdleConnection<Fake>| idle.opened_at = idle.opened_at.checked_sub(MAX_LIFETIME).unwrap(),
        |idle: &mut IdleConnection<Fake>| {
            idle.idle_since = idle.idle_since.checked_sub(IDLE_TIMEOUT).unwrap();
        },
    ] {
        let (connections, server) = owned(2);
        let (first, second) = (acquire(&connections).await, acquire(&connections).await);
        first.release();
        age(&connections, make_old);
        second.release();
        assert_eq!(idle_numbers(&connections), [1]);
        until(|| *server.closed.lock().unwrap() == [0]).await;
    }
}

#[tokio::test]
async fn a_cancelled_statement_keeps_a_live_connection() {
    for (gone, left) in [(false, vec![0]), (true, vec![])] {
        let (connections, server) = owned(1);
        let connection = acquire(&connections).await;
        server.gone.store(gone, Ordering::Relaxed);
        drop(connection);
        // The only permit is free again once the check is done.
        let permit = idle(&connections).permit().await.unwrap();
        assert_eq!(idle_numbers(&connections), left, "server gone: {gone}");
        drop(permit);
    }
}

#[tokio::test]
async fn no_more_connections_are_in_use_than_allowed() {
    let (connections, _server) = owned(1);
    let held = acquire(&connections).await;
    let waits = timeout(Duration::from_millis(10), connections.acquire()).await;
    assert!(waits.is_err(), "a second connection was in use");
    held.release();
    acquire(&connections).await.release();
}

#[tokio::test]
async fn a_read_only_server_is_left_once_per_interval() {
    let (connections, server) = owned(3);
    let (first, second) = (acquire(&connections).await, acquire(&connections).await);
    acquire(&connections).await.release();
    assert_eq!(first.release_failed(ErrorClass::NotPrimary), ErrorClass::NotPrimary);
    assert_eq!(*server.closed.lock().unwrap(), [2, 0], "the idle one leads to the same server");
    second.release();
    assert_eq!(*server.closed.lock().unwrap(), [2, 0, 1], "it was opened before");
    let new = acquire(&connections).await;
    assert_eq!(new.release_failed(ErrorClass::NotPrimary), ErrorClass::Refused, "it led to the same server");
    assert_eq!(idle_numbers(&connections), [3]);
    idle(&connections).age_failover();
    let same = acquire(&connections).await;
    assert_eq!(same.release_failed(ErrorClass::NotPrimary), ErrorClass::NotPrimary);
    assert!(idle_numbers(&connections).is_empty());
}

#[tokio::test]
async fn a_connection_with_an_outdated_statement_is_closed() {
    let (connections, server) = owned(1);
    let connection = acquire(&connections).await;
    assert_eq!(connection.release_failed(ErrorClass::StaleStatement), ErrorClass::StaleStatement);
    assert_eq!(*server.closed.lock().unwrap(), [0]);
    assert_eq!(acquire(&connections).await.number, 1);
}

#[tokio::test]
async fn a_closed_store_gives_no_connection() {
    let (connections, server) = owned(2);
    let in_use = acquire(&connections).await;
    acquire(&connections).await.release();
    connections.close().await;
    assert_eq!(*server.closed.lock().unwrap(), [1]);
    assert!(connections.acquire().await.is_err());
    in_use.release();
    until(|| *server.closed.lock().unwrap() == [1, 0]).await;
}

#[tokio::test]
async fn a_shared_pool_gets_each_connection_back() {
    let fake = Fake::default();
    let connections = Connections::shared(fake.clone());
    for number in 0..2 {
        let connection = acquire(&connections).await;
        assert_eq!(connection.number, number, "taken out of the pool");
        connection.release();
    }
    let connection = acquire(&connections).await;
    assert_eq!(connection.release_failed(ErrorClass::NotPrimary), ErrorClass::NotPrimary);
    assert_eq!(*fake.0.closed.lock().unwrap(), [2]);
}
