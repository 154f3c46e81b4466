#![doc = include_str!("../README.md")]

mod connections;
#[cfg(test)]
mod cost;
mod error;
mod joined;
mod options;
mod outbox;
#[cfg(test)]
mod plan;
mod pool;
mod purge;
mod row;
mod token;
mod user;

use std::fmt;

use auth_core::{StoreError, UserId, UserStore as _};
use sqlx::{MySqlConnection, MySqlPool};

use connections::Connections;
pub use error::OpenError;
pub use options::MySqlOptions;

/// Keeps users, sessions, one-time tokens and promised mails in a MySQL or MariaDB database.
///
/// A [`UserStore`](auth_core::UserStore), [`TokenStore`](auth_core::TokenStore) and
/// [`Outbox`](auth_core::Outbox). Cheap to clone; all clones share their connections. It needs a
/// tokio runtime with input, output and time enabled.
#[derive(Clone)]
pub struct MySqlStore {
    connections: Connections,
}

impl MySqlStore {
    /// Opens what a URL of the configuration names, `mysql://user:password@host:3306/database`, and
    /// brings its tables up to date; see [`MySqlOptions::from_url`] for its parameters.
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] when it is no such URL.
    /// - Otherwise as [`MySqlOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        MySqlOptions::from_url(url)?.open().await
    }

    /// Uses a pool that the service has, whose connections went through
    /// [`prepare`](Self::prepare). Call [`migrate`](Self::migrate) before anything else.
    pub fn from_pool(pool: MySqlPool) -> Self {
        Self { connections: Connections::of_shared(pool) }
    }

    /// Makes a new connection fit for this store: strict, UTC, READ COMMITTED, and on a node of a
    /// cluster reading what other nodes acknowledged. It replaces the session's whole `sql_mode` and sets
    /// `innodb_lock_wait_timeout` and `lock_wait_timeout` to one second, for a service's own statements over that pool too. For `after_connect` of
    /// a pool of your own:
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
    /// use auth_mysql::MySqlStore;
    /// use sqlx::mysql::MySqlPoolOptions;
    ///
    /// let pool = MySqlPoolOptions::new()
    ///     .after_connect(|connection, _| Box::pin(MySqlStore::prepare(connection)))
    ///     .connect("mysql://shop@localhost/shop")
    ///     .await?;
    /// let store = MySqlStore::from_pool(pool);
    /// store.migrate().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - sqlx's error when the server refuses.
    pub async fn prepare(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        pool::prepare(connection).await
    }

    /// Brings the tables up to date; writes nothing when they are. Any number of processes may call it
    /// at once, on different nodes of a cluster too.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Unreachable`] when the database cannot be used.
    /// - [`OpenError::Schema`] when the tables are not there and cannot be made, or are those of another
    ///   version.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        self.run_migrations().await
    }

    /// Reads from the database, for a health check: whether it can be reached and has the tables.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when it cannot.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.find_by_id(UserId::from_bytes([0; 16])).await.map(|_| ())
    }

    /// Waits for running statements, for six seconds at most, and closes all connections, those of a pool given to
    /// [`from_pool`](Self::from_pool) included. Every later call fails as
    /// [`Unavailable`](auth_core::StoreErrorKind::Unavailable). Nothing is lost without it.
    pub async fn close(&self) {
        self.connections.close().await;
    }
}

/// Shows nothing of what is kept, nor where.
impl fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStore").finish_non_exhaustive()
    }
}
