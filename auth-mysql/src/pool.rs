//! Connections: what each says first, and how statements run again.

use std::future::Future;
use std::io;
use std::time::Duration;

use auth_core::StoreError;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlPoolOptions, MySqlRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Executor as _, MySql, MySqlConnection, Row as _, SqlSafeStr as _};
use tokio::time::timeout;

use crate::MySqlStore;
use crate::connections::Connections;
use crate::error::{OpenError, Trouble, is_met_migration, is_no_table, is_unknown_variable, store_error};

/// How long one statement may take. Every one finds its rows by a key.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a call waits for a connection. sqlx goes on trying a server that refuses until this is over, so
/// it is also how long callers of a dead one wait for their error.
pub(crate) const CONNECTION_PATIENCE: Duration = Duration::from_secs(3);

/// How long making the tables may take.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(30);

/// A statement with its values. It owns them, so that it can be made anew for every attempt.
pub(crate) type Statement = Query<'static, MySql, MySqlArguments>;

/// Each may run again over what it did by half (`IF NOT EXISTS`): MySQL rolls no table back.
const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "create tables", include_str!("../migrations/0001_create_tables.sql"))];

fn migrator() -> Migrator {
    let mut migrator = Migrator::with_migrations(
        MIGRATIONS
            .iter()
            .map(|&(version, description, sql)| {
                let sql = sql.into_sql_str();
                Migration::new(version, description.into(), MigrationType::Simple, sql, false)
            })
            .collect(),
    );
    // Not sqlx's own name: a service may keep its migrations in the same database.
    migrator.dangerous_set_table_name("auth_migrations");
    // MySQL would wait for the lock of a process whose host is gone as long as TCP does. MariaDB knows no endless wait, and the
    // nodes of a cluster no common lock, so that migrations that meet are put right anyway.
    migrator.set_locking(false);
    migrator
}

/// What every connection says first.
///
/// Strict, because a value cut short would be another value; READ COMMITTED, because a lost guard is
/// read again and must show what is true, and because it locks no gaps. A second for the lock of a record and for that of a
/// table: MySQL does not notice that whoever waits for a table has gone, and keeps a place for it.
pub(crate) async fn prepare(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    connection
        .execute(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
             ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, \
             innodb_lock_wait_timeout = 1, lock_wait_timeout = 1",
        )
        .await?;
    connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    // On a node of a cluster, every statement waits for what other nodes acknowledged before it: reads,
    // and the writes whose guard would otherwise be held against an old row. MySQL knows no such thing.
    match connection.execute("SET SESSION wsrep_sync_wait = 7").await {
        Err(error) if !is_unknown_variable(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Tries one connection, for its error, and leaves the rest to the moment they are needed.
pub(crate) async fn connect(
    options: MySqlConnectOptions,
    connections: u32,
) -> Result<Connections, OpenError> {
    let first = timeout(PATIENCE, MySqlConnection::connect_with(&options)).await;
    let first = first.map_err(|late| OpenError::Unreachable(Box::new(late)))??;
    // It has served. Over a socket the server is gone before TLS has said its goodbye.
    drop(first.close().await);
    let pool = MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECTION_PATIENCE)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(prepare(connection)))
        .connect_lazy_with(options);
    Ok(Connections::of_own(pool))
}

/// The pauses before the second, third and fourth try.
fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(5))
        .with_max_times(3)
        .with_jitter()
        .build()
}

/// How a write ended.
pub(crate) enum Written {
    /// So many records matched its guard.
    Records(u64),
    /// Another record has one of its unique keys.
    Duplicate(sqlx::Error),
    /// A try broke off, and a later one found its guard not holding. Whether the first was carried out
    /// is for a read to tell.
    Unknown(sqlx::Error),
}

