//! The shapes of the contract, exact: keys nothing more, nothing less.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

/// The time as the servers read it: they are other processes, without an injected clock.
#[expect(clippy::disallowed_methods, reason = "what a server says is compared with the real time")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// The object has these keys and no others.
#[track_caller]
pub(crate) fn keys(value: &Value, expected: &[&str]) {
    let own: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(own, expected.iter().copied().collect(), "{value}");
}

/// A session, good for as many seconds.
#[track_caller]
pub(crate) fn session(value: &Value, expires_in: u64) {
    keys(value, &["access_token", "token_type", "expires_in", "user"]);
    session_parts(value, expires_in);
}

/// A session whose refresh token travels in bodies.
#[track_caller]
pub(crate) fn session_in_body(value: &Value, expires_in: u64) {
    keys(value, &["access_token", "token_type", "expires_in", "user", "refresh_token"]);
    assert!(value["refresh_token"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
    session_parts(value, expires_in);
}

#[track_caller]
fn session_parts(value: &Value, expires_in: u64) {
    let token = value["access_token"].as_str().unwrap();
    assert_eq!(token.split('.').filter(|part| !part.is_empty()).count(), 3, "{value}");
    assert_eq!(value["token_type"], "Bearer");
    assert_eq!(value["expires_in"], expires_in);
    user(&value["user"]);
}

#[track_caller]
pub(crate) fn user(value: &Value) {
    keys(value, &["id", "email", "name", "email_verified", "created_at"]);
    id(&value["id"]);
    assert!(value["email"].is_string() && value["email_verified"].is_boolean(), "{value}");
    assert!(value["name"].is_null() || value["name"].is_string(), "{value}");
    let age = now() - time(&value["created_at"]);
    assert!((-1..120).contains(&age.num_seconds()), "{value}");
}

/// One line of the list of sessions.
#[track_caller]
pub(crate) fn listed_session(value: &Value) {
    keys(value, &["id", "created_at", "last_used_at", "expires_at", "ip", "user_agent", "current"]);
    id(&value["id"]);
    assert!(value["current"].is_boolean(), "{value}");
    assert!(value["ip"].is_null() || value["ip"].is_string(), "{value}");
    assert!(value["user_agent"].is_null() || value["user_agent"].is_string(), "{value}");
    let times = ["created_at", "last_used_at", "expires_at"].map(|key| time(&value[key]));
    assert!(times.is_sorted(), "{value}");
}

/// Ids are UUIDs in lower case.
#[track_caller]
pub(crate) fn id(value: &Value) {
    let text = value.as_str().unwrap();
    let form: String =
        text.chars().map(|c| if matches!(c, '0'..='9' | 'a'..='f') { 'x' } else { c }).collect();
    assert_eq!(form, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "{text}");
}

/// RFC 3339 in UTC, which is written `Z`, always with six fraction digits.
#[track_caller]
pub(crate) fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().unwrap();
    let fraction = text.strip_suffix('Z').and_then(|text| text.split_once('.')).map(|(_, fraction)| fraction);
    assert!(fraction.is_some_and(|digits| digits.len() == 6), "{text}");
    DateTime::parse_from_rfc3339(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_utc()
}
