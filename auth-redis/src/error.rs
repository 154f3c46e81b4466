//! Errors of Redis as errors of a rate limiter.

use std::error::Error;
use std::io;

use redis::{ErrorKind, RedisError};

/// The reason why no connection was made. No variant holds the URL, which contains the password.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The text is not the URL of a server.
    #[error(
        "not a URL of the form redis://user:password@host:6379/0, rediss://... (TLS; ?ca=FILE trusts a private authority) or unix:///path"
    )]
    MalformedUrl,
    /// The certificates of the private authority cannot be used.
    #[error("the file that `ca` names cannot be read as certificates in PEM")]
    Authority(#[source] io::Error),
    /// No server answers, or its certificate is not trusted.
    #[error("Redis cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Redis refuses the user name or the password; it does not say which.
    #[error("Redis refuses the user name or the password")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The server answers but cannot count: it is a replica or no Redis, or the user lacks rights.
    #[error("Redis refuses the scripts of the rate limits or their commands")]
    Unusable(#[source] Box<dyn Error + Send + Sync>),
}

auth_core::__debug_as_chain! { ConnectError }

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH")) => Self::Refused(Box::new(error)),
            (ErrorKind::UnexpectedReturnType, _) | (_, Some(_)) => Self::Unusable(Box::new(error)),
            _ => Self::Unreachable(Box::new(error)),
        }
    }
}
