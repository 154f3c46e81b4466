//! Refuses cross-site requests, and answers CORS for the configured origins.

use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Method};

use crate::config::HttpConfig;
use crate::rate_limit::{RATE_LIMIT, RATE_LIMIT_POLICY};
use crate::request::{CHALLENGE_RESPONSE, DEVICE_TOKEN, TOKEN_TRANSPORT};

/// What a CORS layer allows, to [`HttpConfig::origins`] alone and with credentials.
pub mod cors {
    use super::{
        AUTHORIZATION, CHALLENGE_RESPONSE, CONTENT_TYPE, DEVICE_TOKEN, Duration, HeaderName, Method,
        RATE_LIMIT, RATE_LIMIT_POLICY, RETRY_AFTER, TOKEN_TRANSPORT, WWW_AUTHENTICATE,
    };

    /// The methods that the API has.
    pub const METHODS: [Method; 3] = [Method::GET, Method::POST, Method::DELETE];

    /// The headers that a page may send.
    pub const REQUEST_HEADERS: [HeaderName; 5] = [
        AUTHORIZATION,
        CONTENT_TYPE,
        HeaderName::from_static(TOKEN_TRANSPORT),
        HeaderName::from_static(DEVICE_TOKEN),
        HeaderName::from_static(CHALLENGE_RESPONSE),
    ];

    /// The headers of answers that a page may read.
    pub const EXPOSED_HEADERS: [HeaderName; 5] = [
        RATE_LIMIT,
        RATE_LIMIT_POLICY,
        RETRY_AFTER,
        WWW_AUTHENTICATE,
        HeaderName::from_static("x-request-id"),
    ];

    /// How long a browser may remember what a preflight said.
    pub const MAX_AGE: Duration = Duration::from_mins(10);
}

/// Whether a page of another site sent a request.
///
/// A browser says where a request comes from in `Origin`, or at least in `Sec-Fetch-Site`; with
/// neither it is not a browser, and has no cookies that somebody else could ride on.
pub(crate) fn cross_site(config: &HttpConfig, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    if origins.peek().is_some() {
        return !origins.all(|origin| config.origins().contains(origin));
    }
    headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site.as_bytes().trim_ascii().eq_ignore_ascii_case(b"cross-site"))
}
