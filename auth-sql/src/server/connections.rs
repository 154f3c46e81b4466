//! The connections of a store, between two statements.
//!
//! sqlx's pool pings the server each time a connection is released to it, and waits for the answer
//! as long as TCP does. Each statement of a store takes a connection, so that is one ping per
//! statement. Measured over MariaDB, a refresh then reaches 0.71 to 0.78 of the throughput of bare
//! statements; with this module it reaches 0.96 to 0.98, at 1.1 instead of 1.5 to 2 times their
//! processor time (`docs/mysql.md`). So a store that owns its pool takes connections out of it and
//! keeps them here.
//!
//! # States of a connection
//!
//! ```text
//! in use ── statement ended ─────────────────────► idle
//! in use ── connection lost ─────────────────────► closed; idle ones are no longer fresh
//! in use ── server is not the primary ───────────► closed, with all idle ones; at most every 5 s
//! in use ── a prepared statement is outdated ────► closed
//! in use ── caller was cancelled ────────────────► checked ──► idle, or closed
//! idle ──── acquired while fresh ────────────────► in use
//! idle ──── acquired while not fresh ────────────► checked ──► in use, or closed
//! idle ──── idle for 10 min, or open for 30 min ─► closed
//! ```
//!
//! A connection is fresh if it was released within the last 30 seconds and no other has been lost
//! since. The check is a statement that must succeed within a second.
//!
//! A pool of the service is shared with others who wait for its connections. There, every
//! statement takes a connection and releases it to the pool, ping included.

mod idle;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::StoreError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Driver;
use crate::ErrorClass;
use idle::{IdleConnection, IdleConnections};

/// How long a caller waits for a connection. sqlx retries a server that refuses connections until
/// this has passed, so it is also how long callers wait for their error while the server is down.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a check or a graceful close may take. A server on the same network answers within
/// milliseconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long [`Connections::close`] waits for running statements, which may take five seconds each.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(6);

/// All connections of a store.
#[derive(Clone)]
pub(super) struct Connections<D: Driver> {
    driver: D,
    /// `None` if the pool is shared: then no connection stays out of it.
    idle: Option<Arc<IdleConnections<D>>>,
}

/// The right to use one connection. There are as many permits as the pool may have connections, so
/// the owner of a permit finds an idle connection or can open one.
struct Permit<D: Driver> {
    idle: Arc<IdleConnections<D>>,
    _permit: OwnedSemaphorePermit,
}

impl<D: Driver> Connections<D> {
    /// Uses a pool that belongs to this store alone.
    pub(super) fn owned(driver: D, max_connections: u32) -> Self {
        let permits = usize::try_from(max_connections).unwrap_or(Semaphore::MAX_PERMITS);
        Self { driver, idle: Some(Arc::new(IdleConnections::new(permits))) }
    }

    /// Uses a pool that others use, too.
    pub(super) fn shared(driver: D) -> Self {
        Self { driver, idle: None }
    }

    /// Takes a connection for one statement.
    pub(super) async fn acquire(&self) -> Result<PooledConnection<D>, StoreError> {
        let Some(idle) = &self.idle else { return self.open(None).await };
        timeout(ACQUIRE_TIMEOUT, self.acquire_owned(idle)).await.map_err(StoreError::unavailable)?
    }

    async fn acquire_owned(&self, idle: &Arc<IdleConnections<D>>) -> Result<PooledConnection<D>, StoreError> {
        let permit = idle.permit().await.map_err(StoreError::unavailable)?;
        let permit = Some(Permit { idle: Arc::clone(idle), _permit: permit });
        let Some(IdleConnection { connection, opened_at, idle_since }) = idle.pop() else {
            return self.open(permit).await;
        };
        let mut pooled = PooledConnection(Some(InUse { connection, opened_at, permit }));
        if idle.is_fresh(idle_since) || is_alive::<D>(&mut pooled).await {
            return Ok(pooled);
        }
        // If the server is gone, each connection that has been idle for longer would cost another
        // second.
        idle.close_idle_since(idle_since);
        self.open(pooled.0.take().and_then(InUse::close_lost)).await
    }

    async fn open(&self, permit: Option<Permit<D>>) -> Result<PooledConnection<D>, StoreError> {
        let connection = self.driver.open().await?;
        Ok(PooledConnection(Some(InUse { connection, opened_at: Instant::now(), permit })))
    }

