#![doc = include_str!("../README.md")]

mod database;
mod error;
mod outbox;
mod pool;
mod row;
mod token;
mod user;
mod version;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use auth_core::StoreError;
use auth_sql::{Database, Expired, SqlStore};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

pub use error::OpenError;
use pool::Pool;

/// Stores users, sessions, one-time tokens and queued mails in a SQLite database.
///
/// Implements [`UserStore`](auth_core::UserStore), [`TokenStore`](auth_core::TokenStore) and
/// [`Outbox`](auth_core::Outbox). It is cheap to clone; all clones share their connections. It
/// needs a tokio runtime with time enabled.
#[derive(Clone)]
pub struct SqliteStore {
    store: SqlStore<Pool>,
}

auth_sql::implement_store!(SqliteStore);

impl SqliteStore {
    /// Opens a database file and migrates its tables.
    ///
    /// If the file does not exist, it is created, readable by its owner alone. The argument is
    /// always a path: SQLite's special names `:memory:` and `file:` have no meaning here.
    ///
    /// # Errors
    ///
    /// - [`OpenError::File`] if the file does not exist and cannot be created.
    /// - [`OpenError::Database`] if the file is not a SQLite database, is not writable, or stays
    ///   locked for more than five seconds.
    /// - [`OpenError::Schema`] if a later version of this crate, or something else, created its
    ///   tables.
    /// - [`OpenError::OldSqlite`] if another dependency of the program brought an older SQLite.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        // An absolute path is none of SQLite's special names.
        let path = std::path::absolute(&path).map_err(|error| OpenError::File(error).at(path.as_ref()))?;
        let opened = async {
            pool::create_private(&path)?;
            Self::migrated(Pool::open_file(&path).await?).await
        };
        opened.await.map_err(|error: OpenError| error.at(&path))
    }

    /// Opens the database of a URL and migrates its tables.
    ///
    /// The URL is `sqlite:auth.db`, `sqlite:///var/lib/app/auth.db` or `sqlite::memory:`. The path
    /// may be percent-encoded; parameters are refused.
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] if the URL has another form.
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

    /// Creates a database in memory, for tests and demos.
    ///
    /// It runs the same statements over one connection, and is gone with the last clone.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Database`] if SQLite cannot start.
    pub async fn in_memory() -> Result<Self, OpenError> {
        Self::migrated(Pool::open_memory().await?).await
    }

    /// Uses a pool of the service. Call [`migrate`](Self::migrate) before anything else.
    ///
    /// Clones of a store write one after the other, in turn. Two stores made from one pool do not
    /// know of each other and wait for SQLite's lock, so clone the store instead.
    pub fn from_pool(pool: SqlitePool) -> Self {
        Self { store: SqlStore::new(Pool::new(pool.clone(), pool)) }
    }

    async fn migrated(pool: Pool) -> Result<Self, OpenError> {
        pool.migrate().await?;
        Ok(Self { store: SqlStore::new(pool) })
    }

    /// Migrates the tables to this version, in one transaction; does nothing if they are up to
    /// date.
    ///
    /// Several processes may call it at the same time.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Database`] if the database cannot be used or stays locked for more than five
    ///   seconds.
    /// - [`OpenError::Schema`] if a later version of this crate, or something else, created its
    ///   tables.
    /// - [`OpenError::OldSqlite`] if another dependency of the program brought an older SQLite.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.store.database().migrate().await
    }

    /// Reads from the database, for a health check.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] if the file is missing, cannot be read, or lacks the tables.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM auth_users)";
        self.store.database().read(sql, &[]).await.map(|_| ())
    }

    /// Waits for running statements and closes all connections.
    ///
    /// This includes the connections of a pool given to [`from_pool`](Self::from_pool). Every later
    /// call fails as [`Unavailable`](auth_core::StoreErrorKind::Unavailable). A process that exits
    /// without this call loses nothing.
    pub async fn close(&self) {
        self.store.database().close().await;
    }

    /// Lists all statements by name, for the test that reads their query plans.
    #[doc(hidden)]
    pub fn statements() -> Vec<(&'static str, &'static str)> {
        let purges = Expired::ALL.map(|expired| ("purge", database::purge_sql(expired)));
        [
            user::SQL.list(),
            token::SQL.list(),
            outbox::SQL.list(),
            vec![("claim", outbox::CLAIM)],
            purges.into(),
        ]
        .concat()
    }
}

/// Shows neither the content nor the path.
impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
