//! What must be true of every answer. Each answer that the suite gets is checked.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::answer::{Answer, CookieChange};
use crate::contract::table::{CODES, is_limited};
use crate::limit_headers;
use crate::server::{BASE, Server};

#[track_caller]
pub(crate) fn check(server: &Server, method: &str, path: &str, answer: &Answer) {
    let shown = || format!("{method} {path}: {} {:?}\n{}", answer.status, answer.headers, answer.text());
    headers(server, path, answer, &shown);
    cookies(server, answer, &shown);
    if method == "HEAD" {
        assert!(answer.body.is_empty(), "a HEAD with a body: {}", shown());
    } else if answer.status == 204 {
        assert!(answer.body.is_empty() && answer.header("content-type").is_none(), "{}", shown());
    } else if answer.status >= 400 && !(answer.status == 503 && is_health(path)) {
        problem(answer, &shown);
    } else if path.starts_with(BASE) && method != "OPTIONS" {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{}", shown());
        answer.json();
    }
    if server.limited && is_limited(method, path) {
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

fn headers(server: &Server, path: &str, answer: &Answer, shown: &dyn Fn() -> String) {
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
    ];
    for (name, value) in fixed {
        assert_eq!(answer.header(name), Some(value), "{name}: {}", shown());
    }
    if path.starts_with(BASE)
        || path.starts_with("/health")
        || path.starts_with("/dev/")
        || answer.status >= 400
    {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", shown());
    }
    for name in [
        "content-security-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
        "x-request-id",
    ] {
        assert!(answer.header(name).is_some_and(|value| !value.is_empty()), "{name}: {}", shown());
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(!policy.contains("unsafe-inline") && policy.contains("default-src"), "{policy}");
    let hsts = answer.header("strict-transport-security");
    if server.https() {
        let parts: BTreeSet<&str> = hsts.unwrap_or_default().split(';').map(str::trim).collect();
        assert!(parts.contains("max-age=31536000") && parts.contains("includeSubDomains"), "{}", shown());
    } else {
        assert_eq!(hsts, None, "{}", shown());
    }
}

/// Each cookie has exactly the attributes of the contract, whether set or cleared.
fn cookies(server: &Server, answer: &Answer, shown: &dyn Fn() -> String) {
    let names = [server.cookie_name(), if server.https() { "__Host-device" } else { "device" }];
    for (of_device, name) in [(false, names[0]), (true, names[1])] {
        if let Some(line) = answer.cookie_line(of_device) {
            cookie(server, answer, (name, line), shown);
        }
    }
    if let Some(line) = answer.cookie_line(true) {
        assert!(line.contains("Max-Age=34560000"), "{}", shown());
        assert!(matches!(answer.cookie(), CookieChange::Set { .. }), "only a log-in sets it: {}", shown());
    }
}

fn cookie(server: &Server, answer: &Answer, (expected_name, line): (&str, &str), shown: &dyn Fn() -> String) {
    let mut parts = line.split(';').map(str::trim);
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    assert_eq!(name, expected_name, "{}", shown());
    // What browsers are sure to keep (ASVS 3.3.5).
    assert!(name.len() + value.len() <= 4096, "{}", shown());
    let attributes: Vec<&str> = parts.filter(|part| !part.starts_with("Max-Age=")).collect();
    let mut expected = BTreeSet::from(["HttpOnly", "SameSite=Strict", "Path=/"]);
    if server.https() {
        expected.insert("Secure");
    }
    assert_eq!(attributes.len(), expected.len(), "{}", shown());
    assert_eq!(attributes.into_iter().collect::<BTreeSet<_>>(), expected, "{}", shown());
    if !value.is_empty() {
        assert!(!answer.text().contains(value), "the token is in the body: {}", shown());
        let elsewhere = answer.headers.iter().filter(|(_, text)| text.contains(value)).count();
        assert_eq!(elsewhere, 1, "the token is in another header: {}", shown());
        assert!(answer.status < 300, "a refusal sets a cookie: {}", shown());
    }
    assert!(answer.status != 429 && answer.status < 500, "the cookie is touched by {}", shown());
}

fn problem(answer: &Answer, shown: &dyn Fn() -> String) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", shown());
    let body = answer.json();
    let keys: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let needed = BTreeSet::from(["type", "title", "status", "code"]);
    assert!(keys.is_superset(&needed), "{}", shown());
    let code = body["code"].as_str().unwrap();
    let extra: Vec<&str> = keys.difference(&needed).copied().collect();
    assert!(extra.iter().all(|key| *key == "detail" || *key == "errors"), "{}", shown());
    assert_eq!(keys.contains("errors"), code == "validation_failed", "{}", shown());
    assert_eq!(body["status"], answer.status, "{}", shown());
    for key in ["type", "title"] {
        assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {}", shown());
    }
    assert!(keys.contains("detail") <= body["detail"].is_string(), "{}", shown());
    let status = CODES.iter().find(|(own, _)| *own == code).map(|(_, status)| *status);
    assert_eq!(status, Some(answer.status), "{}", shown());
    if code == "validation_failed" {
        field_errors(&body["errors"], shown);
    }
    assert_eq!(answer.status == 405, answer.header("allow").is_some(), "Allow: {}", shown());
    let waits = answer.header("retry-after").map(|text| text.parse::<u64>().unwrap());
    assert_eq!(matches!(answer.status, 429 | 503), waits.is_some_and(|seconds| seconds > 0), "{}", shown());
    // RFC 6750: a route that needs an access token says so, and says when the one it got is wrong. No other
    // route sends the header.
    let challenge = answer.header("www-authenticate");
    let bearer = [Some("Bearer"), Some("Bearer error=\"invalid_token\"")].contains(&challenge);
    assert!(if code == "invalid_access_token" { bearer } else { challenge.is_none() }, "{}", shown());
}

fn field_errors(errors: &Value, shown: &dyn Fn() -> String) {
    let errors = errors.as_array().unwrap();
    assert!(!errors.is_empty(), "{}", shown());
    for error in errors {
        let keys: BTreeSet<&str> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(["field", "code", "message"]), "{}", shown());
        for (_, text) in error.as_object().unwrap() {
            assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{}", shown());
        }
    }
}

fn is_health(path: &str) -> bool {
    let path = path.strip_prefix(BASE).unwrap_or(path);
    ["/health", "/health/ready"].contains(&path)
}
