//! Connections that stay at hand between two statements.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth_core::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Executor as _, MySql, MySqlConnection, MySqlPool};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::Trouble;
use crate::pool::CONNECTION_PATIENCE;

/// A connection that was idle for this long is asked whether it lives before it is used. A server or
/// a firewall that hangs up does so after minutes; a question per call would double its cost.
const LONG_IDLE: Duration = Duration::from_secs(30);

/// A connection that does not say for this long that it lives is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection beyond need is closed after this long; what sqlx's pool has by default.
const IDLE: Duration = Duration::from_mins(10);

/// A connection is closed when it is this old, so that changed rights and names are met; what sqlx's pool has by default.
const LIFETIME: Duration = Duration::from_mins(30);

/// A server that is not the primary is left at most this often: where no other has taken its place, new
/// connections lead to the same one.
const LEAVING: Duration = Duration::from_secs(5);

/// Closing waits this long for running statements, which may take five seconds.
const CLOSING: Duration = Duration::from_secs(6);

/// A pool of sqlx, and connections of it at hand.
///
/// sqlx's pool asks every connection that comes back whether it lives, and waits for the answer as long as TCP does: as many
/// questions to the server as statements, when each statement takes a connection. So those that finished their statement stay out
/// here for the next one, and none goes back.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: MySqlPool,
    at_hand: Option<Arc<AtHand>>,
}

struct AtHand {
    free: Mutex<Vec<Free>>,
    /// When a connection last broke: whoever waited here at that time may have broken with it.
    broke_at: Mutex<Option<Instant>>,
    /// When a server last said that it is not the primary: connections that are older lead to it.
    left_at: Mutex<Option<Instant>>,
    /// As many as the pool has connections: whoever has a turn finds one here or gets one there.
    turns: Arc<Semaphore>,
}

type Turn = (Arc<AtHand>, OwnedSemaphorePermit);

struct Free {
    connection: PoolConnection<MySql>,
    opened_at: Instant,
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
        let Some(at_hand) = &self.at_hand else { return self.lend_from_pool(None).await };
        timeout(CONNECTION_PATIENCE, self.lend_at_hand(at_hand)).await.map_err(StoreError::unavailable)?
    }

    async fn lend_at_hand(&self, at_hand: &Arc<AtHand>) -> Result<Lent, StoreError> {
        let turn = Arc::clone(&at_hand.turns).acquire_owned().await.map_err(StoreError::unavailable)?;
        let turn = Some((Arc::clone(at_hand), turn));
        let Some(Free { connection, opened_at, idle_since }) = at_hand.pop() else {
            return self.lend_from_pool(turn).await;
        };
        let mut lent = Lent(Some(Loan { connection, opened_at, turn }));
        if at_hand.trusts(idle_since) || lives(&mut lent).await {
            return Ok(lent);
        }
        // Where the server is gone, each of those that are idle for longer still would cost another second.
        at_hand.close_idle_since(idle_since);
        self.lend_from_pool(lent.0.take().and_then(Loan::broke)).await
    }

    async fn lend_from_pool(&self, turn: Option<Turn>) -> Result<Lent, StoreError> {
        let connection = self.pool.acquire().await.map_err(StoreError::unavailable)?;
        Ok(Lent(Some(Loan { connection, opened_at: Instant::now(), turn })))
    }

    /// Waits for running statements and closes all connections; not for a server that does not answer.
    pub(crate) async fn close(&self) {
        // It is closed to new statements at once.
        let closed = self.pool.close();
        let free = self.at_hand.as_ref().map_or_else(Vec::new, |at_hand| {
            at_hand.turns.close();
            at_hand.take_all()
        });
        let goodbyes = async {
            for Free { connection, .. } in free {
                drop(connection.detach().close().await);
            }
            closed.await;
        };
        drop(timeout(CLOSING, goodbyes).await);
    }
}

impl AtHand {
    fn new(turns: usize) -> Self {
        let turns = Arc::new(Semaphore::new(turns));
        Self { free: Mutex::default(), broke_at: Mutex::default(), left_at: Mutex::default(), turns }
    }

    /// The last to come is the first to go, so that those beyond need stay idle.
    fn pop(&self) -> Option<Free> {
        lock(&self.free).pop()
    }

    fn take_all(&self) -> Vec<Free> {
        std::mem::take(&mut *lock(&self.free))
    }

    fn close_all(&self) {
        close_each(self.take_all());
    }

    /// Those that came before then, and not since.
    fn close_idle_since(&self, then: Instant) {
        let idle: Vec<_> = lock(&self.free).extract_if(.., |free| free.idle_since <= then).collect();
        close_each(idle);
    }

    /// Whether a connection that is idle since then needs no question.
    fn trusts(&self, idle_since: Instant) -> bool {
        let broke_at = *lock(&self.broke_at);
        idle_since.elapsed() < LONG_IDLE && broke_at.is_none_or(|broke_at| idle_since > broke_at)
    }

    /// Notes that the server of a connection opened then is not the primary, and says whether to look for
    /// another: not where this connection is new, and its server the same again.
    fn leaves(&self, opened_at: Instant) -> bool {
        let mut left_at = lock(&self.left_at);
        match *left_at {
            Some(left_at) if opened_at <= left_at => return true,
            Some(left_at) if left_at.elapsed() < LEAVING => return false,
            _ => *left_at = Some(Instant::now()),
        }
        drop(left_at);
        self.close_all();
        true
    }

