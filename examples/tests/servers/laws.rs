//! What holds of every answer, whatever was asked. Each request of the suite is judged by it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::answer::{Answer, CookieChange};
use crate::limit_headers;
use crate::server::{BASE, Server};

/// Every code that a problem may have.
pub(crate) const CODES: [&str; 15] = [
    "malformed_request",
    "body_too_large",
    "unsupported_media_type",
    "validation_failed",
    "invalid_token",
    "invalid_credentials",
    "invalid_refresh_token",
    "invalid_access_token",
    "email_not_verified",
    "cross_site_request",
    "not_found",
    "email_taken",
    "method_not_allowed",
    "rate_limited",
    "internal_error",
];
/// The codes of a 503.
pub(crate) const UNAVAILABLE: [&str; 2] = ["busy", "unavailable"];

/// The limited routes: in every answer, refusals included, they tell how their limits stand.
pub(crate) const LIMITED: [(&str, &str); 12] = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("GET", "/auth/me"),
    ("POST", "/auth/me"),
    ("POST", "/users/me/email"),
    ("POST", "/auth/email/confirm"),
    ("POST", "/auth/verify-email"),
    ("POST", "/auth/resend-verification"),
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/reset-password"),
    ("POST", "/users/me/password"),
];

#[track_caller]
pub(crate) fn hold(server: &Server, method: &str, path: &str, answer: &Answer) {
    let told = || format!("{method} {path}: {} {:?}\n{}", answer.status, answer.headers, answer.text());
    headers(server, path, answer, &told);
    cookie(server, answer, &told);
    if method == "HEAD" {
        assert!(answer.body.is_empty(), "a HEAD with a body: {}", told());
    } else if answer.status == 204 {
        assert!(answer.body.is_empty() && answer.header("content-type").is_none(), "{}", told());
    } else if answer.status >= 400 && !(answer.status == 503 && is_health(path)) {
        problem(answer, &told);
    } else if path.starts_with(BASE) && method != "OPTIONS" {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", told());
        answer.json();
    }
    if server.limited && LIMITED.iter().any(|(own, route)| *own == method && path == format!("{BASE}{route}"))
    {
        limit_headers::policies(answer);
        if is_counted(answer) {
            limit_headers::of(answer);
        }
    }
}

/// Whether a limited route answers like this only after it has counted the request: then the answer
/// shows the state of the limits, besides their policy.
fn is_counted(answer: &Answer) -> bool {
    let counted =
        ["invalid_credentials", "email_not_verified", "invalid_token", "email_taken", "rate_limited"];
    answer.status < 300 || counted.iter().any(|code| answer.json()["code"] == *code)
}

