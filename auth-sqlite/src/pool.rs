//! The connections of a database, and how statements wait for locks.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::StoreError;
use auth_sql::{ErrorClass, UniqueKey, Value, WriteOutcome};
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlitePool};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{OpenError, class, is_busy, store_error};
use crate::row::{Row, statement};
use crate::version;

/// How long a call waits for the locks of other connections.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long SQLite itself polls for a lock before the call retries. SQLite polls more and more
/// rarely, down to ten times a second, so a process beside a busy one starves. Measured with four
/// processes: a write waited up to 740 ms if SQLite polled for all of [`LOCK_TIMEOUT`], and up to
/// 150 ms with this value.
const LOCK_POLL: Duration = Duration::from_millis(60);

/// The number of connections that only read. Each is a thread; reads take microseconds.
const READERS: u32 = 4;

const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "create tables", include_str!("../migrations/0001_create_tables.sql"))];

/// The options of every connection.
fn connect_options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .busy_timeout(LOCK_POLL)
        .foreign_keys(true)
        // One `fsync` per write: an acknowledged write survives a loss of power.
        .synchronous(SqliteSynchronous::Full)
        // On macOS, `fsync` alone does not reach the disk.
        .pragma("fullfsync", "ON")
        // Overwrites deleted users and digests.
        .pragma("secure_delete", "ON")
}

fn file_options(path: &Path) -> SqliteConnectOptions {
    connect_options().filename(path).journal_mode(SqliteJournalMode::Wal)
}

fn pool_options(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(LOCK_TIMEOUT)
        // A file does not close connections; a check per call would double its cost.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Creates the file, readable by its owner alone, unless it exists. SQLite gives `-wal` and `-shm`
/// the same mode.
pub(crate) fn create_private(path: &Path) -> Result<(), OpenError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(OpenError::File(error)),
        _ => Ok(()),
    }
}

/// Retries while another connection holds the lock, for [`LOCK_TIMEOUT`].
struct Retry {
    ends: Instant,
    pause: Duration,
}

impl Retry {
    fn new() -> Self {
        Self { ends: Instant::now() + LOCK_TIMEOUT, pause: Duration::from_millis(1) }
    }

    /// Returns true after a pause if the statement may run again.
    async fn again(&mut self, busy: bool) -> bool {
        if !busy || Instant::now() >= self.ends {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        true
    }
}

fn is_locked<T>(outcome: &Result<T, sqlx::Error>) -> bool {
    outcome.as_ref().is_err_and(is_busy)
}

/// The connections of one database.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    reads: SqlitePool,
    writes: SqlitePool,
    /// One permit: this process writes one statement at a time.
    write_permit: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(reads: SqlitePool, writes: SqlitePool) -> Self {
        Self { reads, writes, write_permit: Arc::new(Semaphore::new(1)) }
    }

    /// Opens one writing connection, whose page cache stays warm, and readers that it never blocks.
    pub(crate) async fn open_file(path: &Path) -> Result<Self, OpenError> {
        let options = file_options(path);
        let mut retry = Retry::new();
        let writes = loop {
            // SQLite does not wait if another process changes the same empty file to WAL.
            let outcome = pool_options(1).connect_with(options.clone()).await;
            if !retry.again(is_locked(&outcome)).await {
                break outcome?;
            }
        };
        let reads = pool_options(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self::new(reads, writes))
    }

    pub(crate) async fn open_memory() -> Result<Self, OpenError> {
        // Each connection to `:memory:` is a separate database, so there is exactly one connection.
        let options = connect_options().filename(":memory:").in_memory(true);
        let pool = pool_options(1).connect_with(options).await?;
        Ok(Self::new(pool.clone(), pool))
    }

    pub(crate) async fn migrate(&self) -> Result<(), OpenError> {
        let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&self.writes).await?;
        if !version::is_taken(&version) {
            return Err(OpenError::OldSqlite(version));
        }
        let mut retry = Retry::new();
        loop {
            let outcome = migrate(&self.writes).await;
            let busy = matches!(&outcome, Err(MigrateError::Execute(error)) if is_busy(error));
            if !retry.again(busy).await {
                return Ok(outcome?);
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.reads.close().await;
        self.writes.close().await;
    }

    /// Waits until no other task of this process writes. A queue is fair, unlike SQLite's polling.
    async fn write_permit(&self, retry: &Retry) -> Result<SemaphorePermit<'_>, StoreError> {
        let left = retry.ends.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, self.write_permit.acquire()).await {
            Ok(permit) => permit.map_err(StoreError::unavailable),
            Err(_) => Err(StoreError::unavailable("timed out waiting for other writes")),
        }
    }

    /// Runs a write, and retries it while another connection holds the lock.
    pub(crate) async fn run(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<WriteOutcome, StoreError> {
        let mut retry = Retry::new();
        let _permit = self.write_permit(&retry).await?;
        loop {
            let outcome = statement(sql, values).execute(&self.writes).await;
            if retry.again(is_locked(&outcome)).await {
                continue;
            }
            return match outcome {
                Ok(done) => Ok(WriteOutcome::Affected(done.rows_affected())),
                Err(error) if class(&error) == ErrorClass::Duplicate => {
                    Ok(WriteOutcome::Duplicate(UniqueKey::Other))
                }
                Err(error) => Err(store_error(error)),
            };
        }
    }

    /// Runs a write that returns rows.
    pub(crate) async fn run_returning(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let retry = Retry::new();
        let _permit = self.write_permit(&retry).await?;
        fetch(&self.writes, retry, sql, values).await
    }

    /// Runs a read, and retries it while another connection holds the lock.
    pub(crate) async fn rows(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        fetch(&self.reads, Retry::new(), sql, values).await
    }
}

/// Runs a statement to its end.
///
/// Never sqlx's `fetch_one` or `fetch_optional`: they stop at the first row. An `UPDATE ...
/// RETURNING` gives its first row before it commits, so they would hide a failed commit.
async fn fetch(
    pool: &SqlitePool,
    mut retry: Retry,
    sql: &'static str,
    values: &[Value<'_>],
) -> Result<Vec<Row>, StoreError> {
    loop {
        let outcome = statement(sql, values).fetch_all(pool).await;
        if !retry.again(is_locked(&outcome)).await {
            return Ok(outcome.map_err(store_error)?.into_iter().map(Row).collect());
        }
    }
}

async fn migrate(pool: &SqlitePool) -> Result<(), MigrateError> {
    let mut connection = pool.acquire().await?;
    // sqlx does not lock a SQLite database while it migrates: without this transaction, two
    // processes would both find no tables and both create them.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    auth_sql::migrator(MIGRATIONS).run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}
