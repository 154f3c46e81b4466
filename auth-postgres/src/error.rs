//! Errors of PostgreSQL: what each means for the caller, and whether to try again.

use std::borrow::Cow;
use std::error::Error;

use auth_sql::{ErrorClass, UniqueKey};
use sqlx::migrate::MigrateError;

use crate::user::EMAIL_KEY;

/// A database could not be opened. Contains no password.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is not of the form `postgres://user:password@host:port/database`, or has an unknown
    /// parameter.
    #[error("not a PostgreSQL URL of the form postgres://user:password@host:port/database: {0}")]
    MalformedUrl(&'static str),
    /// An environment variable would change the connection, and sqlx offers no way to ignore it.
    #[error(
        "the environment variable {0} is set; the options of this store are set in code or in its URL alone"
    )]
    Environment(&'static str),
    /// No server answers, its certificate is not the expected one, or it refuses the account.
    #[error("the database cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// A connection pooler stands before the database and is not the one that
    /// [`Pooler`](crate::Pooler) names.
    #[error(
        "unsafe connection pooler: {0}; connect to the database itself, or name the pooler (`PgOptions::pooler`, \
         or `pooler=` in the URL)"
    )]
    Pooler(&'static str),
    /// The tables are missing and this role may not create them, or another version of this crate
    /// created them.
    #[error("schema version mismatch: this version of auth-postgres did not create the tables")]
    Schema(#[source] Box<dyn Error + Send + Sync>),
}

auth_core::__debug_as_chain! { OpenError }

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        if is_unknown_parameter(&error) {
            return Self::Pooler("it does not know a start-up parameter");
        }
        Self::Unreachable(Box::new(error))
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
                if !is_missing_or_forbidden(&error) && class(&error) != ErrorClass::InvalidRecord =>
            {
                error.into()
            }
            other => Self::Schema(Box::new(other)),
        }
    }
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// By SQLSTATE, <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
pub(crate) fn class(error: &sqlx::Error) -> ErrorClass {
    if let Some(class) = ErrorClass::of_driver_error(error) {
        return class;
    }
    match code(error).as_deref() {
        // Serialization failure, deadlock, lock timeout: the statement was rolled back.
        Some("40001" | "40P01" | "55P03") => ErrorClass::Contention,
        // A connection that an administrator, a crash, or a timeout of idle connections ended.
        Some("08000" | "08003" | "08006" | "57P01" | "57P02" | "57P05" | "25P03" | "25P04") => {
            ErrorClass::ConnectionLost
        }
        Some("23505") => ErrorClass::Duplicate,
        Some("25006") => ErrorClass::NotPrimary,
        // `cached plan must not change result type`, and a prepared statement that is gone.
        Some("0A000" | "26000") => ErrorClass::StaleStatement,
        // NULL, a check, or a value that does not fit its type.
        Some("23502" | "23514" | "22001" | "22003" | "22007" | "22008" | "22021") => {
            ErrorClass::InvalidRecord
        }
        _ => ErrorClass::Refused,
    }
}

/// The unique key of a duplicate.
pub(crate) fn unique_key(duplicate: &sqlx::Error) -> UniqueKey {
    let constraint = duplicate.as_database_error().and_then(|error| error.constraint());
    if constraint == Some(EMAIL_KEY) { UniqueKey::Email } else { UniqueKey::Other }
}

/// Whether the table or schema does not exist, or this role may not use it.
pub(crate) fn is_missing_or_forbidden(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("42P01" | "3F000" | "42501" | "42P07" | "42703"))
}

/// Whether pgbouncer refused a start-up parameter.
fn is_unknown_parameter(error: &sqlx::Error) -> bool {
    let message = error.as_database_error().map_or("", |error| error.message());
    code(error).as_deref() == Some("08P01") && message.contains("startup parameter")
}
