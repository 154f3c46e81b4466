//! One request, as an operation sees it: nothing is read before the operation asks.

use std::sync::{Arc, Mutex, PoisonError};

use auth_core::{Client, LimitStatus, Limited};
use bytes::Bytes;
use http::HeaderValue;
use http::request::Parts;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::api::Api;
use crate::body;
use crate::config::HttpConfig;
use crate::cookie;
use crate::door::{self, CurrentUser};
use crate::problem::Problem;

pub(crate) const TOKEN_TRANSPORT: &str = "x-token-transport";

/// How the refresh token travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In the cookie: browsers.
    Cookie,
    /// In the JSON of request and answer: native clients, which asked for it. No cookie is read or set.
    Body,
}

#[derive(Debug)]
pub(crate) struct Request {
    head: Parts,
    body: Result<Bytes, Problem>,
    client: Arc<Client>,
    reported: Reported,
}

/// What the rate limits of one request reported, for its response headers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reported(Arc<Mutex<Vec<LimitStatus>>>);

impl Reported {
    pub(crate) fn statuses(&self) -> Vec<LimitStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, statuses: Vec<LimitStatus>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = statuses;
    }
}

impl Request {
    pub(crate) const fn new(
        head: Parts,
        body: Result<Bytes, Problem>,
        client: Arc<Client>,
        reported: Reported,
    ) -> Self {
        Self { head, body, client, reported }
    }

    /// Runs a limited operation, and keeps what its limits reported for the response headers.
    pub(crate) async fn run<T, E>(&self, operation: Limited<'_, T, E>) -> Result<T, E> {
        let (outcome, statuses) = operation.with_limits().await;
        self.reported.set(statuses);
        outcome
    }

    /// Who sent it.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn transport(&self) -> Transport {
        let asked = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"body");
        let body = self.head.headers.get_all(TOKEN_TRANSPORT).iter().any(asked);
        if body { Transport::Body } else { Transport::Cookie }
    }

    /// The live caller behind the access token.
    pub(crate) async fn current_user(&self, api: &Api) -> Result<CurrentUser, Problem> {
        door::current_user(&api.auth, &self.head.headers).await
    }

    /// The refresh cookie, if there is one.
    pub(crate) fn refresh_cookie(&self, config: &HttpConfig) -> Result<Option<Zeroizing<String>>, Problem> {
        cookie::read(config, &self.head.headers)
    }

    /// The last segment of the path.
    pub(crate) fn last_segment(&self) -> &str {
        self.head.uri.path().rsplit('/').next().unwrap_or_default()
    }

    /// The body: a JSON object of exactly the fields of `T`.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let body = self.take_body()?;
        body::json(&self.head.headers, &body)
    }

    /// The body, which may be left out; if it is there, it is as strict as [`json`](Self::json).
    pub(crate) fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Problem> {
        let body = self.take_body()?;
        if body.is_empty() { Ok(None) } else { body::json(&self.head.headers, &body).map(Some) }
    }

    fn take_body(&mut self) -> Result<Bytes, Problem> {
        std::mem::replace(&mut self.body, Ok(Bytes::new()))
    }
}
