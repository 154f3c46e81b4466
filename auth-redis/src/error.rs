use std::error::Error;
use std::io;

use redis::{ErrorKind, RedisError};

/// There is no Redis to count on. No variant holds the URL, in which the password is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not an address of a server.
    #[error(
        "not a URL of the form redis://user:password@host:6379/0, rediss://... (TLS; ?ca=FILE trusts a private authority) or unix:///path"
    )]
    MalformedUrl,
    /// The certificates of the private authority cannot be used.
    #[error("the file that `ca` names cannot be read as certificates in PEM")]
    Authority(#[source] io::Error),
    /// Nobody answers there, or the certificate is not one to trust.
    #[error("Redis cannot be reached")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// Neither the user name nor the password is at fault to tell apart: Redis lets nobody in with them.
    #[error("Redis refuses the user name or the password")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// It answers, but does not count: a replica, a user without the rights, no Redis.
    #[error("Redis cannot count: it refuses the scripts or their commands")]
    Unusable(#[source] Box<dyn Error + Send + Sync>),
}

impl From<RedisError> for ConnectError {
    fn from(error: RedisError) -> Self {
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH")) => Self::Refused(Box::new(error)),
            (ErrorKind::UnexpectedReturnType, _) | (_, Some(_)) => Self::Unusable(Box::new(error)),
            _ => Self::Unreachable(Box::new(error)),
        }
    }
}
