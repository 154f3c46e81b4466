//! Connections that stay at hand between two statements.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth_core::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, MySql, MySqlConnection, MySqlPool};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::Trouble;
use crate::pool::CONNECTION_PATIENCE;

/// A connection that was idle for this long is asked whether it lives before it is used. A server or
/// a firewall that hangs up does so after minutes; a question per call would double its cost.
pub(crate) const LONG_IDLE: Duration = Duration::from_secs(30);

/// A connection that does not say for this long that it lives is given up.
const PONG: Duration = Duration::from_secs(1);

/// A connection goes back to sqlx's pool after this long, which knows when it is too old or one too many.
const LOAN: Duration = Duration::from_mins(1);

/// A server that is not the primary is left at most this often: where no other has taken its place, new
/// connections lead to the same one.
const LEAVING: Duration = Duration::from_secs(1);

/// A pool of sqlx, and some of its connections at hand.
///
/// sqlx's pool asks every connection that comes back whether it lives: as many questions to the server as
/// statements, when each statement takes a connection. So those that finished their statement stay out
/// here for the next one.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: MySqlPool,
    at_hand: Option<Arc<AtHand>>,
}

struct AtHand {
    free: Mutex<Vec<Free>>,
    /// When a connection last broke: whoever waited here at that time may have broken with it.
    broke_at: Mutex<Option<Instant>>,
    /// When a server last said that it is not the primary: no connection that was taken before is used again.
    left_at: Mutex<Option<Instant>>,
    /// As many as the pool has connections: whoever has a turn finds one here or gets one there.
    turns: Arc<Semaphore>,
}

struct Free {
    connection: PoolConnection<MySql>,
    taken_at: Instant,
    idle_since: Instant,
}

impl Connections {
    /// Of a pool that nobody else uses.
    pub(crate) fn of_own(pool: MySqlPool) -> Self {
        let turns = usize::try_from(pool.options().get_max_connections()).unwrap_or(Semaphore::MAX_PERMITS);
        Self { pool, at_hand: Some(Arc::new(AtHand::new(turns))) }
    }

    /// Of a pool that others wait for too: nothing stays out.
    pub(crate) fn of_shared(pool: MySqlPool) -> Self {
        Self { pool, at_hand: None }
    }

    /// A connection for one statement.
    pub(crate) async fn lend(&self) -> Result<Lent, StoreError> {
        // Nothing was sent yet: whatever fails here is no unknown outcome.
        let Some(at_hand) = &self.at_hand else { return self.lend_from_pool(None).await };
        timeout(CONNECTION_PATIENCE, self.lend_at_hand(at_hand)).await.map_err(StoreError::unavailable)?
    }

    async fn lend_at_hand(&self, at_hand: &Arc<AtHand>) -> Result<Lent, StoreError> {
        loop {
            let turn = Arc::clone(&at_hand.turns).acquire_owned().await.map_err(StoreError::unavailable)?;
            let on_loan = Some((Arc::clone(at_hand), turn));
            let Some(Free { connection, taken_at, idle_since }) = at_hand.pop() else {
                return self.lend_from_pool(on_loan).await;
            };
            let mut lent = Lent(Some(Loan { connection, taken_at, at_hand: on_loan }));
            if at_hand.trusts(idle_since) || lives(&mut lent).await {
                return Ok(lent);
            }
            lent.give_up();
            // The others are idle for longer still. Where the server is gone, each would cost another second.
            at_hand.discard_all();
        }
    }

    async fn lend_from_pool(
        &self,
        at_hand: Option<(Arc<AtHand>, OwnedSemaphorePermit)>,
    ) -> Result<Lent, StoreError> {
        let connection = self.pool.acquire().await.map_err(StoreError::unavailable)?;
        Ok(Lent(Some(Loan { connection, taken_at: Instant::now(), at_hand })))
    }

    /// Waits for running statements and closes all connections.
    pub(crate) async fn close(&self) {
        if let Some(at_hand) = &self.at_hand {
            // Whoever comes back from now on finds the pool closing, and follows.
            at_hand.turns.close();
            while let Some(Free { connection, .. }) = at_hand.pop() {
                drop(connection);
            }
        }
        self.pool.close().await;
    }
}

impl AtHand {
    fn new(turns: usize) -> Self {
        let turns = Arc::new(Semaphore::new(turns));
        Self { free: Mutex::default(), broke_at: Mutex::default(), left_at: Mutex::default(), turns }
    }

