use std::error::Error;
use std::fmt;
use std::io;

use auth_core::StoreError;
use sqlx::migrate::MigrateError;

/// A database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Not of the form `sqlite:path`, `sqlite://path` or `sqlite::memory:`.
    #[error("not a SQLite URL of the form sqlite:path/to/file.db, without parameters")]
    MalformedUrl,
    /// The file is not there and cannot be made.
    #[error("the database file cannot be created")]
    File(#[source] io::Error),
    /// The file cannot be read or written, is locked for long, or is no SQLite database.
    #[error("the database cannot be opened")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// The tables were made by another version of this crate, or by something else.
    #[error("the tables of the database are not those of this version of auth-sqlite")]
    Schema(#[source] Box<dyn Error + Send + Sync>),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::ExecuteMigration(error, _) if primary_code(&error) != Some(ERROR) => error.into(),
            other => Self::Schema(Box::new(other)),
        }
    }
}

// Result codes, https://www.sqlite.org/rescode.html. The low byte of an extended code is its primary code.
const ERROR: u32 = 1;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const CORRUPT: u32 = 11;
const CONSTRAINT: u32 = 19;
const NOT_A_DATABASE: u32 = 26;
const CONSTRAINT_PRIMARY_KEY: u32 = 1555;

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    code(error).map(|code| code & 0xff)
}

/// Whether another connection had the lock. SQLite then rolled back what it had begun, so the
/// statement changed nothing and may run again.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

/// What a failed statement means to auth-core.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    if code(&error) == Some(CONSTRAINT_PRIMARY_KEY) {
        return StoreError::conflict(error);
    }
    match primary_code(&error) {
        // What remains of the constraints is the shape of a record.
        Some(CORRUPT | NOT_A_DATABASE | CONSTRAINT) => StoreError::corrupt(error),
        _ => StoreError::unavailable(error),
    }
}

/// A column of a record holds what this crate never writes.
#[derive(Debug)]
pub(crate) struct CorruptColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// The record, in hexadecimal as `sqlite3` shows it, if its id can be read.
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
