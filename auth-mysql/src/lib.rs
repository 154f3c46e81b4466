#![doc = include_str!("../README.md")]

mod database;
mod error;
mod migration;
mod options;
mod outbox;
mod pool;
mod purge;
mod row;
mod token;
mod user;

use std::fmt;

use auth_core::{StoreError, UserId, UserStore as _};
use auth_sql::SqlStore;
use sqlx::{MySqlConnection, MySqlPool};

pub use error::OpenError;
pub use options::MySqlOptions;
use pool::Pool;

/// Stores users, sessions, one-time tokens and queued mails in a MySQL or MariaDB database.
///
/// Implements [`UserStore`](auth_core::UserStore), [`TokenStore`](auth_core::TokenStore) and
/// [`Outbox`](auth_core::Outbox). It is cheap to clone; all clones share their connections. It
/// needs a tokio runtime with I/O and time enabled.
#[derive(Clone)]
pub struct MySqlStore {
    store: SqlStore<Pool>,
}

auth_sql::implement_store!(MySqlStore);

impl MySqlStore {
    /// Connects to the database of a URL, `mysql://user:password@host:3306/database`, and migrates
    /// its tables.
    ///
    /// [`MySqlOptions::from_url`] lists the parameters of the URL.
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] if the URL has another form.
    /// - Otherwise as [`MySqlOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        MySqlOptions::from_url(url)?.open().await
    }

    /// Uses a pool of the service, whose connections went through [`prepare`](Self::prepare).
    ///
    /// Call [`migrate`](Self::migrate) before anything else.
    pub fn from_pool(pool: MySqlPool) -> Self {
        Self::over(Pool::shared(pool))
    }

    fn over(pool: Pool) -> Self {
        Self { store: SqlStore::new(pool) }
    }

    /// Prepares the session of a new connection for this store.
    ///
    /// The session becomes strict, UTC and READ COMMITTED; on a node of a cluster, it reads what
    /// other nodes acknowledged. This replaces the whole `sql_mode`, and sets
    /// `innodb_lock_wait_timeout` and `lock_wait_timeout` to one second, also for the service's own
    /// statements over this connection.
    ///
    /// # Examples
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
    /// - sqlx's error if the server refuses a statement.
    pub async fn prepare(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
        pool::prepare(connection).await
    }

    /// Migrates the tables to this version; writes nothing if they are up to date.
    ///
    /// Several processes may call it at the same time, on different nodes of a cluster, too.
    ///
    /// # Errors
    ///
    /// - [`OpenError::Unreachable`] if the database cannot be used.
    /// - [`OpenError::Schema`] if the tables are missing and cannot be created, or another version
    ///   of this crate created them.
    pub async fn migrate(&self) -> Result<(), OpenError> {
        migration::migrate(self.store.database()).await
    }

    /// Reads from the database, for a health check.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] if the database cannot be reached or lacks the tables.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.find_by_id(UserId::from_bytes([0; 16])).await.map(|_| ())
    }

    /// Waits for running statements, at most six seconds, and closes all connections.
    ///
    /// This includes the connections of a pool given to [`from_pool`](Self::from_pool). Every later
    /// call fails as [`Unavailable`](auth_core::StoreErrorKind::Unavailable). A process that exits
    /// without this call loses nothing.
    pub async fn close(&self) {
        self.store.database().server.close().await;
    }

    /// Lists all statements by name, for the test that reads their query plans.
    #[doc(hidden)]
    pub fn statements() -> Vec<(&'static str, String)> {
        let claim = [("find_due", outbox::FIND_DUE), ("lease", outbox::LEASE)];
        let fixed = [user::SQL.list(), token::SQL.list(), outbox::SQL.list(), claim.into()].concat();
        let fixed = fixed.into_iter().map(|(name, sql)| (name, sql.to_owned()));
        fixed.chain(purge::statements()).collect()
    }
}

/// Shows neither the content nor the server.
impl fmt::Debug for MySqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStore").finish_non_exhaustive()
    }
}
