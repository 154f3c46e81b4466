//! The stored form of the values in a mail request, each for `#[serde(with = ...)]`.
//!
//! The types themselves do not implement serde, so that no secret is serialized by accident.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value by its text.
pub(super) mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use super::{Deserialize as _, Deserializer, Error as _, Serializer};

    pub(in crate::mail) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in crate::mail) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A time in microseconds since 1970.
pub(super) mod micros {
    use chrono::{DateTime, Utc};

    use super::{Deserialize as _, Deserializer, Error as _, Serializer};

    pub(in crate::mail) fn serialize<S: Serializer>(
        at: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.timestamp_micros())
    }

    pub(in crate::mail) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        let micros = i64::deserialize(deserializer)?;
        DateTime::from_timestamp_micros(micros).ok_or_else(|| D::Error::custom("time out of range"))
    }
}

/// An epoch by its number.
pub(super) mod epoch {
    use super::{Deserialize as _, Deserializer, Serializer};
    use crate::user::Epoch;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
    pub(in crate::mail) fn serialize<S: Serializer>(epoch: &Epoch, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(epoch.as_u64())
    }

    pub(in crate::mail) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Epoch, D::Error> {
        u64::deserialize(deserializer).map(Epoch::from_u64)
    }
}

/// An address, in the spelling that the user typed.
pub(super) mod email {
    use super::{Deserialize as _, Deserializer, Serializer};
    use crate::user::email::Email;

    pub(in crate::mail) fn serialize<S: Serializer>(email: &Email, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(email.address())
    }

    pub(in crate::mail) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Email, D::Error> {
        String::deserialize(deserializer).map(Email::from_stored)
    }
}

/// The password hash and the name of a registration.
pub(super) mod registration {
    use super::{Deserialize, Deserializer, Serialize, Serializer};
    use crate::mail::one_time_token::Registration;
    use crate::user::{Name, PasswordHash};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        password_hash: String,
        name: Option<String>,
    }

    pub(in crate::mail) fn serialize<S: Serializer>(
        registration: &Registration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let stored = Stored {
            password_hash: registration.password_hash.expose().to_owned(),
            name: registration.name.as_ref().map(|name| name.as_str().to_owned()),
        };
        stored.serialize(serializer)
    }

    pub(in crate::mail) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Registration, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        Ok(Registration {
            password_hash: PasswordHash::from_stored(stored.password_hash),
            name: stored.name.map(Name::from_stored),
        })
    }
}
