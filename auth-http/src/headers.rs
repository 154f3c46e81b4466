//! The security headers of every response.

use http::{HeaderName, HeaderValue};

use crate::config::HttpConfig;

/// No response of these routes is a page. A service that serves pages sets its own policy.
const HEADERS: [(&str, &str); 8] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// The security headers of every answer, errors included, except where a handler set one itself.
pub fn security_headers(config: &HttpConfig) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
    let hsts = config.hsts().value().filter(|_| config.https());
    let hsts = hsts.map(|value| ("strict-transport-security", value));
    HEADERS
        .into_iter()
        .chain(hsts)
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
}
