//! The values that statements bind.

use std::fmt;

use auth_core::{Digest, Epoch, IntentId, SessionId, UserId};
use chrono::{DateTime, Utc};

/// A value that a statement binds.
#[derive(Clone, Copy)]
pub enum Value<'v> {
    /// An id.
    Id([u8; 16]),
    /// A SHA-256 digest.
    Digest(&'v [u8; 32]),
    /// Text, or NULL.
    Text(Option<&'v str>),
    /// A canonical address: ASCII, compared byte by byte.
    Canonical(&'v str),
    /// A number that is not negative.
    Number(u64),
    /// A time, or NULL. Columns hold microseconds.
    Time(Option<DateTime<Utc>>),
}

/// Shows the kind alone: a value may be a password hash or an address.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id(_) => "Id",
            Self::Digest(_) => "Digest",
            Self::Text(_) => "Text",
            Self::Canonical(_) => "Canonical",
            Self::Number(_) => "Number",
            Self::Time(_) => "Time",
        })
    }
}

impl From<UserId> for Value<'_> {
    fn from(id: UserId) -> Self {
        Self::Id(*id.as_bytes())
    }
}

impl From<SessionId> for Value<'_> {
    fn from(id: SessionId) -> Self {
        Self::Id(*id.as_bytes())
    }
}

impl From<IntentId> for Value<'_> {
    fn from(id: IntentId) -> Self {
        Self::Id(*id.as_bytes())
    }
}

impl<'v> From<&'v Digest> for Value<'v> {
    fn from(digest: &'v Digest) -> Self {
        Self::Digest(digest.as_bytes())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(text: Option<&'v str>) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<Epoch> for Value<'_> {
    fn from(epoch: Epoch) -> Self {
        Self::Number(epoch.as_u64())
    }
}

impl From<DateTime<Utc>> for Value<'_> {
    fn from(at: DateTime<Utc>) -> Self {
        Self::Time(Some(at))
    }
}

impl From<Option<DateTime<Utc>>> for Value<'_> {
    fn from(at: Option<DateTime<Utc>>) -> Self {
        Self::Time(at)
    }
}

/// The values of a statement, in the order in which it binds them.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::Value::from($value)),*]
    };
}
pub(crate) use values;
