//! Connections that stay at hand between two statements.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth_core::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, MySql, MySqlConnection, MySqlPool};
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

/// A pool of sqlx, and some of its connections at hand.
///
/// sqlx's pool asks every connection that comes back whether it lives: as many questions to the server as
/// statements, when each statement takes a connection. So those that finished their statement stay out
/// here for the next one. One that did not finish, because its caller went away, goes back to be asked.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: MySqlPool,
    at_hand: Option<Arc<AtHand>>,
}

struct AtHand {
    free: Mutex<Vec<Free>>,
    /// When a connection last broke: whoever waited here at that time may have broken with it.
    broke_at: Mutex<Option<Instant>>,
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
        let turns = Arc::new(Semaphore::new(turns));
        let at_hand = AtHand { free: Mutex::default(), broke_at: Mutex::default(), turns };
        Self { pool, at_hand: Some(Arc::new(at_hand)) }
    }

    /// Of a pool that others wait for too: nothing stays out.
    pub(crate) fn of_shared(pool: MySqlPool) -> Self {
        Self { pool, at_hand: None }
    }

    /// A connection for one statement.
    pub(crate) async fn lend(&self) -> Result<Lent, StoreError> {
        // Nothing was sent yet: whatever fails here is no unknown outcome.
        let Some(at_hand) = &self.at_hand else { return self.lend_from_pool(None).await };
        let turn = timeout(CONNECTION_PATIENCE, Arc::clone(&at_hand.turns).acquire_owned()).await;
        let turn = turn.map_err(StoreError::unavailable)?.map_err(StoreError::unavailable)?;
        while let Some(Free { mut connection, taken_at, idle_since }) = at_hand.pop() {
            if at_hand.trusts(idle_since) || lives(&mut connection).await {
                let at_hand = Some((Arc::clone(at_hand), turn));
                return Ok(Lent { connection, taken_at, at_hand });
            }
            drop(connection.detach());
        }
        self.lend_from_pool(Some((Arc::clone(at_hand), turn))).await
    }

    async fn lend_from_pool(
        &self,
        at_hand: Option<(Arc<AtHand>, OwnedSemaphorePermit)>,
    ) -> Result<Lent, StoreError> {
        let connection = self.pool.acquire().await.map_err(StoreError::unavailable)?;
        Ok(Lent { connection, taken_at: Instant::now(), at_hand })
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
    /// The last to come is the first to go, so that those beyond need grow old.
    fn pop(&self) -> Option<Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Whether a connection that is idle since then needs no question.
    fn trusts(&self, idle_since: Instant) -> bool {
        let broke_at = *self.broke_at.lock().unwrap_or_else(PoisonError::into_inner);
        idle_since.elapsed() < LONG_IDLE && broke_at.is_none_or(|broke_at| idle_since > broke_at)
    }

    /// Keeps a connection; gives the one back whose loan is over, be it the same.
    fn push(&self, free: Free) -> Option<Free> {
        let now = free.idle_since;
        let mut all = self.free.lock().unwrap_or_else(PoisonError::into_inner);
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
    /// Gives nothing back: sqlx would do so in a task, and there may be no runtime any more.
    fn drop(&mut self) {
        let free = std::mem::take(self.free.get_mut().unwrap_or_else(PoisonError::into_inner));
        for Free { connection, .. } in free {
            drop(connection.detach());
        }
    }
}

/// A connection for one statement, which goes back to sqlx's pool unless it is [`done`](Self::done).
pub(crate) struct Lent {
    connection: PoolConnection<MySql>,
    taken_at: Instant,
    at_hand: Option<(Arc<AtHand>, OwnedSemaphorePermit)>,
}

impl Lent {
    /// Takes the connection back after its statement, which ended so.
    pub(crate) fn done<T>(self, outcome: &Result<T, sqlx::Error>) {
        let Self { connection, taken_at, at_hand } = self;
        if outcome.as_ref().is_err_and(|error| Trouble::of(error) == Trouble::Broken) {
            drop(connection.detach());
            if let Some((at_hand, _)) = at_hand {
                *at_hand.broke_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        } else if let Some((at_hand, turn)) = at_hand {
            let over = at_hand.push(Free { connection, taken_at, idle_since: Instant::now() });
            // In this order: whoever has a turn next may look for a connection at once.
            drop(turn);
            drop(over);
        }
    }
}

impl Deref for Lent {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.connection
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.connection
    }
}

/// Asks a connection whether it lives.
pub(crate) async fn lives(connection: &mut MySqlConnection) -> bool {
    timeout(PONG, connection.ping()).await.is_ok_and(|pong| pong.is_ok())
}
