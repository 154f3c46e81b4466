//! The cookies: of the refresh token, which a browser holds nowhere else, and of the device token.

use std::fmt;

use auth_core::{DeviceToken, SessionTokens};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::code::Code;
use crate::config::HttpConfig;
use crate::problem::Problem;

/// How long a browser keeps its device token: 400 days, the longest that browsers allow (RFC 6265bis section
/// 5.5).
const DEVICE_COOKIE_LIFETIME: Duration = Duration::days(400);

/// The refresh cookie of a request, if it has one; an extractor on axum and actix-web.
///
/// Nothing is checked yet: [`Auth::restore`](auth_core::Auth::restore) and
/// [`Auth::refresh`](auth_core::Auth::refresh) do. Printed as `[redacted]`, wiped when dropped.
///
/// Rejects with 400 `malformed_request` if the request has two.
#[derive(Clone)]
pub struct RefreshCookie(Option<Zeroizing<String>>);

impl RefreshCookie {
    /// Returns the text.
    ///
    /// # Security
    ///
    /// The text gives access to the session: keep it out of logs, errors and URLs.
    pub fn expose(&self) -> Option<&str> {
        self.0.as_ref().map(|text| text.as_str())
    }
}

impl fmt::Debug for RefreshCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "RefreshCookie([redacted])" } else { "RefreshCookie(None)" })
    }
}

/// Reads the refresh cookie of a request.
///
/// # Errors
///
/// - 400 `malformed_request` if the request has two: a neighbouring host may have set one, and nothing
///   shows which of them is the user's (RFC 6265 section 8.6).
pub fn refresh_cookie(config: &HttpConfig, headers: &HeaderMap) -> Result<RefreshCookie, Problem> {
    read(config.cookie_name(), headers).map(RefreshCookie).map_err(|Two| Code::MalformedRequest.into())
}

/// Reads the device token of a request; none if it has two.
pub(crate) fn device_cookie(config: &HttpConfig, headers: &HeaderMap) -> Option<Zeroizing<String>> {
    read(config.device_cookie_name(), headers).unwrap_or(None)
}

/// A request has two cookies of one name.
struct Two;

fn read(name: &str, headers: &HeaderMap) -> Result<Option<Zeroizing<String>>, Two> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        let line = String::from_utf8_lossy(line.as_bytes());
        for cookie in Cookie::split_parse(&*line).flatten() {
            if cookie.name() == name && found.replace(Zeroizing::new(cookie.value().to_owned())).is_some() {
                return Err(Two);
            }
        }
    }
    Ok(found)
}

/// Makes the `Set-Cookie` that hands over a refresh token.
pub(crate) fn set(config: &HttpConfig, tokens: &SessionTokens) -> Option<HeaderValue> {
    // Whole seconds, rounded down: the browser drops it no later than the server.
    let max_age = i64::try_from(tokens.refresh_expires_in.as_secs()).unwrap_or(i64::MAX);
    value(config, config.cookie_name(), &tokens.refresh_token.expose(), Duration::seconds(max_age))
}

/// Makes the `Set-Cookie` that makes a browser drop the refresh token.
pub(crate) fn clear(config: &HttpConfig) -> Option<HeaderValue> {
    value(config, config.cookie_name(), "", Duration::ZERO)
}

/// Makes the `Set-Cookie` that hands over a device token.
pub(crate) fn set_device(config: &HttpConfig, token: &DeviceToken) -> Option<HeaderValue> {
    value(config, config.device_cookie_name(), &token.expose(), DEVICE_COOKIE_LIFETIME)
}

fn value(config: &HttpConfig, name: &str, token: &str, max_age: Duration) -> Option<HeaderValue> {
    let cookie = Cookie::build((name, token))
        .http_only(true)
        .secure(config.https())
        .same_site(SameSite::Strict)
        .path("/")
        .max_age(max_age);
    let mut value = HeaderValue::try_from(cookie.to_string()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
