//! `HibpBreachCheck`: asks for the known suffixes of a prefix over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use auth_core::{BreachCheck, BreachCheckError};
use bytes::Bytes;
use http::header::USER_AGENT;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use url::{Host, Url};

use crate::cache::Cache;

/// Where Pwned Passwords answers.
const PUBLIC: &str = "https://api.pwnedpasswords.com/range/";

/// The longest wait for an answer: a registration waits for it, and the service answers in a few milliseconds from
/// caches near everybody.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The largest answer: 25 times a usual one.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// How long an answer is cached. New breaches are added every few weeks.
const CACHED: Duration = Duration::from_hours(1);

/// Why a check could not be set up.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum HibpError {
    /// The URL is none, or does not use TLS to another machine.
    #[error("the URL must start with `https://`, or with `http://` on this machine")]
    Url,
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[source] std::io::Error),
}

auth_core::__debug_as_chain! { HibpError }

/// The reason why there is no answer. It names no password and no prefix.
#[derive(Debug, thiserror::Error)]
enum NoAnswer {
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("the server answered with status {0}")]
    Status(StatusCode),
    #[error("the answer is no text")]
    NoText,
}

/// Asks Pwned Passwords, or a server with the same range API, for breached passwords.
///
/// Services of one process can share it, and its cache, by an [`Arc`](std::sync::Arc).
#[derive(Debug)]
pub struct HibpBreachCheck {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: Url,
    timeout: Duration,
    cache: Cache,
}

impl HibpBreachCheck {
    /// Asks `https://api.pwnedpasswords.com`.
    ///
    /// # Errors
    ///
    /// - [`HibpError::Tls`] if the system's certificates cannot be read.
    pub fn new() -> Result<Self, HibpError> {
        Self::at(PUBLIC)
    }

    /// Asks the range API at this URL, to which a slash, if it has none at the end, and the prefix are appended:
    /// `https://mirror.internal/range/`.
    ///
    /// # Errors
    ///
    /// - [`HibpError::Url`] if it is no URL, or neither `https` nor on this machine.
    /// - [`HibpError::Tls`] if the system's certificates cannot be read.
    pub fn at(url: &str) -> Result<Self, HibpError> {
        let url = if url.ends_with('/') { url.to_owned() } else { format!("{url}/") };
        let url = Url::parse(&url).ok().filter(may_be_asked).ok_or(HibpError::Url)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let tls = HttpsConnectorBuilder::new().with_provider_and_platform_verifier(provider);
        let connector = tls.map_err(HibpError::Tls)?.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, url, timeout: TIMEOUT, cache: Cache::new(CACHED) })
    }

    /// Sets the longest wait for an answer, instead of 2 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long an answer is cached, instead of an hour; zero for not at all.
    #[must_use]
    pub const fn cached_for(mut self, lifetime: Duration) -> Self {
        self.cache.lifetime = lifetime;
        self
    }

    async fn ask(&self, prefix: &str) -> Result<String, BreachCheckError> {
        let uri = format!("{}{prefix}", self.url);
        let request = Request::get(uri)
            // The service refuses requests without one.
            .header(USER_AGENT, concat!("auth-hibp/", env!("CARGO_PKG_VERSION")))
            // Answers are padded to 800 to 1,000 lines, so their size does not show the prefix.
            .header("Add-Padding", "true")
            .body(Empty::new())
            .map_err(BreachCheckError::new)?;
        let response = self.client.request(request).await.map_err(BreachCheckError::new)?;
        if response.status() != StatusCode::OK {
            return Err(BreachCheckError::new(NoAnswer::Status(response.status())));
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(BreachCheckError::new)?.to_bytes();
        String::from_utf8(body.into()).map_err(|_| BreachCheckError::new(NoAnswer::NoText))
    }
}

fn may_be_asked(url: &Url) -> bool {
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || url.scheme() == "http" && is_local)
}

#[async_trait]
impl BreachCheck for HibpBreachCheck {
    async fn suffixes(&self, prefix: &str) -> Result<String, BreachCheckError> {
        if let Some(answer) = self.cache.get(prefix) {
            return Ok(answer);
        }
        let answer = tokio::time::timeout(self.timeout, self.ask(prefix)).await;
        let answer = answer.map_err(|_| BreachCheckError::new(NoAnswer::Late(self.timeout)))??;
        self.cache.put(prefix, answer.clone());
        Ok(answer)
    }
}
