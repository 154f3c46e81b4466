//! [`SqliteStore`]: users, sessions, one-time tokens and promised mails of `auth-core` in one SQLite
//! file. The embedded default: no server, no system library, two lines to start.
//!
//! ```
//! use auth_core::{Auth, Client, Mailbox, Password};
//! use auth_sqlite::SqliteStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("auth-sqlite-docs-{}.db", std::process::id()));
//! let store = SqliteStore::open(&path).await?; // makes the file and its tables, if need be
//! let mailer = Mailbox::new(); // yours sends
//! let auth = Auth::over(store.clone(), mailer)
//!     .secret("q8Jv0Yf2mZr7LwXs4TbNcPd1HgKe9UaR") // yours comes from the configuration
//!     .build()?;
//!
//! let client = Client::new("192.0.2.7".parse().ok(), Some("Firefox"));
//! auth.register("ada@example.com", Password::new("correct horse battery"), Some("Ada"), &client).await?;
//! assert_eq!(auth.deliver_due_mails().await?.sent, 1); // a server spawns `auth.run_background(shutdown)`
//! # store.close().await;
//! # for end in ["", "-wal", "-shm"] {
//! #     let _ = std::fs::remove_file(format!("{}{end}", path.display()));
//! # }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **Every promise of the three traits**, proved by the suite of `auth-testkit` over a file that many
//!   connections share, over a pool of the service's own, and in memory.
//! - **An acknowledged write is on disk**: one `fsync` each (`synchronous = FULL`), so it survives
//!   `kill -9` and a loss of power, as far as the disk itself keeps its word. A test kills a writing
//!   process again and again and misses nothing.
//! - **Any number of processes on one file behave.** Each guarded write is one statement that SQLite
//!   runs alone (`UPDATE ... WHERE` the guard holds), and the affected rows decide, whoever asks. Readers
//!   never wait (WAL). Writers wait for each other up to five seconds and then fail as
//!   [`Unavailable`](auth_core::StoreErrorKind::Unavailable).
//! - **Nothing is scanned.** Every statement finds its rows by a key or a range of an index; a test
//!   reads the query plan of each.
//! - **What makes no sense is said**: a record damaged by hand becomes
//!   [`Corrupt`](auth_core::StoreErrorKind::Corrupt), naming table, column and id, never a panic and
//!   never "not found". A claim of several mails still gives the others.
//!
//! # Operating it
//!
//! - Keep the file on a local disk: SQLite's locks and its shared memory do not work over a network.
//! - `auth.db-wal` and `auth.db-shm` belong to `auth.db`. Copying the one file of a running service is no
//!   backup; `sqlite3 auth.db ".backup copy.db"` or `VACUUM INTO` is.
//! - A new file is readable by its owner alone (mode 0600); a file that exists keeps its mode. It holds
//!   e-mail addresses and password hashes, so protect it and its copies.
//! - Deleted content is overwritten in the main file (`secure_delete`) where [`SqliteStore::open`] made the
//!   connections; `auth.db-wal` may hold it until that is reset.
//! - `schema.sql` beside this crate's source is the commented schema. All names begin with `auth_`, the
//!   table of applied migrations included, so that a service's own tables can live in the same database.
//!
//! # A pool of your own
//!
//! [`SqliteStore::from_pool`] uses what the service has. What survives a loss of power is then for the
//! pool's options to say; a lock is waited for five seconds here too:
//!
//! ```
//! use auth_sqlite::SqliteStore;
//! use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("auth-sqlite-pool-{}.db", std::process::id()));
//! let options = SqliteConnectOptions::new()
//!     .filename(&path)
//!     .create_if_missing(true)
//!     .journal_mode(SqliteJournalMode::Wal)
//!     .synchronous(SqliteSynchronous::Full);
//! let pool = SqlitePoolOptions::new().connect_with(options).await?;
//! let store = SqliteStore::from_pool(pool.clone());
//! store.migrate().await?;
//! store.ping().await?;
//! # store.close().await;
//! # for end in ["", "-wal", "-shm"] {
//! #     let _ = std::fs::remove_file(format!("{}{end}", path.display()));
//! # }
//! # Ok(())
//! # }
//! ```

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
