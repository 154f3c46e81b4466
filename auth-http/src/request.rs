//! One request, as a handler sees it: nothing is read before the handler asks.

use auth_core::{Client, Languages};
use bytes::Bytes;
use http::HeaderValue;
use http::header::ACCEPT_LANGUAGE;
use http::request::Parts;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::bearer::{self, CurrentUser};
use crate::body;
use crate::config::HttpConfig;
use crate::context::Context;
use crate::cookie::{self, RefreshCookie};
use crate::problem::Problem;
use crate::rate_limit::RateLimitReport;

pub(crate) const TOKEN_TRANSPORT: &str = "x-token-transport";

/// The header with the solution of a challenge.
pub(crate) const CHALLENGE_RESPONSE: &str = "x-challenge-response";

/// The header in which a native client brings its device token.
pub(crate) const DEVICE_TOKEN: &str = "x-device-token";

/// How the refresh token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In the cookie: browsers.
    Cookie,
    /// In the JSON of request and response: native clients, by `X-Token-Transport: body`. No cookie is
    /// read or set.
    Body,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: Parts,
    pub(crate) body: Result<Bytes, Problem>,
    /// Who sent it.
    pub(crate) client: Client,
    /// What its rate limits reported.
    pub(crate) limits: RateLimitReport,
}

impl Request {
    /// Makes a request whose body is not read yet.
    pub(crate) fn new(head: Parts, client: Client) -> Self {
        Self { head, body: Ok(Bytes::new()), client, limits: RateLimitReport::default() }
    }

    /// Adds to the client what it brought for rate limits: its device token, from the transport of the request,
    /// and the solution of a challenge; and for mails the languages that it accepts.
    pub(crate) fn read_client(&mut self, config: &HttpConfig) {
        let headers = &self.head.headers;
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let device = match self.transport() {
            Transport::Cookie => cookie::device_cookie(config, headers),
            Transport::Body => text(DEVICE_TOKEN).map(|text| Zeroizing::new(text.to_owned())),
        };
        let mut client = std::mem::take(&mut self.client);
        if let Some(device) = device {
            client = client.with_device_token(&device);
        }
        if let Some(response) = text(CHALLENGE_RESPONSE) {
            client = client.with_challenge_response(response);
        }
        let languages = text(ACCEPT_LANGUAGE.as_str()).filter(|_| config.records_languages());
        if let Some(languages) = languages.and_then(Languages::from_accept_language) {
            client = client.with_languages(languages);
        }
        self.client = client;
    }

    pub(crate) fn transport(&self) -> Transport {
        let is_body = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"body");
        let body = self.head.headers.get_all(TOKEN_TRANSPORT).iter().any(is_body);
        if body { Transport::Body } else { Transport::Cookie }
    }

    /// Checks the access token, the user and the session.
    pub(crate) async fn current_user(&self, context: &Context) -> Result<CurrentUser, Problem> {
        bearer::current_user(&context.auth, &self.head.headers).await
    }

    pub(crate) fn refresh_cookie(&self, config: &HttpConfig) -> Result<RefreshCookie, Problem> {
        cookie::refresh_cookie(config, &self.head.headers)
    }

    /// Returns the last segment of the path.
    pub(crate) fn last_segment(&self) -> &str {
        self.head.uri.path().rsplit('/').next().unwrap_or_default()
    }

    /// Reads the body: a JSON object of exactly the fields of `T`.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let body = self.take_body()?;
        body::json(&self.head.headers, &body)
    }

    /// Reads the body, which may be left out; a body is read as strictly as by [`json`](Self::json).
    pub(crate) fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Problem> {
        let body = self.take_body()?;
        if body.is_empty() { Ok(None) } else { body::json(&self.head.headers, &body).map(Some) }
    }

    fn take_body(&mut self) -> Result<Bytes, Problem> {
        std::mem::replace(&mut self.body, Ok(Bytes::new()))
    }
}
