//! What an error of a database means: unavailable, refused, or worth another try.

use auth_core::StoreError;

/// What a failed statement means for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Another transaction held a lock, and the database rolled this statement back: it may run
    /// again.
    Contention,
    /// The connection broke. Whether the statement was applied is unknown.
    ConnectionLost,
    /// Another row has the same unique key.
    Duplicate,
    /// A value does not fit its column, or a stored value is impossible.
    InvalidRecord,
    /// The server is read-only or outside its cluster. Nothing was written; another server may be
    /// the primary now.
    NotPrimary,
    /// A prepared statement of this connection does not fit the tables any more. Nothing was
    /// written; over another connection the statement may run.
    StaleStatement,
    /// The server answered but cannot run the statement now: it is full, or the account lacks a
    /// privilege.
    Refused,
}

impl ErrorClass {
    /// Classifies an error that the driver found without the server; `None` for any other.
    pub fn of_driver_error(error: &sqlx::Error) -> Option<Self> {
        match error {
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
                Some(Self::ConnectionLost)
            }
            sqlx::Error::Encode(_) => Some(Self::InvalidRecord),
            _ => None,
        }
    }

    /// Makes the error that auth-core gets if the statement does not run again.
    pub fn store_error(self, cause: sqlx::Error) -> StoreError {
        match self {
            Self::Duplicate => StoreError::conflict(cause),
            Self::InvalidRecord => StoreError::corrupt(cause),
            Self::Contention
            | Self::ConnectionLost
            | Self::NotPrimary
            | Self::StaleStatement
            | Self::Refused => StoreError::unavailable(cause),
        }
    }
}
