//! Connections to PostgreSQL, and how statements run over them.

use std::future::Future;
use std::sync::Arc;

use auth_core::StoreError;
use auth_sql::server::{ACQUIRE_TIMEOUT, Driver, STATEMENT_TIMEOUT, Server, timed_out};
use auth_sql::{ErrorClass, UniqueKey};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, Postgres};
use tokio::time::timeout;

use crate::error::{OpenError, class, unique_key};
use crate::pooler::{self, Pooler, SETTINGS, not_durable};
use crate::row::{Row, Statement};

/// Prepares the session of a connection that was opened without [`SETTINGS`].
pub(crate) async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (name, value) in SETTINGS {
        sqlx::query("SELECT set_config($1, $2, false)")
            .bind(name)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    let durable = concat!("SELECT set_config('synchronous_commit', 'on', false) WHERE ", not_durable!());
    connection.execute(sqlx::raw_sql(durable)).await?;
    Ok(())
}

/// A sqlx pool whose connections stay out of it between two statements; see [`Server`].
#[derive(Clone)]
pub(crate) struct PgDriver {
    pool: PgPool,
    /// What begins a transaction, if each statement needs one.
    begin: Option<Arc<str>>,
}

/// A connection, and how statements run over it.
pub(crate) struct Session {
    pub(crate) connection: PoolConnection<Postgres>,
    begin: Option<Arc<str>>,
}

impl Session {
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        if let Some(begin) = &self.begin {
            self.connection.execute(sqlx::raw_sql(AssertSqlSafe(Arc::clone(begin)))).await?;
        }
        Ok(())
    }

    /// Commits after a success. After a failure, the server has nothing to commit, and sqlx would still report
    /// success for `COMMIT`.
    async fn end<T>(&mut self, outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if self.begin.is_some() {
            let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
            self.connection.execute(sqlx::raw_sql(end)).await?;
        }
        outcome
    }

    /// A named statement would stay on the pooler's connection, where another client finds it.
    fn unnamed(&self, statement: Statement) -> Statement {
        if self.begin.is_some() { statement.persistent(false) } else { statement }
    }
}

impl Driver for PgDriver {
    type Connection = Session;
    type Statement = Statement;
    type Row = Row;

    async fn open(&self) -> Result<Session, StoreError> {
        let connection = self.pool.acquire().await.map_err(StoreError::unavailable)?;
        Ok(Session { connection, begin: self.begin.clone() })
    }

    /// Ends the transaction that a cancelled caller left open.
    async fn is_alive(session: &mut Session) -> bool {
        let check = if session.begin.is_some() { "ROLLBACK" } else { "SELECT 1" };
        session.connection.execute(sqlx::raw_sql(check)).await.is_ok()
    }

    /// Not by sqlx's pool, which would send a message in a task: there may be no runtime any more.
    fn close(session: Session) {
        drop(session.connection.detach());
    }

    async fn close_gracefully(session: Session) {
        drop(session.connection.detach().close().await);
    }

    fn close_pool(&self) -> impl Future<Output = ()> + Send {
        self.pool.close()
    }

    /// Until the server is ready again: its word that it changed rows comes before the commit.
    async fn execute(session: &mut Session, statement: Statement) -> Result<u64, sqlx::Error> {
        session.begin().await?;
        let statement = session.unnamed(statement);
        let done = statement.execute(&mut *session.connection).await;
        Ok(session.end(done).await?.rows_affected())
    }

    async fn fetch(session: &mut Session, statement: Statement) -> Result<Vec<Row>, sqlx::Error> {
        session.begin().await?;
        let statement = session.unnamed(statement);
        let rows = statement.fetch_all(&mut *session.connection).await;
        Ok(session.end(rows).await?.into_iter().map(Row).collect())
    }

    fn class(error: &sqlx::Error) -> ErrorClass {
        class(error)
    }

    fn unique_key(duplicate: &sqlx::Error) -> UniqueKey {
        unique_key(duplicate)
    }
}

/// The database of a store.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) server: Server<PgDriver>,
    pub(crate) pooler: Pooler,
    /// The schema of the tables, quoted; the first one of the search path if `None`.
    pub(crate) schema: Option<Arc<str>>,
}

fn begin(pooler: Pooler, schema: Option<&str>) -> Option<Arc<str>> {
    (pooler == Pooler::Transaction).then(|| pooler::begin(schema).into())
}

impl Pool {
    /// Opens one connection, for its error, and leaves the others until they are needed.
    pub(crate) async fn open(
        options: PgConnectOptions,
        max_connections: u32,
        pooler: Pooler,
        schema: Option<Arc<str>>,
    ) -> Result<Self, OpenError> {
        let first = async {
            let mut first = PgConnection::connect_with(&options).await?;
            pooler::check(&mut first, pooler).await?;
            drop(first.close().await);
            Ok::<_, OpenError>(())
        };
        timeout(STATEMENT_TIMEOUT, first).await.map_err(|_| timed_out())??;
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    let checked = pooler::check(connection, pooler).await;
                    checked.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
                })
            })
            .connect_lazy_with(options);
        let driver = PgDriver { pool, begin: begin(pooler, schema.as_deref()) };
        Ok(Self { server: Server::owned(driver, max_connections), pooler, schema })
    }

    pub(crate) fn shared(pool: PgPool, pooler: Pooler) -> Self {
        let driver = PgDriver { pool, begin: begin(pooler, None) };
        Self { server: Server::shared(driver), pooler, schema: None }
    }
}