    /// The last to come is the first to go, so that those beyond need grow old.
    fn pop(&self) -> Option<Free> {
        lock(&self.free).pop()
    }

    /// Closes all that are at hand.
    ///
    /// Gives nothing back: sqlx would do so in a task, and there may be no runtime any more.
    fn discard_all(&self) {
        for Free { connection, .. } in std::mem::take(&mut *lock(&self.free)) {
            drop(connection.detach());
        }
    }

    /// Whether a connection that is idle since then needs no question.
    fn trusts(&self, idle_since: Instant) -> bool {
        let broke_at = *lock(&self.broke_at);
        idle_since.elapsed() < LONG_IDLE && broke_at.is_none_or(|broke_at| idle_since > broke_at)
    }

    /// Notes that the server of a connection taken then is not the primary, and says whether to look for
    /// another: not where this connection is new, and its server the same again.
    fn leaves(&self, taken_at: Instant) -> bool {
        let mut left_at = lock(&self.left_at);
        match *left_at {
            Some(left_at) if taken_at <= left_at => return true,
            Some(left_at) if left_at.elapsed() < LEAVING => return false,
            _ => *left_at = Some(Instant::now()),
        }
        drop(left_at);
        self.discard_all();
        true
    }

    /// Whether the server of a connection taken then was left since.
    fn has_left(&self, taken_at: Instant) -> bool {
        lock(&self.left_at).is_some_and(|left_at| taken_at <= left_at)
    }

    /// Keeps a connection; gives the one back whose loan is over, be it the same.
    fn push(&self, free: Free) -> Option<Free> {
        let now = free.idle_since;
        let mut all = lock(&self.free);
        all.push(free);
        // Under the lock, or one that is pushed after `close` looked would stay for ever.
        if self.turns.is_closed() {
            return all.pop();
        }
        let over = all.iter().position(|free| now.saturating_duration_since(free.taken_at) >= LOAN)?;
        Some(all.remove(over))
    }
}

impl Drop for AtHand {
    fn drop(&mut self) {
        self.discard_all();
    }
}

fn lock<T>(data: &Mutex<T>) -> MutexGuard<'_, T> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection for one statement, empty only when it is [`done`](Self::done) or dropped.
pub(crate) struct Lent(Option<Loan>);

struct Loan {
    connection: PoolConnection<MySql>,
    taken_at: Instant,
    at_hand: Option<(Arc<AtHand>, OwnedSemaphorePermit)>,
}

impl Lent {
    /// Takes the connection back after its statement, which ended so. Says whether it was given up, and
    /// another one may lead to a server that does better.
    pub(crate) fn done<T>(mut self, outcome: &Result<T, sqlx::Error>) -> bool {
        let Some(loan) = self.0.take() else { return false };
        let given_up = match outcome.as_ref().map_err(Trouble::of) {
            Err(Trouble::Broken) => true,
            Err(Trouble::NoPrimary) => {
                loan.at_hand.as_ref().is_none_or(|(at_hand, _)| at_hand.leaves(loan.taken_at))
            }
            _ => false,
        };
        if given_up {
            loan.discard();
        } else {
            loan.keep();
        }
        given_up
    }

    /// Closes the connection.
    fn give_up(mut self) {
        if let Some(loan) = self.0.take() {
            loan.discard();
        }
    }
}

impl Drop for Lent {
    /// Its caller went away in the midst of a statement. It is kept if it soon answers again; sqlx would wait
    /// for that as long as TCP does, and others for its place.
    fn drop(&mut self) {
        let Some(mut loan) = self.0.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return loan.discard() };
        runtime.spawn(
            async move { if lives(&mut loan.connection).await { loan.keep() } else { loan.discard() } },
        );
    }
}

impl Loan {
    /// Leaves the connection for the next statement.
    fn keep(self) {
        let Some((at_hand, turn)) = self.at_hand else { return };
        if at_hand.has_left(self.taken_at) {
            drop(self.connection.detach());
            return;
        }
        let Self { connection, taken_at, .. } = self;
        let over = at_hand.push(Free { connection, taken_at, idle_since: Instant::now() });
        // In this order: whoever has a turn next may look for a connection at once.
        drop(turn);
        drop(over);
    }

    /// Closes the connection.
    fn discard(self) {
        drop(self.connection.detach());
        if let Some((at_hand, _)) = self.at_hand {
            *lock(&at_hand.broke_at) = Some(Instant::now());
        }
    }
}

