//! Strict JSON: exactly the documented fields, or a refusal.

use std::fmt;

use auth_core::Password;
use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::problem::{Code, Problem};

/// A body that is a JSON object of exactly the fields of `T`.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read(request).await?;
        if !is_json {
            return Err(Code::UnsupportedMediaType.into());
        }
        parse(&bytes).map(Self)
    }
}

/// A body that may be left out; if it is there, it is as strict as [`Json`].
#[derive(Debug)]
pub(crate) struct OptionalJson<T>(pub(crate) Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read(request).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        if !is_json {
            return Err(Code::UnsupportedMediaType.into());
        }
        parse(&bytes).map(|body| Self(Some(body)))
    }
}

async fn read(request: Request) -> Result<Bytes, Problem> {
    request.extract::<Bytes, _>().await.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::BodyTooLarge),
        _ => Problem::new(Code::MalformedRequest),
    })
}

/// Whether there is one content type and it is `application/json`, with or without parameters, as it is.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(first), None) = (types.next(), types.next()) else { return false };
    let essence = first.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    let encoded = headers.get_all(CONTENT_ENCODING).iter().any(|value| value != "identity");
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json") && !encoded
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde also reads a struct from an array of its fields' values.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Code::MalformedRequest.into());
    }
    serde_json::from_slice(bytes).map_err(|_| Code::MalformedRequest.into())
}

/// Secret text on its way in: printed as `[redacted]`, wiped when dropped.
#[derive(Clone)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_password(mut self) -> Password {
        Password::new(std::mem::take(&mut *self.0))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText([redacted])")
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A field that may be left out, but is not `null`.
pub(crate) fn not_null<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
