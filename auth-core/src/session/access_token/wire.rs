//! The wire form of access tokens: what is written, and the strict reading of it.
//!
//! Reading refuses repeated members, wrong types, another `iss` or `aud`, and malformed identifiers. A claim
//! of the wrong type is never taken for an absent one (CVE-2026-25537).

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::AccessClaims;
use crate::id::{SessionId, UserId};
use crate::session::refresh_token::decode;
use crate::user::Epoch;

/// The types a token may have (RFC 9068, section 4), compared as RFC 2045 says.
const TYPES: [&str; 2] = ["at+jwt", "application/at+jwt"];

/// The claims as they are written.
#[derive(Serialize)]
pub(super) struct Payload<'a> {
    pub(super) iss: &'a str,
    pub(super) aud: &'a str,
    #[serde(serialize_with = "text")]
    pub(super) sub: UserId,
    #[serde(serialize_with = "text")]
    pub(super) sid: SessionId,
    pub(super) jti: &'a str,
    pub(super) iat: i64,
    pub(super) exp: i64,
    pub(super) auth_time: i64,
    pub(super) epoch: u64,
    #[serde(flatten)]
    pub(super) extra: &'a Map<String, Value>,
}

fn text<S: Serializer>(id: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// A header that differs from the ones this ring writes.
///
/// Three members and no other. `jwk`, `jku`, `x5c` and `x5u` would offer a key, `crit`, `b64`, `zip` and
/// `enc` would change how to read, and nothing else is written by anybody who holds a key of the ring.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    typ: String,
    pub(super) alg: String,
    pub(super) kid: String,
}

impl Header {
    pub(super) fn read(segment: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(segment).ok()?;
        // A derived `Deserialize` would take an array of the three values, too.
        let header: Self = json.starts_with(b"{").then(|| serde_json::from_slice(&json).ok())??;
        TYPES.iter().any(|typ| typ.eq_ignore_ascii_case(&header.typ)).then_some(header)
    }
}

/// What a payload says, all but the times checked.
pub(super) struct Read {
    pub(super) claims: AccessClaims,
    pub(super) not_before: Option<DateTime<Utc>>,
}

/// Reads the claims of a token whose signature holds; `None` unless every one is there, of its type
/// and for this issuer and audience.
pub(super) fn read(segment: &str, issuer: &str, audience: &str) -> Option<Read> {
    let json = URL_SAFE_NO_PAD.decode(segment).ok()?;
    let mut json = serde_json::Deserializer::from_slice(&json);
    let read = Expected { issuer, audience }.deserialize(&mut json).ok()?;
    json.end().ok().map(|()| read)
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Member {
    Iss,
    Aud,
    Sub,
    Sid,
    Jti,
    Iat,
    Exp,
    Nbf,
    AuthTime,
    Epoch,
    Other(String),
}

/// Reads the claims for an expected issuer and audience.
struct Expected<'a> {
    issuer: &'a str,
    audience: &'a str,
}

impl<'de> DeserializeSeed<'de> for Expected<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Expected<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of an access token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let (mut iss, mut aud, mut jti) = (None, None, None);
        let (mut sub, mut sid, mut epoch) = (None, None, None);
        let (mut iat, mut exp, mut nbf, mut auth_time) = (None, None, None, None);
        let mut extra = Map::new();
        while let Some(member) = map.next_key()? {
            match member {
                Member::Iss => once(&mut iss, map.next_value_seed(Exactly(self.issuer))?)?,
                Member::Aud => once(&mut aud, map.next_value_seed(Exactly(self.audience))?)?,
                Member::Sub => once(&mut sub, map.next_value::<Parsed<UserId>>()?.0)?,
                Member::Sid => once(&mut sid, map.next_value::<Parsed<SessionId>>()?.0)?,
                Member::Jti => once(&mut jti, map.next_value::<Parsed<TokenId>>()?.0.0)?,
                Member::Iat => once(&mut iat, map.next_value::<Seconds>()?.0)?,
                Member::Exp => once(&mut exp, map.next_value::<Seconds>()?.0)?,
                Member::Nbf => once(&mut nbf, map.next_value::<Seconds>()?.0)?,
                Member::AuthTime => once(&mut auth_time, map.next_value::<Seconds>()?.0)?,
                Member::Epoch => once(&mut epoch, map.next_value()?)?,
                Member::Other(name) => {
                    if extra.insert(name, map.next_value()?).is_some() {
                        return Err(A::Error::custom("a claim twice"));
                    }
                }
            }
        }
        iss.zip(aud).ok_or_else(|| A::Error::custom("a claim is missing"))?;
        let read = || {
            let claims = AccessClaims {
                user_id: sub?,
                session_id: sid?,
                token_id: jti?,
                issued_at: iat?,
                expires_at: exp?,
                authenticated_at: auth_time?,
                epoch: Epoch::from_u64(epoch?),
                extra,
            };
            Some(Read { claims, not_before: nbf })
        };
        read().ok_or_else(|| A::Error::custom("a claim is missing"))
    }
}

/// Keeps a value unless there is one: RFC 7519 section 4 lets a reader refuse a name that comes twice.
fn once<T, E: Error>(slot: &mut Option<T>, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a claim twice")),
    }
}

/// One string and no other; an array that contains it is not it.
struct Exactly<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Exactly<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Exactly<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of this service")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if text == self.0 { Ok(()) } else { Err(E::custom("for somebody else")) }
    }
}

/// A value that has its own text form.
struct Parsed<T>(T);

impl<'de, T: FromStr> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);

        impl<T: FromStr> Visitor<'_> for Text<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an identifier")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
                text.parse().map_err(|_| E::custom("not an identifier"))
            }
        }

        deserializer.deserialize_str(Text(PhantomData)).map(Self)
    }
}

/// The text of sixteen bytes in base64url.
struct TokenId(String);

impl FromStr for TokenId {
    type Err = crate::session::refresh_token::MalformedToken;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        decode::<16>(text).map(|_| Self(text.to_owned()))
    }
}

/// A time as a whole, not negative number of seconds (a stricter `NumericDate` of RFC 7519).
struct Seconds(DateTime<Utc>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = i64::try_from(u64::deserialize(deserializer)?).map_err(D::Error::custom)?;
        DateTime::from_timestamp(seconds, 0).map(Self).ok_or_else(|| D::Error::custom("out of range"))
    }
}
