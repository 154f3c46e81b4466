//! Creating the tables, by one process at a time.

use std::time::Duration;

use auth_core::StoreError;
use auth_sql::server::{Driver as _, PooledConnection, timed_out};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tokio::time::timeout;

use crate::error::{OpenError, is_missing_or_forbidden};
use crate::pool::{PgDriver, Pool};
use crate::pooler::Pooler;

/// How long creating the tables may take, and waiting for another process that does it.
const TIMEOUT: Duration = Duration::from_secs(30);

const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "create tables", include_str!("../migrations/0001_create_tables.sql"))];

/// Lets one process at a time migrate. PostgreSQL releases the lock with the transaction, whatever ends it;
/// sqlx's own lock would stay with the connection after a failure. The number is "auth" in ASCII.
const LOCK: &str = "SET LOCAL lock_timeout TO '25s'; SET LOCAL statement_timeout TO 0; \
    SELECT pg_advisory_xact_lock(1635087464)";

fn migrator() -> Migrator {
    let mut migrator = auth_sql::migrator(MIGRATIONS);
    migrator.set_locking(false);
    migrator
}

/// Migrates the tables to this version; waits for another process that does the same.
///
/// Behind a pooler it only checks them: one that changes servers in between would leave prepared statements
/// there.
pub(crate) async fn migrate(pool: &Pool) -> Result<(), OpenError> {
    let mut connection = pool.server.acquire().await.map_err(unreachable)?;
    if timeout(TIMEOUT, is_migrated(&mut connection)).await.map_err(|_| timed_out())?? {
        connection.release();
        return Ok(());
    }
    if pool.pooler != Pooler::None {
        connection.release();
        let advice = "over a pooler, tables are not created: open the store once without it";
        return Err(OpenError::Schema(advice.into()));
    }
    let migrated = timeout(TIMEOUT, run(&mut connection.connection, pool.schema.as_deref())).await;
    // Nothing else uses this connection, whatever state it is in.
    connection.discard();
    Ok(migrated.map_err(|_| timed_out())??)
}

fn unreachable(error: StoreError) -> OpenError {
    OpenError::Unreachable(Box::new(error))
}

/// Runs the migrations in one transaction.
async fn run(connection: &mut PgConnection, schema: Option<&str>) -> Result<(), MigrateError> {
    let mut transaction = connection.begin().await?;
    transaction.execute(sqlx::raw_sql(LOCK)).await?;
    if let Some(schema) = schema {
        create_schema(&mut transaction, schema).await?;
    }
    migrator().run_direct(None, &mut *transaction, false).await?;
    Ok(transaction.commit().await?)
}

/// Creates the schema, which is quoted, if it does not exist. `CREATE SCHEMA IF NOT EXISTS` needs the right to
/// create one, even if it exists.
async fn create_schema(connection: &mut PgConnection, schema: &str) -> Result<(), MigrateError> {
    let find = sqlx::query("SELECT to_regnamespace($1) IS NOT NULL").bind(schema);
    if find.fetch_one(&mut *connection).await?.try_get(0)? {
        return Ok(());
    }
    let create = format!("CREATE SCHEMA {schema}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(create))).await?;
    Ok(())
}

/// Whether all migrations are applied. Only reads, so that a role without the right to create tables passes.
async fn is_migrated(connection: &mut PooledConnection<PgDriver>) -> Result<bool, MigrateError> {
    let applied = "SELECT version, checksum FROM auth_migrations WHERE success ORDER BY version";
    let rows = match PgDriver::fetch(connection, sqlx::query(applied)).await {
        Err(error) if is_missing_or_forbidden(&error) => return Ok(false),
        outcome => outcome?,
    };
    let migrator = migrator();
    Ok(rows.len() == MIGRATIONS.len()
        && rows.iter().zip(migrator.iter()).all(|(row, migration)| {
            row.0.try_get("version").ok() == Some(migration.version)
                && row.0.try_get::<&[u8], _>("checksum").ok() == Some(&*migration.checksum)
        }))
}
