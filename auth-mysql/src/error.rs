use std::error::Error;
use std::fmt;

use auth_core::StoreError;
use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlDatabaseError;

/// A database could not be opened. Says nothing of the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not of the form `mysql://user:password@host:port/database`, or with a parameter that means nothing here.
    #[error("not a MySQL URL of the form mysql://user:password@host:port/database: {0}")]
    MalformedUrl(&'static str),
    /// No server answers there, its certificate is not the expected one, or it lets this user not in.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The tables are missing and this user may not make them, or another version of this crate made them.
    #[error("the tables of the database are not those of this version of auth-mysql")]
    Schema(#[source] Box<dyn Error + Send + Sync>),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unreachable(Box::new(error))
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
                if Trouble::of(&error) != Trouble::Record && !is_forbidden(&error) =>
            {
                error.into()
            }
            other => Self::Schema(Box::new(other)),
        }
    }
}

// https://dev.mysql.com/doc/mysql-errors/9.4/en/server-error-reference.html and
// https://mariadb.com/kb/en/mariadb-error-code-reference/
const DATABASE_ACCESS_DENIED: u16 = 1044;
const UNKNOWN_COMMAND: u16 = 1047;
const COLUMN_NULL: u16 = 1048;
const TABLE_EXISTS: u16 = 1050;
const SERVER_SHUTDOWN: u16 = 1053;
const SNAPSHOT_CONFLICT: u16 = 1020;
const DUPLICATE: u16 = 1062;
const PARSE: u16 = 1064;
const TABLE_ACCESS_DENIED: u16 = 1142;
const NO_SUCH_TABLE: u16 = 1146;
const UNKNOWN_VARIABLE: u16 = 1193;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const OUT_OF_RANGE: u16 = 1264;
const OPTION_PREVENTS: u16 = 1290;
const INCORRECT_DATETIME: u16 = 1292;
const INCORRECT_STRING: u16 = 1366;
const TOO_LONG: u16 = 1406;
const EXPRESSION_OUT_OF_RANGE: u16 = 1690;
const READ_ONLY_TRANSACTION: u16 = 1792;
const READ_ONLY_MODE: u16 = 1836;
const CONNECTION_KILLED: u16 = 1927;
const SESSION_KILLED: u16 = 3169;
const CHECK_VIOLATED: u16 = 3819;
const CHECK_VIOLATED_MARIADB: u16 = 4025;
const DISCONNECTED_IDLE: u16 = 4031;

fn number(error: &sqlx::Error) -> Option<u16> {
    Some(error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// What a failed statement means for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Others were in the way and the server rolled the statement back: it may run again.
    Contention,
    /// The connection broke. Whether the statement was carried out is unknown.
    Broken,
    /// Another record has one of its unique keys.
    Duplicate,
    /// The shape of a record is wrong.
    Record,
    /// The server is read-only or out of its cluster. Nothing was done, and another may be the primary now.
    NoPrimary,
    /// The server is reached but does not work now: full, forbidden.
    Refused,
}

impl Trouble {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Self::Broken,
            sqlx::Error::Encode(_) => Self::Record,
            error => match number(error) {
                Some(DEADLOCK | LOCK_WAIT_TIMEOUT | SNAPSHOT_CONFLICT) => Self::Contention,
                Some(SERVER_SHUTDOWN | CONNECTION_KILLED | SESSION_KILLED | DISCONNECTED_IDLE) => {
                    Self::Broken
                }
                Some(DUPLICATE) => Self::Duplicate,
                // 1047 is what a node of a Galera cluster says that is not in its primary component.
                Some(UNKNOWN_COMMAND | OPTION_PREVENTS | READ_ONLY_TRANSACTION | READ_ONLY_MODE) => {
                    Self::NoPrimary
                }
                Some(
                    COLUMN_NULL
                    | OUT_OF_RANGE
                    | INCORRECT_DATETIME
                    | INCORRECT_STRING
                    | TOO_LONG
                    | EXPRESSION_OUT_OF_RANGE
                    | CHECK_VIOLATED
                    | CHECK_VIOLATED_MARIADB,
                ) => Self::Record,
                _ => Self::Refused,
            },
        }
    }
}

/// Whether this session variable is one that only other servers know.
pub(crate) fn is_unknown_variable(error: &sqlx::Error) -> bool {
    number(error) == Some(UNKNOWN_VARIABLE)
}

/// Whether it was this unique key that another record has. Only the message tells, in its last word: `false`
/// where the server speaks a language that puts it elsewhere.
pub(crate) fn is_of_key(error: &sqlx::Error, key: &str) -> bool {
    let message = error.as_database_error().map_or("", |error| error.message());
    message.strip_suffix('\'').is_some_and(|message| message.ends_with(key))
}

/// Whether the table is not there, or not for this user.
pub(crate) fn is_no_table(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(NO_SUCH_TABLE | TABLE_ACCESS_DENIED))
}

fn is_forbidden(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(TABLE_ACCESS_DENIED | DATABASE_ACCESS_DENIED | PARSE | NO_SUCH_TABLE))
}

/// Whether another process makes the same tables at this moment. On a cluster no lock keeps two nodes
/// apart.
pub(crate) fn is_met_migration(error: &MigrateError) -> bool {
    match error {
        MigrateError::Dirty(_) => true,
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            matches!(Trouble::of(error), Trouble::Contention | Trouble::Duplicate)
                || number(error) == Some(TABLE_EXISTS)
        }
        _ => false,
    }
}

/// What a failed statement means to auth-core.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match Trouble::of(&error) {
        Trouble::Duplicate => StoreError::conflict(error),
        Trouble::Record => StoreError::corrupt(error),
        Trouble::Contention | Trouble::Broken | Trouble::NoPrimary | Trouble::Refused => {
            StoreError::unavailable(error)
        }
    }
}

/// A column of a record holds what this crate never writes.
#[derive(Debug)]
pub(crate) struct CorruptColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The record, in hexadecimal as `mysql` shows it, if its id can be read.
    pub(crate) id: Option<String>,
    pub(crate) cause: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for CorruptColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column, id, .. } = self;
        match id {
            Some(id) => write!(f, "{table}.{column} makes no sense where id = x'{id}'"),
            None => write!(f, "{table}.{column} makes no sense"),
        }
    }
}

impl Error for CorruptColumn {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl From<CorruptColumn> for StoreError {
    fn from(column: CorruptColumn) -> Self {
        Self::corrupt(column)
    }
}
