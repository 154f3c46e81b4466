//! Identifiers: `UUIDv7`, so that rows of one table are stored roughly in the order they were made.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use uuid::{Builder, Uuid};

use crate::crypto::random::{RandomError, RandomSource};

/// The text is not a UUID in its usual 36-character form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: expected a UUID such as 01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a")]
pub struct MalformedId;

fn uuid_v7(now: DateTime<Utc>, random: &dyn RandomSource) -> Result<Uuid, RandomError> {
    let mut bytes = [0; 10];
    random.fill(&mut bytes)?;
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    Ok(Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Sixteen bytes, nearly always a `UUIDv7` (RFC 9562 section 5.7). An identifier is not a secret:
        /// knowing it opens nothing.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Takes a stored identifier.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// Returns the bytes to store.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// Makes a new one, as the flows do: for importing users.
            ///
            /// # Errors
            ///
            /// - [`RandomError`] when the generator fails.
            pub fn generate(now: DateTime<Utc>, random: &dyn RandomSource) -> Result<Self, RandomError> {
                uuid_v7(now, random).map(|uuid| Self(uuid.into_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = MalformedId;

            fn from_str(text: &str) -> Result<Self, MalformedId> {
                if text.len() != 36 {
                    return Err(MalformedId);
                }
                Uuid::try_parse(text).map(|uuid| Self(uuid.into_bytes())).map_err(|_| MalformedId)
            }
        }
    };
}

impl UserId {
    /// The smallest id of all.
    pub(crate) const MIN: Self = Self([0; 16]);

    /// Returns the id that follows, compared byte by byte; `None` after the largest.
    pub(crate) fn successor(self) -> Option<Self> {
        u128::from_be_bytes(self.0).checked_add(1).map(|next| Self(next.to_be_bytes()))
    }
}

id! {
    /// Names a user for ever: never reused, and never an e-mail address.
    UserId
}
id! {
    /// Names a session: one log-in on one client.
    SessionId
}
id! {
    /// Names a mail intent, and the one-time token that its mail carries.
    IntentId
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::random::SystemRandom;

    #[test]
    fn ids_are_version_7_and_start_with_the_time() {
        let now = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let id = UserId::generate(now, &SystemRandom).unwrap();
        let uuid = Uuid::from_bytes(*id.as_bytes());
        assert_eq!(uuid.get_version_num(), 7);
        assert_eq!(&id.as_bytes()[..6], &1_700_000_000_123_u64.to_be_bytes()[2..]);
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in ".{0,64}") {
            if let Ok(id) = text.parse::<SessionId>() {
                prop_assert_eq!(id.to_string(), text.to_lowercase());
            }
        }
    }
}
