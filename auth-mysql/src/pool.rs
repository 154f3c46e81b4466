//! Runs statements: takes a connection, and tries again when that is safe.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use auth_core::StoreError;
use auth_sql::{ErrorClass, WriteOutcome};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Executor as _, MySql, MySqlConnection, MySqlPool};
use tokio::time::timeout;

use crate::connections::{ACQUIRE_TIMEOUT, Connections, Driver, PooledConnection};
use crate::error::{OpenError, class, is_unknown_variable, store_error, unique_key};
use crate::row::{Row, Statement};

/// How long one statement may take. Each finds its rows by a key, so it takes milliseconds.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepares the session of a new connection.
///
/// - Strict mode: a value that was cut short would be another value.
/// - READ COMMITTED: a read after a stale guard must show the current row; and it locks no gaps.
/// - One second of waiting for a row or table lock. MySQL does not notice that a client waiting for
///   a table lock has disconnected, and keeps its connection slot until the wait times out.
/// - `wsrep_sync_wait`, on a node of a cluster: each statement waits until the node has applied
///   what other nodes acknowledged. This includes writes, whose guard would otherwise be compared
///   with an old row.
pub(crate) async fn prepare(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection
        .execute(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
             ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, \
             innodb_lock_wait_timeout = 1, lock_wait_timeout = 1",
        )
        .await?;
    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    // MySQL does not know this variable.
    match connection.execute("SET SESSION wsrep_sync_wait = 7").await {
        Err(error) if !is_unknown_variable(&error) => Err(error),
        _ => Ok(()),
    }
}

/// A sqlx pool whose connections stay out of it between two statements; see [`Connections`].
impl Driver for MySqlPool {
    type Connection = PoolConnection<MySql>;

    async fn open(&self) -> Result<PoolConnection<MySql>, StoreError> {
        self.acquire().await.map_err(StoreError::unavailable)
    }

    /// By a statement, not by sqlx's ping: if the caller is cancelled, sqlx remembers that a
    /// statement's answer is due. It forgets a ping's, and the next statement would take that
    /// answer for its own.
    async fn is_alive(connection: &mut PoolConnection<MySql>) -> bool {
        connection.execute("DO 0").await.is_ok()
    }

    /// Not by sqlx's pool, which would send a message in a task: there may be no runtime any more.
    fn close(connection: PoolConnection<MySql>) {
        drop(connection.detach());
    }

    async fn close_gracefully(connection: PoolConnection<MySql>) {
        drop(connection.detach().close().await);
    }

    fn close_pool(&self) -> impl Future<Output = ()> + Send {
        Self::close(self)
    }
}

/// The database of a store.
#[derive(Clone)]
pub(crate) struct Pool {
    pub(crate) connections: Connections<MySqlPool>,
}

/// Shows nothing of the server.
impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
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

impl Pool {
    /// Opens one connection, for its error, and leaves the others until they are needed.
    pub(crate) async fn open(options: MySqlConnectOptions, max_connections: u32) -> Result<Self, OpenError> {
        let first = timeout(STATEMENT_TIMEOUT, MySqlConnection::connect_with(&options)).await;
        let first = first.map_err(|elapsed| OpenError::Unreachable(Box::new(elapsed)))??;
        // An error here does not matter: over a socket, the server is gone before TLS has closed.
        drop(first.close().await);
        let pool = MySqlPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(prepare(connection)))
            .connect_lazy_with(options);
        Ok(Self { connections: Connections::owned(pool, max_connections) })
    }

    pub(crate) fn shared(pool: MySqlPool) -> Self {
        Self { connections: Connections::shared(pool) }
    }

    /// Runs a write until its outcome is known, at most four times.
    pub(crate) async fn run(
        &self,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<WriteOutcome, StoreError> {
        let (mut pauses, mut lost) = (pauses(), None);
        let unknown = |lost| Ok(WriteOutcome::Unknown(StoreError::unavailable(lost)));
        loop {
            let mut connection = self.connections.acquire().await?;
            let outcome = within_time(statement().execute(&mut **connection)).await;
            let (class, error) = match release(connection, outcome) {
                Ok(done) => match (done.rows_affected(), lost) {
                    // An earlier attempt may have been applied, so that the guard does not hold any
                    // more.
                    (0, Some(lost)) => return unknown(lost),
                    (rows, _) => return Ok(WriteOutcome::Affected(rows)),
                },
                Err(failed) => failed,
            };
            match class {
                ErrorClass::Contention | ErrorClass::ConnectionLost | ErrorClass::NotPrimary => {}
                ErrorClass::Duplicate => {
                    return lost.map_or_else(|| Ok(WriteOutcome::Duplicate(unique_key(&error))), unknown);
                }
                ErrorClass::InvalidRecord | ErrorClass::Refused => return Err(store_error(error)),
            }
            let Some(pause) = pauses.next().filter(|_| !is_timeout(&error)) else {
                return Err(store_error(error));
            };
            if class == ErrorClass::ConnectionLost {
                lost = Some(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Runs a read, at most four times.
    pub(crate) async fn rows(
        &self,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<Row>, StoreError> {
        let mut pauses = pauses();
        loop {
            let mut connection = self.connections.acquire().await?;
            let outcome = within_time(statement().fetch_all(&mut **connection)).await;
            let (class, error) = match release(connection, outcome) {
                Ok(rows) => return Ok(rows.into_iter().map(Row).collect()),
                Err(failed) => failed,
            };
            let may_repeat = match class {
                ErrorClass::Contention | ErrorClass::ConnectionLost | ErrorClass::NotPrimary => {
                    !is_timeout(&error)
                }
                ErrorClass::Duplicate | ErrorClass::InvalidRecord | ErrorClass::Refused => false,
            };
            let Some(pause) = pauses.next().filter(|_| may_repeat) else {
                return Err(store_error(error));
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Releases a connection after its statement; classifies a failure.
fn release<T>(
    connection: PooledConnection<MySqlPool>,
    outcome: Result<T, sqlx::Error>,
) -> Result<T, (ErrorClass, sqlx::Error)> {
    match outcome {
        Ok(done) => {
            connection.release();
            Ok(done)
        }
        Err(error) => Err((connection.release_failed(class(&error)), error)),
    }
}

async fn within_time<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, sqlx::Error> {
    timeout(STATEMENT_TIMEOUT, statement).await.unwrap_or_else(|_| Err(timed_out()))
}

pub(crate) fn timed_out() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer from the database").into()
}

/// Whether a statement took too long. Another attempt would only double the wait.
fn is_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}
