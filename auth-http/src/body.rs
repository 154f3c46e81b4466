//! Strict JSON: exactly the documented fields, else a refusal.

use std::fmt;

use auth_core::Password;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::code::Code;
use crate::problem::Problem;

/// Returns the length that the request announces for its body, 0 without one.
pub(crate) fn announced_length(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or_default()
}

/// Reads a body that is a JSON object of exactly the fields of `T`.
pub(crate) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    // A missing body has no type that could be wrong.
    if !body.is_empty() && !is_json(headers) {
        return Err(Code::UnsupportedMediaType.into());
    }
    // serde also reads a struct from an array of its fields' values.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Code::MalformedRequest.into());
    }
    serde_json::from_slice(body).map_err(|_| Code::MalformedRequest.into())
}

/// Returns true for one content type, `application/json` with or without parameters, and no encoding.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let essence = first.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    let encoded = headers.get_all(CONTENT_ENCODING).iter().any(|value| value != "identity");
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json") && !encoded
}

/// A secret on its way in: printed as `[redacted]`, wiped when dropped.
#[derive(Clone)]
pub(crate) struct SecretInput(Zeroizing<String>);

impl SecretInput {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_password(mut self) -> Password {
        Password::new(std::mem::take(&mut *self.0))
    }
}

impl fmt::Debug for SecretInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretInput([redacted])")
    }
}

impl<'de> Deserialize<'de> for SecretInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Reads a field that may be `null`, but not be left out.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}
