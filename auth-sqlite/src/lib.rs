#![doc = include_str!("../README.md")]

mod error;
mod joined;
mod outbox;
#[cfg(test)]
mod plan;
mod pool;
mod row;
mod token;
mod user;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use auth_core::StoreError;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::Semaphore;

pub use error::OpenError;

/// Keeps users, sessions, one-time tokens and promised mails in a SQLite database.
///
/// A [`UserStore`](auth_core::UserStore), [`TokenStore`](auth_core::TokenStore) and
/// [`Outbox`](auth_core::Outbox). Cheap to clone; all clones share their connections. It needs a
/// tokio runtime with time enabled.
#[derive(Clone)]
pub struct SqliteStore {
    reads: SqlitePool,
    writes: SqlitePool,
    /// One permit: one write of this process at a time.
    turn: Arc<Semaphore>,
}

impl SqliteStore {
    /// Opens a database file and brings its tables up to date. Makes the file, readable by its owner
    /// alone, if there is none.
    ///
    /// The path is only ever a path: SQLite's `:memory:` and `file:` have no meaning here.
    ///
    /// # Errors
    ///
    /// - [`OpenError::File`] when there is no file and it cannot be made.
    /// - [`OpenError::Database`] when it cannot be used: no SQLite database, not writable, or locked for
    ///   more than five seconds.
    /// - [`OpenError::Schema`] when a later version of this crate made its tables, or something else.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // SQLite gives a meaning of its own to some relative names.
        let path = std::path::absolute(path).map_err(OpenError::File)?;
        pool::create_private(&path)?;
        let store = Self::connect_file(&path).await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Opens what a URL of the configuration names: `sqlite:auth.db`, `sqlite:///var/lib/app/auth.db`
    /// or `sqlite::memory:`. The path may be percent-encoded; parameters are refused.
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] when it is no such URL.
    /// - Otherwise as [`open`](Self::open).
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        let path = url.strip_prefix("sqlite:").ok_or(OpenError::MalformedUrl)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path == ":memory:" {
            return Self::in_memory().await;
        }
        if path.is_empty() || path.contains('?') {
            return Err(OpenError::MalformedUrl);
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|_| OpenError::MalformedUrl)?;
        Self::open(options.get_filename()).await
    }

    /// A database in memory, for tests and demos: the same statements over one connection, gone with
    /// the last clone.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Database`] when SQLite cannot start.
    pub async fn in_memory() -> Result<Self, OpenError> {
        let store = Self::connect_memory().await?;
        store.migrate().await?;
        Ok(store)
    }

    /// Uses a pool that the service has. Call [`migrate`](Self::migrate) before anything else.
    ///
    /// Clones take turns in writing; two stores made from one pool do not know of each other and wait
    /// for SQLite's lock, so clone one.
    pub fn from_pool(pool: SqlitePool) -> Self {
        Self::over(pool.clone(), pool)
    }

    fn over(reads: SqlitePool, writes: SqlitePool) -> Self {
        Self { reads, writes, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Brings the tables up to date, in one transaction; does nothing when they are. Any number of
    /// processes may call it at once.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Database`] when the database cannot be used, or is locked for more than five seconds.
    /// - [`OpenError::Schema`] when a later version of this crate made its tables, or something else.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.run_migrations().await
    }

    /// Reads from the database, for a health check: whether the file is there, can be read, and has the
    /// tables.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when it cannot.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.find(|_| Ok(()), || sqlx::query("SELECT EXISTS (SELECT 1 FROM auth_users)")).await.map(|_| ())
    }

    /// Waits for running statements and closes all connections, those of a pool given to
    /// [`from_pool`](Self::from_pool) included. Every later call fails as
    /// [`Unavailable`](auth_core::StoreErrorKind::Unavailable). Nothing is lost without it.
    pub async fn close(&self) {
        self.reads.close().await;
        self.writes.close().await;
    }
}

/// Shows nothing of what is kept, nor where.
impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