impl Deref for Lent {
    type Target = MySqlConnection;

    #[expect(clippy::expect_used, reason = "`done` takes it along")]
    fn deref(&self) -> &MySqlConnection {
        let Self(loan) = self;
        &loan.as_ref().expect("lent until it is done").connection
    }
}

impl DerefMut for Lent {
    #[expect(clippy::expect_used, reason = "`done` takes it along")]
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        let Self(loan) = self;
        &mut loan.as_mut().expect("lent until it is done").connection
    }
}

/// Asks a connection whether it lives.
pub(crate) async fn lives(connection: &mut MySqlConnection) -> bool {
    timeout(PONG, connection.ping()).await.is_ok_and(|pong| pong.is_ok())
}

#[cfg(test)]
mod tests {
    use sqlx::mysql::MySqlRow;
    use sqlx::{AssertSqlSafe, Executor as _, Row as _};

    use super::*;
    use crate::{MySqlOptions, MySqlStore};

    /// One that takes no writes for long, because no other takes its place, is not left over and over.
    #[test]
    fn a_server_that_is_not_the_primary_is_left_once_a_second() {
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
        let urls = std::env::var("AUTH_TEST_MYSQL_URL").expect("a server; run `scripts/test`");
        let url = urls.split(',').next().unwrap();
        MySqlOptions::from_url(url).unwrap().connections(1).open().await.unwrap()
    }

    async fn ask(store: &MySqlStore, sql: &str) -> Result<MySqlRow, sqlx::Error> {
        let mut lent = store.connections.lend().await.unwrap();
        let outcome = lent.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await;
        lent.done(&outcome);
        outcome
    }

    /// A firewall that forgets a connection is not met by a statement.
    #[tokio::test]
    async fn one_that_was_idle_for_long_is_asked_before_it_is_used() {
        let (store, killer) = (open().await, open().await);
        let age = |by| {
            let free = &mut store.connections.at_hand.as_ref().unwrap().free.lock().unwrap()[0];
            free.idle_since = free.idle_since.checked_sub(by).unwrap();
        };
        for (idle_for, used) in [(Duration::ZERO, true), (LONG_IDLE, false)] {
            let id: u64 = ask(&store, "SELECT CONNECTION_ID()").await.unwrap().get_unchecked(0);
            let mut lent = killer.connections.lend().await.unwrap();
            lent.execute(sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}")))).await.unwrap();
            drop(lent);
            age(idle_for);
            let outcome = ask(&store, "SELECT CONNECTION_ID()").await;
            assert_eq!(outcome.is_err(), used, "idle for {idle_for:?}: {outcome:?}");
        }
    }

    /// On every connection of a store's own, whatever the server's defaults are.
    #[tokio::test]
    async fn every_connection_is_strict_in_utc_and_reads_what_is_committed() {
        let store = open().await;
        let mut lent = store.connections.lend().await.unwrap();
        let said = async |lent: &mut Lent| {
            let sql = "SELECT @@SESSION.sql_mode LIKE '%STRICT_ALL_TABLES%', @@SESSION.time_zone = '+00:00', \
                @@SESSION.autocommit = 1, @@SESSION.innodb_lock_wait_timeout = 1";
            let row = lent.fetch_one(sqlx::raw_sql(sql)).await.unwrap();
            // The name is another on MariaDB before 11.1.
            let sql =
                "SHOW SESSION VARIABLES WHERE variable_name IN ('tx_isolation', 'transaction_isolation')";
            let isolation: String = lent.fetch_one(sqlx::raw_sql(sql)).await.unwrap().get_unchecked(1);
            let [strict, utc, autocommit, lock_wait] = [0, 1, 2, 3].map(|column| row.get_unchecked(column));
            [strict, utc, autocommit, lock_wait, i64::from(isolation == "READ-COMMITTED")]
        };
        assert_eq!(said(&mut lent).await, [1; 5], "as it is opened");
        for sql in [
            "SET SESSION sql_mode = '', time_zone = '+05:00', autocommit = 0, innodb_lock_wait_timeout = 50",
            "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        ] {
            lent.execute(sql).await.unwrap();
        }
        assert_eq!(said(&mut lent).await, [0; 5], "as a server may have it");
        MySqlStore::prepare(&mut lent).await.unwrap();
        assert_eq!(said(&mut lent).await, [1; 5], "as it is prepared");
    }
}