impl MySqlStore {
    /// Runs a write until it is decided.
    pub(crate) async fn run(&self, statement: impl Fn() -> Statement + Send) -> Result<Written, StoreError> {
        let (mut pauses, mut broken) = (pauses(), None);
        loop {
            let mut connection = self.connections.lend().await?;
            let outcome = within(statement().execute(&mut *connection)).await;
            let (trouble, error) = match (connection.done(outcome), broken.take()) {
                (Ok(done), Some(broken)) if done.rows_affected() == 0 => return Ok(Written::Unknown(broken)),
                (Ok(done), _) => return Ok(Written::Records(done.rows_affected())),
                (Err(failed), earlier) => {
                    broken = earlier;
                    failed
                }
            };
            match trouble {
                Trouble::Contention | Trouble::Broken | Trouble::NoPrimary => {}
                Trouble::Duplicate => {
                    return Ok(broken.map_or(Written::Duplicate(error), Written::Unknown));
                }
                Trouble::Record | Trouble::Refused => return Err(store_error(error)),
            }
            let Some(pause) = pauses.next().filter(|_| !is_late(&error)) else {
                return Err(store_error(error));
            };
            if trouble == Trouble::Broken {
                broken = Some(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Runs one guarded write that leaves no mark of its caller; says how many records it affected. An
    /// unknown outcome is [`Unavailable`](auth_core::StoreErrorKind::Unavailable).
    pub(crate) async fn write(&self, statement: impl Fn() -> Statement + Send) -> Result<u64, StoreError> {
        match self.run(statement).await? {
            Written::Records(affected) => Ok(affected),
            // Not the server's words: they say the value, which may be an address.
            Written::Duplicate(_) => Err(StoreError::conflict("a record with this key exists")),
            Written::Unknown(broken) => Err(StoreError::unavailable(broken)),
        }
    }

    /// Runs one guarded write of one record; says whether it was this caller's that was applied. Where
    /// the connection broke, `is_ours` reads the record to tell.
    pub(crate) async fn write_ours(
        &self,
        statement: impl Fn() -> Statement + Send,
        is_ours: impl Future<Output = Result<bool, StoreError>> + Send,
    ) -> Result<bool, StoreError> {
        match self.run(statement).await? {
            Written::Records(affected) => Ok(affected > 0),
            Written::Duplicate(_) => Ok(false),
            Written::Unknown(_) => is_ours.await,
        }
    }

    /// Reads to the end of what a statement selects.
    async fn rows(&self, statement: impl Fn() -> Statement + Send) -> Result<Vec<MySqlRow>, StoreError> {
        let mut pauses = pauses();
        loop {
            let mut connection = self.connections.lend().await?;
            let outcome = within(statement().fetch_all(&mut *connection)).await;
            let (trouble, error) = match connection.done(outcome) {
                Ok(rows) => return Ok(rows),
                Err(failed) => failed,
            };
            if !matches!(trouble, Trouble::Contention | Trouble::Broken | Trouble::NoPrimary) {
                return Err(store_error(error));
            }
            let Some(pause) = pauses.next().filter(|_| !is_late(&error)) else {
                return Err(store_error(error));
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads the record of a unique key.
    pub(crate) async fn find<T>(
        &self,
        read: fn(&MySqlRow) -> Result<T, StoreError>,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Option<T>, StoreError> {
        self.rows(statement).await?.first().map(read).transpose()
    }

    /// Reads all records that a statement selects.
    pub(crate) async fn list<T>(
        &self,
        read: fn(&MySqlRow) -> Result<T, StoreError>,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<T>, StoreError> {
        self.rows(statement).await?.iter().map(read).collect()
    }

    pub(crate) async fn run_migrations(&self) -> Result<(), OpenError> {
        let (mut pauses, mut forgotten) = (migration_pauses(), false);
        loop {
            let mut connection =
                self.connections.lend().await.map_err(|error| OpenError::Unreachable(Box::new(error)))?;
            let migrated = timeout(MIGRATION_PATIENCE, migrate(&mut connection)).await;
            let error = match migrated.unwrap_or_else(|_| Err(late().into())) {
                Ok(()) => return connection.done(Ok(())).map_err(|(_, error)| error.into()),
                Err(error) => error,
            };
            match (error, pauses.next()) {
                (error, Some(pause)) if is_met_migration(&error) => {
                    connection.give_up();
                    tokio::time::sleep(pause).await;
                }
                // Who began it died or was broken off by others.
                (MigrateError::Dirty(version), None) if !forgotten => {
                    forget_unfinished(&mut connection, version).await?;
                    connection.give_up();
                    (pauses, forgotten) = (migration_pauses(), true);
                }
                (error, _) => {
                    connection.give_up();
                    return Err(error.into());
                }
            }
        }
    }
}

/// The pauses while others make the tables, five seconds in all; they are done within one.
fn migration_pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .with_max_times(13)
        .with_jitter()
        .build()
}

/// The outcome of a statement, or that it took too long.
async fn within<T>(statement: impl Future<Output = Result<T, sqlx::Error>> + Send) -> Result<T, sqlx::Error> {
    timeout(PATIENCE, statement).await.unwrap_or_else(|_| Err(late()))
}

fn late() -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer from the database").into()
}

/// Whether patience ended. Trying again would only double the wait.
fn is_late(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

async fn migrate(connection: &mut MySqlConnection) -> Result<(), MigrateError> {
    if is_migrated(connection).await? {
        return Ok(());
    }
    migrator().run_direct(None, &mut *connection, false).await?;
    // It looks for a migration that is under way, and then at what was applied. One that began in between counts as applied.
    if is_migrated(connection).await? {
        return Ok(());
    }
    Err(MigrateError::Dirty(MIGRATIONS.last().map_or(0, |&(version, ..)| version)))
}

/// Whether all is done. Then nothing is written, so that an account without the right to make tables
/// gets past.
///
/// # Errors
///
/// - [`MigrateError::Dirty`] while a migration is under way. Nothing may be said to the server
///   meanwhile: on a cluster the `CREATE TABLE` of one breaks off the statement of another.
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

/// Lets a migration that was begun run again.
async fn forget_unfinished(connection: &mut MySqlConnection, version: i64) -> Result<(), MigrateError> {
    let forget = "DELETE FROM auth_migrations WHERE version = ? AND success = FALSE";
    sqlx::query(forget).bind(version).execute(connection).await?;
    Ok(())
}
