//! Refuses requests that pages of other sites send.

use http::HeaderMap;
use http::header::ORIGIN;

use crate::config::HttpConfig;

/// Whether a page of another site sent a request.
///
/// A browser says where a request comes from in `Origin`, or at least in `Sec-Fetch-Site`; with
/// neither it is not a browser, and has no cookies that somebody else could ride on.
pub(crate) fn cross_site(config: &HttpConfig, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    if origins.peek().is_some() {
        return !origins.all(|origin| config.allows(origin));
    }
    headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site.as_bytes().trim_ascii().eq_ignore_ascii_case(b"cross-site"))
}
