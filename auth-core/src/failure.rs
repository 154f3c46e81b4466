//! Failures: a flow could not do its work, whatever the caller sent.

use std::time::Duration;

use crate::crypto::random::RandomError;
use crate::hashing::HashingError;
use crate::limit::ChallengeError;
use crate::session::access_token::{ClaimsError, SignError};
use crate::store::{StoreError, StoreErrorKind};
use crate::user::password::BreachCheckError;

/// A flow could not do its work. It refused nothing and granted nothing. The caller may try again later
/// with the same input. If a write took place before the failure, such as a new password, the second
/// try finds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A store, the outbox or the rate limiter failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many passwords are being hashed; try again after this time.
    #[error("too many passwords are being hashed")]
    Busy {
        /// The time to wait before the next try.
        retry_after: Duration,
    },
    /// The random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The breach check failed, and the policy is to fail closed.
    #[error(transparent)]
    BreachCheck(BreachCheckError),
    /// The solution of a challenge could not be checked.
    #[error(transparent)]
    Challenge(ChallengeError),
    /// The application's claims do not fit into an access token: a mistake in the
    /// [`ClaimsSource`](crate::ClaimsSource).
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// The signing key failed.
    #[error("the access token could not be signed")]
    Signing,
    /// A password could not be hashed.
    #[error("the password could not be hashed")]
    Hashing(#[source] HashingError),
}

/// The kind of a [`Failure`], for adaptors: in HTTP terms 503, 503 and 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Overloaded: try again after this time.
    Busy {
        /// The time to wait before the next try.
        retry_after: Duration,
    },
    /// A dependency cannot be reached; trying again later may help.
    Unavailable,
    /// An operator has to look at it; trying again does not help.
    Internal,
}

impl Failure {
    /// Returns the kind of this failure.
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::Busy { retry_after } => FailureKind::Busy { retry_after: *retry_after },
            Self::Store(error) => match error.kind() {
                StoreErrorKind::Unavailable => FailureKind::Unavailable,
                StoreErrorKind::Conflict | StoreErrorKind::Corrupt => FailureKind::Internal,
            },
            Self::Random(_) | Self::BreachCheck(_) | Self::Challenge(_) => FailureKind::Unavailable,
            Self::Claims(_) | Self::Signing | Self::Hashing(_) => FailureKind::Internal,
        }
    }
}

impl From<HashingError> for Failure {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy { retry_after } => Self::Busy { retry_after },
            HashingError::Random(error) => Self::Random(error),
            other => Self::Hashing(other),
        }
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Random(error) => Self::Random(error),
            SignError::Claims(error) => Self::Claims(error),
            SignError::Key | SignError::SessionOver => Self::Signing,
        }
    }
}
