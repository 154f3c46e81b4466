//! The refresh cookie: the only place where a browser holds a refresh token.

use auth_core::SessionTokens;
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use crate::config::HttpConfig;
use crate::problem::{Code, Problem};

/// The `Set-Cookie` that hands over the refresh token of a grant.
pub(crate) fn set(config: &HttpConfig, grant: &SessionTokens) -> Option<HeaderValue> {
    // Whole seconds, rounded down: the browser forgets it no later than the server.
    let lives = i64::try_from(grant.refresh_expires_in.as_secs()).unwrap_or(i64::MAX);
    value(config, &grant.refresh_token.expose(), Duration::seconds(lives))
}

/// The `Set-Cookie` that makes a browser forget the refresh token.
pub(crate) fn clear(config: &HttpConfig) -> Option<HeaderValue> {
    value(config, "", Duration::ZERO)
}

fn value(config: &HttpConfig, token: &str, max_age: Duration) -> Option<HeaderValue> {
    let cookie = Cookie::build((config.cookie_name(), token))
        .http_only(true)
        .secure(config.https())
        .same_site(SameSite::Strict)
        .path("/")
        .max_age(max_age);
    let mut value = HeaderValue::try_from(cookie.to_string()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The refresh cookie of a request, if there is one. Whether it is good is for
/// [`Auth::restore`](auth_core::Auth::restore) or [`Auth::refresh`](auth_core::Auth::refresh) to say.
///
/// # Errors
///
/// - `malformed_request` when there are two: a neighbour may have planted one, and which of them is
///   the user's cannot be told (RFC 6265 section 8.6).
///
/// # Security
///
/// Whoever holds the text holds the session: no log, no error, no URL.
pub fn read(config: &HttpConfig, headers: &HeaderMap) -> Result<Option<Zeroizing<String>>, Problem> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        let line = String::from_utf8_lossy(line.as_bytes());
        for cookie in Cookie::split_parse(&*line).flatten() {
            if cookie.name() == config.cookie_name()
                && found.replace(Zeroizing::new(cookie.value().to_owned())).is_some()
            {
                return Err(Code::MalformedRequest.into());
            }
        }
    }
    Ok(found)
}
