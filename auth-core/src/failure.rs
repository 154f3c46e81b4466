//! What keeps a flow from being carried out, whoever asked.

use std::time::Duration;

use crate::access_token::{ClaimsError, SignError};
use crate::hashing::HashingError;
use crate::password::BreachCheckError;
use crate::random::RandomError;
use crate::store::StoreError;

/// The flow could not be carried out. Nothing was refused, and no new authority exists: the caller
/// may try again later with the same input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A store, the outbox or the rate limiter could not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many passwords are being hashed; try again after this time.
    #[error("too many passwords are being hashed")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The random generator failed.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The breach check could not answer, and the policy is to fail closed.
    #[error(transparent)]
    BreachCheck(BreachCheckError),
    /// The application's claims cannot be put into an access token: a mistake in the
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