    /// Whether the server of a connection opened then was left since.
    fn has_left(&self, opened_at: Instant) -> bool {
        lock(&self.left_at).is_some_and(|left_at| opened_at <= left_at)
    }

    /// Keeps a connection, unless it is old, and closes those beyond need.
    fn push(&self, free: Free) {
        let now = free.idle_since;
        let mut all = lock(&self.free);
        all.push(free);
        // Under the lock, or one that is pushed after `close` looked would stay for ever.
        let closed = self.turns.is_closed();
        let is_over = |free: &mut Free| {
            let since = |then| now.saturating_duration_since(then);
            closed || since(free.idle_since) >= IDLE || since(free.opened_at) >= LIFETIME
        };
        let over: Vec<_> = all.extract_if(.., is_over).collect();
        drop(all);
        part_from_each(over);
    }
}

impl Drop for AtHand {
    fn drop(&mut self) {
        self.close_all();
    }
}

fn lock<T>(data: &Mutex<T>) -> MutexGuard<'_, T> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without a goodbye, for which the server may not be there, and without sqlx's pool, which would say it in a task: there may
/// be no runtime any more.
fn close(connection: PoolConnection<MySql>) {
    drop(connection.detach());
}

fn close_each(all: Vec<Free>) {
    for free in all {
        close(free.connection);
    }
}

/// With the goodbye without which a server counts an aborted connection and warns of it.
fn part_from_each(all: Vec<Free>) {
    let Ok(runtime) = Handle::try_current() else { return close_each(all) };
    for Free { connection, .. } in all {
        runtime.spawn(timeout(PATIENCE, connection.detach().close()));
    }
}

/// A connection for one statement; empty once it was taken back.
pub(crate) struct Lent(Option<Loan>);

struct Loan {
    connection: PoolConnection<MySql>,
    /// For a connection of a pool that others use: when it was taken.
    opened_at: Instant,
    turn: Option<Turn>,
}

impl Lent {
    /// Takes the connection back after its statement, and says what the outcome means for the next step:
    /// [`Trouble::NoPrimary`] only where the connection was closed, so that another may lead to the primary.
    pub(crate) fn done<T>(mut self, outcome: Result<T, sqlx::Error>) -> Result<T, (Trouble, sqlx::Error)> {
        let outcome = outcome.map_err(|error| (Trouble::of(&error), error));
        let Some(loan) = self.0.take() else { return outcome };
        match &outcome {
            Err((Trouble::Broken, _)) => drop(loan.broke()),
            Err((Trouble::NoPrimary, _)) => {
                let leaves = |(at_hand, _): &Turn| at_hand.leaves(loan.opened_at);
                if loan.turn.as_ref().is_none_or(leaves) {
                    close(loan.connection);
                } else {
                    loan.keep();
                    return outcome.map_err(|(_, error)| (Trouble::Refused, error));
                }
            }
            _ => loan.keep(),
        }
        outcome
    }

    /// Closes the connection, which is not as a new one is.
    pub(crate) fn give_up(mut self) {
        if let Some(loan) = self.0.take() {
            close(loan.connection);
        }
    }
}

impl Drop for Lent {
    /// Its caller went away in the midst of a statement. It is kept if it soon answers again.
    fn drop(&mut self) {
        let Some(mut loan) = self.0.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return close(loan.connection) };
        runtime.spawn(async move {
            if lives(&mut loan.connection).await {
                loan.keep();
            } else {
                drop(loan.broke());
            }
        });
    }
}

impl Loan {
    /// Leaves the connection for the next statement.
    fn keep(self) {
        let Self { connection, opened_at, turn } = self;
        let Some((at_hand, turn)) = turn else { return };
        if at_hand.has_left(opened_at) {
            return close(connection);
        }
        at_hand.push(Free { connection, opened_at, idle_since: Instant::now() });
        // Last: whoever has a turn next may look for a connection at once.
        drop(turn);
    }

    /// Closes the connection, and puts in doubt those that are idle.
    fn broke(self) -> Option<Turn> {
        close(self.connection);
        if let Some((at_hand, _)) = &self.turn {
            *lock(&at_hand.broke_at) = Some(Instant::now());
        }
        self.turn
    }
}

impl Deref for Lent {
    type Target = MySqlConnection;

    #[expect(clippy::expect_used, reason = "whoever takes it back takes it along")]
    fn deref(&self) -> &MySqlConnection {
        let Self(loan) = self;
        &loan.as_ref().expect("lent until it is taken back").connection
    }
}

impl DerefMut for Lent {
    #[expect(clippy::expect_used, reason = "whoever takes it back takes it along")]
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        let Self(loan) = self;
        &mut loan.as_mut().expect("lent until it is taken back").connection
    }
}

/// Asks a connection whether it lives.
///
/// By a statement: sqlx remembers that an answer is due when this is dropped. It forgets a ping's, and the next statement would
/// take that for its own.
async fn lives(connection: &mut MySqlConnection) -> bool {
    timeout(PATIENCE, connection.execute("DO 0")).await.is_ok_and(|done| done.is_ok())
}

#[cfg(test)]
mod tests;
