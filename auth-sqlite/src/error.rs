//! Errors of SQLite: what each means for the caller, and whether to try again.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use auth_core::StoreError;
use auth_sql::ErrorClass;
use sqlx::migrate::MigrateError;

/// A database could not be opened.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not of the form `sqlite:path`, `sqlite://path` or `sqlite::memory:`.
    #[error("not a SQLite URL of the form sqlite:path/to/file.db, without parameters")]
    MalformedUrl,
    /// The file does not exist and cannot be created.
    #[error("the database file cannot be created")]
    File(#[source] io::Error),
    /// The file cannot be read or written, stayed locked, or is not a SQLite database.
    #[error("the database cannot be opened")]
    Database(#[source] Box<dyn Error + Send + Sync>),
    /// The SQLite library in this program is older than [the versions that this crate
    /// takes](crate#the-version-of-sqlite).
    #[error(
        "SQLite {0} is too old: two connections that write at once may corrupt the file; 3.51.3 or newer, \
         3.50.7 or 3.44.6 is needed. Another dependency of this program, such as sqlx 0.8, chose the version"
    )]
    OldSqlite(String),
    /// Another version of this crate, or something else, created the tables.
    #[error("schema version mismatch: this version of auth-sqlite did not create the tables")]
    Schema(#[source] Box<dyn Error + Send + Sync>),
}

auth_core::__debug_as_chain! { OpenError }

impl OpenError {
    /// Puts the name of the file in front of the cause.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::File(cause) => {
                Self::File(io::Error::new(cause.kind(), AtPath(path.into(), Box::new(cause))))
            }
            Self::Database(cause) => Self::Database(Box::new(AtPath(path.into(), cause))),
            Self::Schema(cause) => Self::Schema(Box::new(AtPath(path.into(), cause))),
            Self::MalformedUrl | Self::OldSqlite(_) => self,
        }
    }
}

/// A cause, and the file that it is about.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
struct AtPath(PathBuf, #[source] Box<dyn Error + Send + Sync>);

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

// Result codes, https://www.sqlite.org/rescode.html. The low byte of an extended code is its
// primary code.
const ERROR: u32 = 1;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const CORRUPT: u32 = 11;
const CONSTRAINT: u32 = 19;
const NOT_A_DATABASE: u32 = 26;
const CONSTRAINT_PRIMARY_KEY: u32 = 1555;
const CONSTRAINT_UNIQUE: u32 = 2067;

fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

fn primary_code(error: &sqlx::Error) -> Option<u32> {
    code(error).map(|code| code & 0xff)
}

pub(crate) fn class(error: &sqlx::Error) -> ErrorClass {
    if let Some(class) = ErrorClass::of_driver_error(error) {
        return class;
    }
    match (code(error), primary_code(error)) {
        (Some(CONSTRAINT_PRIMARY_KEY | CONSTRAINT_UNIQUE), _) => ErrorClass::Duplicate,
        // SQLite rolled the statement back, so it changed nothing.
        (_, Some(BUSY | LOCKED)) => ErrorClass::Contention,
        // The other constraints check the values of a record.
        (_, Some(CORRUPT | NOT_A_DATABASE | CONSTRAINT)) => ErrorClass::InvalidRecord,
        _ => ErrorClass::Refused,
    }
}

/// Whether another connection held the lock, so that the statement may run again.
pub(crate) fn is_busy(error: &sqlx::Error) -> bool {
    class(error) == ErrorClass::Contention
}

pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    class(&error).store_error(error)
}
