//! Connections to MySQL, and how statements run over them.

use std::future::Future;

use auth_core::StoreError;
use auth_sql::server::{ACQUIRE_TIMEOUT, Driver, STATEMENT_TIMEOUT, Server};
use auth_sql::{ErrorClass, UniqueKey};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Executor as _, MySql, MySqlConnection, MySqlPool};
use tokio::time::timeout;

use crate::error::{OpenError, class, is_unknown_variable, unique_key};
use crate::row::{Row, Statement};

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

/// A sqlx pool whose connections stay out of it between two statements; see [`Server`].
#[derive(Clone)]
pub(crate) struct MySqlDriver(MySqlPool);

impl Driver for MySqlDriver {
    type Connection = PoolConnection<MySql>;
    type Statement = Statement;
    type Row = Row;

    async fn open(&self) -> Result<PoolConnection<MySql>, StoreError> {
        self.0.acquire().await.map_err(StoreError::unavailable)
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
        self.0.close()
    }

    async fn execute(
        connection: &mut PoolConnection<MySql>,
        statement: Statement,
    ) -> Result<u64, sqlx::Error> {
        Ok(statement.execute(&mut **connection).await?.rows_affected())
    }

    async fn fetch(
        connection: &mut PoolConnection<MySql>,
        statement: Statement,
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(statement.fetch_all(&mut **connection).await?.into_iter().map(Row).collect())
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
    pub(crate) server: Server<MySqlDriver>,
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
        Ok(Self { server: Server::owned(MySqlDriver(pool), max_connections) })
    }

    pub(crate) fn shared(pool: MySqlPool) -> Self {
        Self { server: Server::shared(MySqlDriver(pool)) }
    }
}