    /// Waits for running statements and closes all connections. Gives up after [`CLOSE_TIMEOUT`] if
    /// the server does not answer.
    pub(super) async fn close(&self) {
        // From here on, no statement gets a connection.
        let pool_closed = self.driver.close_pool();
        let idle = self.idle.as_ref().map_or_else(Vec::new, |idle| idle.close());
        let closed = async {
            for IdleConnection { connection, .. } in idle {
                D::close_gracefully(connection).await;
            }
            pool_closed.await;
        };
        drop(timeout(CLOSE_TIMEOUT, closed).await);
    }
}

/// A connection for one statement. It is released by [`release`](Self::release) or one of its
/// siblings.
///
/// If it is dropped instead, its caller was cancelled in the middle of a statement. A task then
/// checks it and releases or closes it.
pub struct PooledConnection<D: Driver>(Option<InUse<D>>);

struct InUse<D: Driver> {
    connection: D::Connection,
    /// For a shared pool: when it was taken out of the pool.
    opened_at: Instant,
    /// `None` for a shared pool.
    permit: Option<Permit<D>>,
}

/// Shows nothing of the server.
impl<D: Driver> fmt::Debug for PooledConnection<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection").finish_non_exhaustive()
    }
}

impl<D: Driver> PooledConnection<D> {
    /// Releases the connection for the next statement.
    pub fn release(mut self) {
        if let Some(in_use) = self.0.take() {
            in_use.release();
        }
    }

    /// Releases or closes the connection after a failed statement; returns the class of the failure
    /// for the next step.
    ///
    /// The class stays [`ErrorClass::NotPrimary`] only if the connection was closed, so that a new
    /// one may lead to the primary.
    pub(super) fn release_failed(mut self, class: ErrorClass) -> ErrorClass {
        let Some(in_use) = self.0.take() else { return class };
        match class {
            ErrorClass::ConnectionLost => drop(in_use.close_lost()),
            ErrorClass::StaleStatement => D::close(in_use.connection),
            ErrorClass::NotPrimary => {
                let opened_at = in_use.opened_at;
                if in_use.permit.as_ref().is_none_or(|permit| permit.idle.mark_not_primary(opened_at)) {
                    D::close(in_use.connection);
                } else {
                    in_use.release();
                    return ErrorClass::Refused;
                }
            }
            ErrorClass::Contention
            | ErrorClass::Duplicate
            | ErrorClass::InvalidRecord
            | ErrorClass::Refused => in_use.release(),
        }
        class
    }

    /// Closes the connection because its session is in an unknown state.
    pub fn discard(mut self) {
        if let Some(in_use) = self.0.take() {
            D::close(in_use.connection);
        }
    }
}

impl<D: Driver> Drop for PooledConnection<D> {
    fn drop(&mut self) {
        let Some(mut in_use) = self.0.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return D::close(in_use.connection) };
        runtime.spawn(async move {
            if is_alive::<D>(&mut in_use.connection).await {
                in_use.release();
            } else {
                drop(in_use.close_lost());
            }
        });
    }
}

impl<D: Driver> InUse<D> {
    fn release(self) {
        let Self { connection, opened_at, permit } = self;
        let Some(permit) = permit else { return };
        if permit.idle.leads_to_former_primary(opened_at) {
            return D::close(connection);
        }
        permit.idle.push(IdleConnection { connection, opened_at, idle_since: Instant::now() });
        // Last, because the next owner of a permit may look for an idle connection at once.
        drop(permit);
    }

    /// Closes a connection that was lost. The idle ones may be lost, too: they are no longer fresh.
    fn close_lost(self) -> Option<Permit<D>> {
        D::close(self.connection);
        if let Some(permit) = &self.permit {
            permit.idle.mark_lost();
        }
        self.permit
    }
}

impl<D: Driver> Deref for PooledConnection<D> {
    type Target = D::Connection;

    #[expect(clippy::expect_used, reason = "the methods that release it consume it")]
    fn deref(&self) -> &D::Connection {
        let Self(in_use) = self;
        &in_use.as_ref().expect("in use until it is released").connection
    }
}

impl<D: Driver> DerefMut for PooledConnection<D> {
    #[expect(clippy::expect_used, reason = "the methods that release it consume it")]
    fn deref_mut(&mut self) -> &mut D::Connection {
        let Self(in_use) = self;
        &mut in_use.as_mut().expect("in use until it is released").connection
    }
}

async fn is_alive<D: Driver>(connection: &mut D::Connection) -> bool {
    timeout(CHECK_TIMEOUT, D::is_alive(connection)).await.unwrap_or(false)
}

#[cfg(test)]
mod tests;