fn headers(server: &Server, path: &str, answer: &Answer, told: &dyn Fn() -> String) {
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in fixed {
        assert_eq!(answer.header(name), Some(value), "{name}: {}", told());
    }
    if path.starts_with(BASE)
        || path.starts_with("/health")
        || path.starts_with("/dev/")
        || answer.status >= 400
    {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", told());
    }
    for name in [
        "content-security-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
        "x-request-id",
    ] {
        assert!(answer.header(name).is_some_and(|value| !value.is_empty()), "{name}: {}", told());
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(!policy.contains("unsafe-inline") && policy.contains("default-src"), "{policy}");
    let hsts = answer.header("strict-transport-security");
    if server.https() {
        let parts: BTreeSet<&str> = hsts.unwrap_or_default().split(';').map(str::trim).collect();
        assert!(parts.contains("max-age=31536000") && parts.contains("includeSubDomains"), "{}", told());
    } else {
        assert_eq!(hsts, None, "{}", told());
    }
}

/// The one cookie has exactly the attributes of the contract, whether set or cleared.
fn cookie(server: &Server, answer: &Answer, told: &dyn Fn() -> String) {
    let Some(line) = answer.header("set-cookie") else { return };
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    assert_eq!(name, server.cookie_name(), "{}", told());
    // What browsers are sure to keep (ASVS 3.3.5).
    assert!(name.len() + value.len() <= 4096, "{}", told());
    let attributes: Vec<&str> = parts.filter(|part| !part.starts_with("Max-Age=")).collect();
    let mut expected = BTreeSet::from(["HttpOnly", "SameSite=Strict", "Path=/"]);
    if server.https() {
        expected.insert("Secure");
    }
    assert_eq!(attributes.len(), expected.len(), "{}", told());
    assert_eq!(attributes.into_iter().collect::<BTreeSet<_>>(), expected, "{}", told());
    if let CookieChange::Set { .. } = answer.cookie() {
        assert!(!answer.text().contains(value), "the refresh token is in the body: {}", told());
        let elsewhere = answer.headers.iter().filter(|(_, text)| text.contains(value)).count();
        assert_eq!(elsewhere, 1, "the refresh token is in another header: {}", told());
        assert!(answer.status < 300, "a refusal sets a cookie: {}", told());
    }
    assert!(answer.status != 429 && answer.status < 500, "the cookie is touched by {}", told());
}

fn problem(answer: &Answer, told: &dyn Fn() -> String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", told());
    let body = answer.json();
    let keys: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let needed = BTreeSet::from(["type", "title", "status", "code"]);
    assert!(keys.is_superset(&needed), "{}", told());
    let code = body["code"].as_str().unwrap();
    let extra: Vec<&str> = keys.difference(&needed).copied().collect();
    assert!(extra.iter().all(|key| *key == "detail" || *key == "errors"), "{}", told());
    assert_eq!(keys.contains("errors"), code == "validation_failed", "{}", told());
    assert_eq!(body["status"], answer.status, "{}", told());
    for key in ["type", "title"] {
        assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {}", told());
    }
    assert!(keys.contains("detail") <= body["detail"].is_string(), "{}", told());
    let status = match code {
        "malformed_request" | "invalid_token" => 400,
        "invalid_credentials" | "invalid_refresh_token" | "invalid_access_token" => 401,
        "email_not_verified" | "cross_site_request" => 403,
        "not_found" => 404,
        "method_not_allowed" => 405,
        "email_taken" => 409,
        "body_too_large" => 413,
        "unsupported_media_type" => 415,
        "validation_failed" => 422,
        "rate_limited" => 429,
        "internal_error" => 500,
        "busy" | "unavailable" => 503,
        other => panic!("{other} is no code of the contract: {}", told()),
    };
    assert_eq!(status, answer.status, "{}", told());
    if code == "validation_failed" {
        field_errors(&body["errors"], told);
    }
    assert_eq!(answer.status == 405, answer.header("allow").is_some(), "Allow: {}", told());
    let waits = answer.header("retry-after").map(|text| text.parse::<u64>().unwrap());
    assert_eq!(matches!(answer.status, 429 | 503), waits.is_some_and(|seconds| seconds > 0), "{}", told());
    // RFC 6750: the door of an access token says which key it wants, and what was wrong with one
    // that was shown. Other doors have none to name.
    let challenge = answer.header("www-authenticate");
    let bearer = [Some("Bearer"), Some("Bearer error=\"invalid_token\"")].contains(&challenge);
    assert!(if code == "invalid_access_token" { bearer } else { challenge.is_none() }, "{}", told());
}

fn field_errors(errors: &Value, told: &dyn Fn() -> String) {
    let errors = errors.as_array().unwrap();
    assert!(!errors.is_empty(), "{}", told());
    for error in errors {
        let keys: BTreeSet<&str> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(["field", "code", "message"]), "{}", told());
        for (_, text) in error.as_object().unwrap() {
            assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{}", told());
        }
    }
}

fn is_health(path: &str) -> bool {
    path == "/health" || path.strip_prefix(BASE) == Some("/health")
}
