//! A database server: its connections break and come back, and another server may become the
//! primary. Runs statements, and repeats them when that is safe.

mod connections;

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use auth_core::StoreError;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::timeout;

use crate::{ErrorClass, UniqueKey, WriteOutcome};
use connections::Connections;
pub use connections::{ACQUIRE_TIMEOUT, PooledConnection};

/// How long one statement may take. Each finds its rows by a key, so it takes milliseconds.
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens, checks and closes connections to one database, and runs statements over them.
pub trait Driver: Clone + Send + Sync + 'static {
    /// An open connection. Dropping it releases it to its pool.
    type Connection: Send + 'static;
    /// A statement with its values.
    type Statement: Send;
    /// A row that a statement returns.
    type Row: Send;

    /// Takes a connection out of the pool, which opens one if it has none.
    fn open(&self) -> impl Future<Output = Result<Self::Connection, StoreError>> + Send;

    /// Runs a statement that does nothing; returns whether it succeeded.
    fn is_alive(connection: &mut Self::Connection) -> impl Future<Output = bool> + Send;

    /// Closes a connection at once, without a message to the server.
    fn close(connection: Self::Connection);

    /// Sends the server the message that the connection ends. Without it, the server counts an
    /// aborted connection and logs a warning.
    fn close_gracefully(connection: Self::Connection) -> impl Future<Output = ()> + Send + 'static;

    /// Closes the pool: from this call on, `open` fails. The future ends when the pool has closed
    /// its connections.
    fn close_pool(&self) -> impl Future<Output = ()> + Send;

    /// Runs a statement until the server has committed it; returns the number of affected rows.
    ///
    /// # Errors
    ///
    /// - sqlx's error.
    fn execute(
        connection: &mut Self::Connection,
        statement: Self::Statement,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a statement until the server has committed it; returns its rows.
    ///
    /// # Errors
    ///
    /// - sqlx's error.
    fn fetch(
        connection: &mut Self::Connection,
        statement: Self::Statement,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Says what an error means for the next step.
    fn class(error: &sqlx::Error) -> ErrorClass;

    /// Finds the unique key that another row has, in an error of the class
    /// [`Duplicate`](ErrorClass::Duplicate).
    fn unique_key(duplicate: &sqlx::Error) -> UniqueKey;
}

/// A database on a server.
#[derive(Clone)]
pub struct Server<D: Driver> {
    connections: Connections<D>,
}

/// Shows nothing of the server.
impl<D: Driver> fmt::Debug for Server<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// The pauses before the second, third and fourth attempt.
fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_times(3)
        .with_jitter()
        .build()
}

impl<D: Driver> Server<D> {
    /// Uses a pool that belongs to the store alone.
    pub fn owned(driver: D, max_connections: u32) -> Self {
        Self { connections: Connections::owned(driver, max_connections) }
    }

    /// Uses a pool that others use, too.
    pub fn shared(driver: D) -> Self {
        Self { connections: Connections::shared(driver) }
    }

    /// Takes a connection for one statement, after at most [`ACQUIRE_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if none could be had.
    pub async fn acquire(&self) -> Result<PooledConnection<D>, StoreError> {
        self.connections.acquire().await
    }

    /// Waits for running statements, at most six seconds, and closes all connections.
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// Runs a write until its outcome is known, at most four times.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if a value does not fit its column.
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if the server could not run the
    ///   statement.
    pub async fn write(
        &self,
        statement: impl Fn() -> D::Statement + Send,
    ) -> Result<WriteOutcome, StoreError> {
        let (mut pauses, mut lost) = (pauses(), None);
        let unknown = |lost| Ok(WriteOutcome::Unknown(StoreError::unavailable(lost)));
        loop {
            let mut connection = self.acquire().await?;
            let outcome = within_time(D::execute(&mut connection, statement())).await;
            let (class, error) = match release(connection, outcome) {
                Ok(rows) => match (rows, lost) {
                    // An earlier attempt may have been applied, so that the guard does not hold any
                    // more.
                    (0, Some(lost)) => return unknown(lost),
                    (rows, _) => return Ok(WriteOutcome::Affected(rows)),
                },
                Err(failed) => failed,
            };
            match class {
                ErrorClass::Contention
                | ErrorClass::ConnectionLost
                | ErrorClass::NotPrimary
                | ErrorClass::StaleStatement => {}
                ErrorClass::Duplicate => {
                    return lost.map_or_else(|| Ok(WriteOutcome::Duplicate(D::unique_key(&error))), unknown);
                }
                ErrorClass::InvalidRecord | ErrorClass::Refused => return Err(class.store_error(error)),
            }
            let Some(pause) = pauses.next().filter(|_| !is_timeout(&error)) else {
                return Err(class.store_error(error));
            };
            if class == ErrorClass::ConnectionLost {
                lost = Some(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Runs a statement that may run twice, at most four times; returns its rows.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if the server could not run the
    ///   statement.
    pub async fn read(&self, statement: impl Fn() -> D::Statement + Send) -> Result<Vec<D::Row>, StoreError> {
        let mut pauses = pauses();
        loop {
            let mut connection = self.acquire().await?;
            let outcome = within_time(D::fetch(&mut connection, statement())).await;
            let (class, error) = match release(connection, outcome) {
                Ok(rows) => return Ok(rows),
                Err(failed) => failed,
            };
            let may_repeat = match class {
                ErrorClass::Contention
                | ErrorClass::ConnectionLost
                | ErrorClass::NotPrimary
                | ErrorClass::StaleStatement => !is_timeout(&error),
                ErrorClass::Duplicate | ErrorClass::InvalidRecord | ErrorClass::Refused => false,
            };
            let Some(pause) = pauses.next().filter(|_| may_repeat) else {
                return Err(class.store_error(error));
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Releases a connection after its statement; classifies a failure.
fn release<D: Driver, T>(
    connection: PooledConnection<D>,
    outcome: Result<T, sqlx::Error>,
) -> Result<T, (ErrorClass, sqlx::Error)> {
    match outcome {
        Ok(done) => {
            connection.release();
            Ok(done)
        }
        Err(error) => Err((connection.release_failed(D::class(&error)), error)),
    }
}

async fn within_time<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, sqlx::Error> {
    timeout(STATEMENT_TIMEOUT, statement).await.unwrap_or_else(|_| Err(timed_out()))
}

/// The error of a server that does not answer.
pub fn timed_out() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer from the database").into()
}

/// Whether a statement took too long. Another attempt would only double the wait.
fn is_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests;
