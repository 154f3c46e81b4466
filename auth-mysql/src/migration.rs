//! Creating the tables, on several nodes at once if need be.

use std::time::Duration;

use auth_sql::server::timed_out;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{MySqlConnection, Row as _};
use tokio::time::timeout;

use crate::error::{OpenError, is_concurrent_migration, is_no_table};
use crate::pool::Pool;

/// How long creating the tables may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Each may run again over a part of itself (`IF NOT EXISTS`): MySQL does not roll back `CREATE
/// TABLE`.
const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "create tables", include_str!("../migrations/0001_create_tables.sql"))];

fn migrator() -> Migrator {
    let mut migrator = auth_sql::migrator(MIGRATIONS);
    // MySQL would keep the lock of a process whose host is gone for as long as TCP does. MariaDB
    // has no unlimited wait for a lock, and the nodes of a cluster share no lock. So concurrent
    // migrations are resolved without one.
    migrator.set_locking(false);
    migrator
}

/// The pauses while another process creates the tables: five seconds in all. It needs less than
/// one.
fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(13)
        .with_jitter()
        .build()
}

/// Migrates the tables to this version; waits for another process that does the same.
pub(crate) async fn migrate(pool: &Pool) -> Result<(), OpenError> {
    let (mut remaining, mut restarted) = (pauses(), false);
    loop {
        let mut connection =
            pool.server.acquire().await.map_err(|error| OpenError::Unreachable(Box::new(error)))?;
        let migrated = timeout(TIMEOUT, migrate_once(&mut connection)).await;
        let error = match migrated.unwrap_or_else(|_| Err(timed_out().into())) {
            Ok(()) => {
                connection.release();
                return Ok(());
            }
            Err(error) => error,
        };
        match (error, remaining.next()) {
            (error, Some(pause)) if is_concurrent_migration(&error) => {
                connection.discard();
                tokio::time::sleep(pause).await;
            }
            // The process that began it was killed or lost its connection.
            (MigrateError::Dirty(version), None) if !restarted => {
                remove_unfinished(&mut connection, version).await?;
                connection.discard();
                (remaining, restarted) = (pauses(), true);
            }
            (error, _) => {
                connection.discard();
                return Err(error.into());
            }
        }
    }
}

async fn migrate_once(connection: &mut MySqlConnection) -> Result<(), MigrateError> {
    if is_migrated(connection).await? {
        return Ok(());
    }
    migrator().run_direct(None, &mut *connection, false).await?;
    // sqlx looks first for an unfinished migration and then for the applied ones. It takes one that
    // began in between for applied, so look again.
    if is_migrated(connection).await? {
        return Ok(());
    }
    Err(MigrateError::Dirty(MIGRATIONS.last().map_or(0, |&(version, ..)| version)))
}

/// Whether all migrations are applied. Only reads, so that an account without the privilege to
/// create tables passes.
///
/// # Errors
///
/// - [`MigrateError::Dirty`] while a migration runs. Send nothing else to the server then: in a
///   cluster, the `CREATE TABLE` of one process aborts the statement of another.
async fn is_migrated(connection: &mut MySqlConnection) -> Result<bool, MigrateError> {
    let applied = "SELECT version, checksum, success FROM auth_migrations ORDER BY version";
    let rows = match sqlx::query(applied).fetch_all(connection).await {
        Err(error) if is_no_table(&error) => return Ok(false),
        outcome => outcome?,
    };
    for row in &rows {
        if !row.try_get::<bool, _>("success")? {
            return Err(MigrateError::Dirty(row.try_get("version")?));
        }
    }
    let migrator = migrator();
    Ok(rows.len() == MIGRATIONS.len()
        && rows.iter().zip(migrator.iter()).all(|(row, migration)| {
            row.try_get("version").ok() == Some(migration.version)
                && row.try_get::<&[u8], _>("checksum").ok() == Some(&*migration.checksum)
        }))
}

/// Removes an unfinished migration from the list, so that it can run again.
async fn remove_unfinished(connection: &mut MySqlConnection, version: i64) -> Result<(), MigrateError> {
    let remove = "DELETE FROM auth_migrations WHERE version = ? AND success = FALSE";
    sqlx::query(remove).bind(version).execute(connection).await?;
    Ok(())
}
