//! Connections: how they are opened, and how statements wait for their turn.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use auth_core::StoreError;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection as _, SqlSafeStr as _, Sqlite, SqlitePool};
use tokio::sync::SemaphorePermit;

use crate::SqliteStore;
use crate::error::{OpenError, is_busy, store_error};

/// How long a call waits in all for other connections to let it in.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long SQLite itself polls for a lock before the call starts over. SQLite polls ever more
/// rarely, down to ten times a second, which starves one process next to a busy other: four of them
/// at once waited up to 740 ms for a write with the whole patience here, and 150 ms with this.
const LOCK_POLL: Duration = Duration::from_millis(60);

/// Connections that only read. Each is a thread of its own; reads take microseconds.
const READERS: u32 = 4;

/// A statement with its values. It owns them, so that it can be made anew for every attempt.
pub(crate) type Statement = Query<'static, Sqlite, SqliteArguments>;

const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "create tables", include_str!("../migrations/0001_create_tables.sql"))];

fn migrator() -> Migrator {
    let mut migrator = Migrator::with_migrations(
        MIGRATIONS
            .iter()
            .map(|&(version, description, sql)| {
                let sql = sql.into_sql_str();
                Migration::new(version, description.into(), MigrationType::Simple, sql, false)
            })
            .collect(),
    );
    // Not sqlx's own name: a service may keep its migrations in the same database.
    migrator.dangerous_set_table_name("auth_migrations");
    migrator
}

/// What every connection says first.
fn connect_options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .busy_timeout(LOCK_POLL)
        .foreign_keys(true)
        // One `fsync` per write: what was acknowledged survives a loss of power.
        .synchronous(SqliteSynchronous::Full)
        // The same on macOS, where `fsync` does not reach the platter.
        .pragma("fullfsync", "ON")
        // Deleted users and digests are overwritten, not only unlinked.
        .pragma("secure_delete", "ON")
}

fn file_options(path: &Path) -> SqliteConnectOptions {
    connect_options().filename(path).journal_mode(SqliteJournalMode::Wal)
}

fn pool_options(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        // No server can hang up; a ping per call would double its cost.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes the file readable by its owner alone, unless it exists. SQLite gives `-wal` and `-shm` the
/// mode of the file.
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

/// Retries while others have the lock, until [`PATIENCE`] ends.
struct Patience {
    ends: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self { ends: Instant::now() + PATIENCE, pause: Duration::from_millis(1) }
    }

    /// Whether to try again, after a pause. What is no lock of others is final.
    async fn again(&mut self, busy: bool) -> bool {
        if !busy || Instant::now() >= self.ends {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        true
    }
}

fn met_lock<T>(outcome: &Result<T, sqlx::Error>) -> bool {
    outcome.as_ref().is_err_and(is_busy)
}

impl SqliteStore {
    /// One writing connection, whose page cache stays warm, and readers that it never blocks.
    pub(crate) async fn connect_file(path: &Path) -> Result<Self, OpenError> {
        let options = file_options(path);
        let mut patience = Patience::new();
        let writes = loop {
            // Changing an empty file to WAL does not wait for another process that does the same.
            let outcome = pool_options(1).connect_with(options.clone()).await;
            if !patience.again(met_lock(&outcome)).await {
                break outcome?;
            }
        };
        let reads = pool_options(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self::over(reads, writes))
    }

    pub(crate) async fn connect_memory() -> Result<Self, OpenError> {
        // Every connection to `:memory:` is a database of its own, so there is exactly one.
        let options = connect_options().filename(":memory:").in_memory(true);
        let pool = pool_options(1).connect_with(options).await?;
        Ok(Self::over(pool.clone(), pool))
    }

    pub(crate) async fn run_migrations(&self) -> Result<(), OpenError> {
        let mut patience = Patience::new();
        loop {
            let outcome = migrate(&self.writes).await;
            let busy = matches!(&outcome, Err(MigrateError::Execute(error)) if is_busy(error));
            if !patience.again(busy).await {
                return Ok(outcome?);
            }
        }
    }

    /// Waits until no other task of this process writes: a queue, where SQLite would poll.
    async fn turn(&self, patience: &Patience) -> Result<SemaphorePermit<'_>, StoreError> {
        let left = patience.ends.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, self.turn.acquire()).await {
            Ok(turn) => turn.map_err(StoreError::unavailable),
            Err(_) => Err(StoreError::unavailable("other writes took too long")),
        }
    }

    /// Runs one guarded write; says how many records it affected.
    pub(crate) async fn write(&self, statement: impl Fn() -> Statement + Send) -> Result<u64, StoreError> {
        let mut patience = Patience::new();
        let _turn = self.turn(&patience).await?;
        loop {
            let outcome = statement().execute(&self.writes).await;
            if !patience.again(met_lock(&outcome)).await {
                return outcome.map(|done| done.rows_affected()).map_err(store_error);
            }
        }
    }

    /// Runs one guarded write that returns what it wrote.
    pub(crate) async fn write_returning(
        &self,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        let patience = Patience::new();
        let _turn = self.turn(&patience).await?;
        rows(&self.writes, patience, statement).await
    }

    /// Reads the record of a unique key.
    pub(crate) async fn find<T>(
        &self,
        read: fn(&SqliteRow) -> Result<T, StoreError>,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Option<T>, StoreError> {
        rows(&self.reads, Patience::new(), statement).await?.first().map(read).transpose()
    }

    /// Reads all records that a statement selects.
    pub(crate) async fn list<T>(
        &self,
        read: fn(&SqliteRow) -> Result<T, StoreError>,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<T>, StoreError> {
        rows(&self.reads, Patience::new(), statement).await?.iter().map(read).collect()
    }
}

/// Runs a statement to its end.
///
/// Never sqlx's `fetch_one` or `fetch_optional`: they stop at the first row, which an `UPDATE ...
/// RETURNING` gives before it commits, and hide that the commit failed.
async fn rows(
    pool: &SqlitePool,
    mut patience: Patience,
    statement: impl Fn() -> Statement + Send,
) -> Result<Vec<SqliteRow>, StoreError> {
    loop {
        let outcome = statement().fetch_all(pool).await;
        if !patience.again(met_lock(&outcome)).await {
            return outcome.map_err(store_error);
        }
    }
}

async fn migrate(pool: &SqlitePool) -> Result<(), MigrateError> {
    let mut connection = pool.acquire().await?;
    // sqlx locks no SQLite database while it migrates: outside of a transaction, two processes would
    // both find no tables and both make them.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrator().run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}
