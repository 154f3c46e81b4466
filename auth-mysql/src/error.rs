//! Errors of MySQL: what each means for the caller, and whether to try again.

use std::error::Error;

use auth_sql::{ErrorClass, UniqueKey};
use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlDatabaseError;

use crate::user::EMAIL_KEY;

/// A database could not be opened. Contains no password.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not of the form `mysql://user:password@host:port/database`, or has an unknown
    /// parameter.
    #[error("not a MySQL URL of the form mysql://user:password@host:port/database: {0}")]
    MalformedUrl(&'static str),
    /// No server answers, its certificate is not the expected one, or it refuses the account.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// The tables are missing and this account may not create them, or another version of this
    /// crate created them.
    #[error("schema version mismatch: this version of auth-mysql did not create the tables")]
    Schema(#[source] Box<dyn Error + Send + Sync>),
}

auth_core::__debug_as_chain! { OpenError }

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unreachable(Box::new(error))
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
                if class(&error) != ErrorClass::InvalidRecord && !is_forbidden(&error) =>
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

pub(crate) fn class(error: &sqlx::Error) -> ErrorClass {
    if let Some(class) = ErrorClass::of_driver_error(error) {
        return class;
    }
    match number(error) {
        Some(DEADLOCK | LOCK_WAIT_TIMEOUT | SNAPSHOT_CONFLICT) => ErrorClass::Contention,
        Some(SERVER_SHUTDOWN | CONNECTION_KILLED | SESSION_KILLED | DISCONNECTED_IDLE) => {
            ErrorClass::ConnectionLost
        }
        Some(DUPLICATE) => ErrorClass::Duplicate,
        // A Galera node outside its primary component answers every statement with 1047.
        Some(UNKNOWN_COMMAND | OPTION_PREVENTS | READ_ONLY_TRANSACTION | READ_ONLY_MODE) => {
            ErrorClass::NotPrimary
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
        ) => ErrorClass::InvalidRecord,
        _ => ErrorClass::Refused,
    }
}

/// Whether the server does not know the session variable.
pub(crate) fn is_unknown_variable(error: &sqlx::Error) -> bool {
    number(error) == Some(UNKNOWN_VARIABLE)
}

/// The unique key of a duplicate. Only the message names it, in its last word; in a server's
/// language that puts the name elsewhere, the key is unknown.
pub(crate) fn unique_key(duplicate: &sqlx::Error) -> UniqueKey {
    let message = duplicate.as_database_error().map_or("", |error| error.message());
    let is_email = message.strip_suffix('\'').is_some_and(|message| message.ends_with(EMAIL_KEY));
    if is_email { UniqueKey::Email } else { UniqueKey::Other }
}

/// Whether the table does not exist, or this account may not see it.
pub(crate) fn is_no_table(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(NO_SUCH_TABLE | TABLE_ACCESS_DENIED))
}

fn is_forbidden(error: &sqlx::Error) -> bool {
    matches!(number(error), Some(TABLE_ACCESS_DENIED | DATABASE_ACCESS_DENIED | PARSE | NO_SUCH_TABLE))
}

/// Whether another process creates the same tables at this moment. In a cluster, no lock prevents
/// that on two nodes.
pub(crate) fn is_concurrent_migration(error: &MigrateError) -> bool {
    match error {
        MigrateError::Dirty(_) => true,
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            matches!(class(error), ErrorClass::Contention | ErrorClass::Duplicate)
                || number(error) == Some(TABLE_EXISTS)
        }
        _ => false,
    }
}
