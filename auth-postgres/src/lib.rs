#![doc = include_str!("../README.md")]

mod database;
mod error;
mod migration;
mod options;
mod outbox;
mod pool;
mod pooler;
mod purge;
mod row;
mod token;
mod user;

use std::fmt;

use auth_core::{StoreError, UserId, UserStore as _};
use auth_sql::{Expired, SqlStore};
use sqlx::{PgConnection, PgPool};

pub use error::OpenError;
pub use options::PgOptions;
use pool::Pool;
pub use pooler::Pooler;

/// Stores users, sessions, one-time tokens and queued mails in a PostgreSQL database.
///
/// Implements [`UserStore`](auth_core::UserStore), [`TokenStore`](auth_core::TokenStore) and
/// [`Outbox`](auth_core::Outbox). It is cheap to clone; all clones share their connections. It
/// needs a tokio runtime with I/O and time enabled.
#[derive(Clone)]
pub struct PgStore {
    store: SqlStore<Pool>,
}

auth_sql::implement_store!(PgStore);

impl PgStore {
    /// Connects to the database of a URL, `postgres://user:password@host:5432/database`, and migrates
    /// its tables.
    ///
    /// [`PgOptions::from_url`] lists the parameters of the URL.
    ///
    /// # Errors
    ///
    /// - [`OpenError::MalformedUrl`] if the URL has another form.
    /// - Otherwise as [`PgOptions::open`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        PgOptions::from_url(url)?.open().await
    }

    /// Uses a pool of the service, whose connections went through [`prepare`](Self::prepare) and lead
    /// straight to the database.
    ///
    /// Call [`migrate`](Self::migrate) before anything else. The tables are in the first schema of the
    /// pool's search path.
    ///
    /// # Security
    ///
    /// A pool cannot be asked whether a connection pooler such as pgbouncer stands between it and the
    /// database. If one does, use [`from_pool_behind`](Self::from_pool_behind): without it one client
    /// may get the answer of another.
    pub fn from_pool(pool: PgPool) -> Self {
        Self::from_pool_behind(pool, Pooler::None)
    }

    /// Uses a pool of the service whose connections lead to a pooler of this kind.
    ///
    /// Call [`migrate`](Self::migrate), which checks the tables, before anything else. Behind
    /// [`Pooler::PreparedStatements`], the settings of the sessions are those of the role.
    pub fn from_pool_behind(pool: PgPool, pooler: Pooler) -> Self {
        Self::over(Pool::shared(pool, pooler))
    }

    fn over(pool: Pool) -> Self {
        Self { store: SqlStore::new(pool) }
    }

    /// Prepares the session of a new connection for this store.
    ///
    /// The session becomes READ COMMITTED and writable, a statement may take five seconds and wait one
    /// for a lock, and a commit waits for the disk. This applies to the service's own statements over
    /// this connection, too.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
    /// use auth_postgres::PgStore;
    /// use sqlx::postgres::PgPoolOptions;
    ///
    /// let pool = PgPoolOptions::new()
    ///     .after_connect(|connection, _| Box::pin(PgStore::prepare(connection)))
    ///     .connect("postgres://shop@localhost/shop")
    ///     .await?;
    /// let store = PgStore::from_pool(pool);
    /// store.migrate().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - sqlx's error if the server refuses a statement.
    pub async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        pool::prepare(connection).await
    }

    /// Migrates the tables to this version; writes nothing if they are up to date. Behind a pooler, it
    /// only checks them.
    ///
    /// Several processes may call it at the same time.
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
    pub fn statements() -> Vec<(&'static str, &'static str)> {
        let purges = Expired::ALL.map(|expired| ("purge", purge::sql(expired)));
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

/// Shows neither the content nor the server.
impl fmt::Debug for PgStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgStore").finish_non_exhaustive()
    }
}
