//! Idle connections: when one is checked, kept or closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{CHECK_TIMEOUT, Driver};

/// A connection that was idle for this long is checked before it is used. Servers and firewalls
/// close idle connections after minutes; a check before each statement would double its round
/// trips.
pub(super) const FRESH_FOR: Duration = Duration::from_secs(30);

/// A connection is closed if no statement needed it for this long; the default of sqlx's pool.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// A connection is closed at this age, so that changed privileges and host names take effect; the
/// default of sqlx's pool.
pub(super) const MAX_LIFETIME: Duration = Duration::from_mins(30);

/// Minimum interval between two times that all connections to a server are closed because it is not
/// the primary. Until a new primary takes over its name, new connections lead to the same server.
pub(super) const FAILOVER_INTERVAL: Duration = Duration::from_secs(5);

/// An idle connection.
pub(super) struct IdleConnection<D: Driver> {
    pub(super) connection: D::Connection,
    pub(super) opened_at: Instant,
    pub(super) idle_since: Instant,
}

/// The idle connections of a store, and what is known of their server.
pub(super) struct IdleConnections<D: Driver> {
    idle: Mutex<Vec<IdleConnection<D>>>,
    /// When a connection was last lost: those that were idle then may be lost, too.
    lost_at: Mutex<Option<Instant>>,
    /// When a server last refused a write because it is not the primary: older connections lead to
    /// it.
    not_primary_at: Mutex<Option<Instant>>,
    permits: Arc<Semaphore>,
}

impl<D: Driver> IdleConnections<D> {
    pub(super) fn new(permits: usize) -> Self {
        let permits = Arc::new(Semaphore::new(permits));
        Self { idle: Mutex::default(), lost_at: Mutex::default(), not_primary_at: Mutex::default(), permits }
    }

    /// Waits until fewer statements run than there may be connections.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.permits).acquire_owned().await
    }

    /// Takes the connection that was released last, so that those that are not needed stay idle.
    pub(super) fn pop(&self) -> Option<IdleConnection<D>> {
        lock(&self.idle).pop()
    }

    /// Adds a released connection, and closes those that are too old or idle for too long.
    pub(super) fn push(&self, released: IdleConnection<D>) {
        let now = released.idle_since;
        let mut idle = lock(&self.idle);
        idle.push(released);
        // Checked under the lock: a connection pushed after `close` took the others would never be
        // closed.
        let closed = self.permits.is_closed();
        let is_expired = |idle: &mut IdleConnection<D>| {
            let age = |then| now.saturating_duration_since(then);
            closed || age(idle.idle_since) >= IDLE_TIMEOUT || age(idle.opened_at) >= MAX_LIFETIME
        };
        let expired: Vec<_> = idle.extract_if(.., is_expired).collect();
        drop(idle);
        close_gracefully(expired);
    }

    /// Refuses further permits and returns the idle connections, to be closed.
    pub(super) fn close(&self) -> Vec<IdleConnection<D>> {
        self.permits.close();
        self.take_all()
    }

    /// Closes the connections that have been idle since this time or longer.
    pub(super) fn close_idle_since(&self, then: Instant) {
        let idle: Vec<_> = lock(&self.idle).extract_if(.., |idle| idle.idle_since <= then).collect();
        close_all(idle);
    }

    /// Whether a connection that has been idle since this time can be used without a check.
    pub(super) fn is_fresh(&self, idle_since: Instant) -> bool {
        let lost_at = *lock(&self.lost_at);
        idle_since.elapsed() < FRESH_FOR && lost_at.is_none_or(|lost_at| idle_since > lost_at)
    }

    /// Notes that a connection was lost: those that are idle now are no longer fresh.
    pub(super) fn mark_lost(&self) {
        *lock(&self.lost_at) = Some(Instant::now());
    }

    /// Notes that the server of a connection, opened at this time, is not the primary; returns
    /// whether a new connection may lead to the primary. It may not if this connection is new: then
    /// the server is still the same.
    pub(super) fn mark_not_primary(&self, opened_at: Instant) -> bool {
        let mut not_primary_at = lock(&self.not_primary_at);
        match *not_primary_at {
            Some(then) if opened_at <= then => return true,
            Some(then) if then.elapsed() < FAILOVER_INTERVAL => return false,
            _ => *not_primary_at = Some(Instant::now()),
        }
        drop(not_primary_at);
        close_all(self.take_all());
        true
    }

    /// Whether a connection was opened before its server turned out not to be the primary.
    pub(super) fn leads_to_former_primary(&self, opened_at: Instant) -> bool {
        lock(&self.not_primary_at).is_some_and(|then| opened_at <= then)
    }

    fn take_all(&self) -> Vec<IdleConnection<D>> {
        std::mem::take(&mut *lock(&self.idle))
    }
}

impl<D: Driver> Drop for IdleConnections<D> {
    fn drop(&mut self) {
        close_all(self.take_all());
    }
}

fn lock<T>(data: &Mutex<T>) -> MutexGuard<'_, T> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close_all<D: Driver>(connections: Vec<IdleConnection<D>>) {
    for idle in connections {
        D::close(idle.connection);
    }
}

/// Closes connections gracefully in the background; at once if there is no runtime.
fn close_gracefully<D: Driver>(connections: Vec<IdleConnection<D>>) {
    let Ok(runtime) = Handle::try_current() else { return close_all(connections) };
    for IdleConnection { connection, .. } in connections {
        runtime.spawn(timeout(CHECK_TIMEOUT, D::close_gracefully(connection)));
    }
}

#[cfg(test)]
impl<D: Driver> IdleConnections<D> {
    /// The idle connections, to be made older than they are.
    pub(super) fn all(&self) -> MutexGuard<'_, Vec<IdleConnection<D>>> {
        lock(&self.idle)
    }

    /// Makes the last failover older than [`FAILOVER_INTERVAL`].
    pub(super) fn age_failover(&self) {
        let mut not_primary_at = lock(&self.not_primary_at);
        *not_primary_at = not_primary_at.and_then(|then| then.checked_sub(FAILOVER_INTERVAL));
    }
}
