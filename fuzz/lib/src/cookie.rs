//! The refresh cookie: found if a reader of RFC 6265 finds one, and refused if that finds two.

use std::sync::LazyLock;

use auth_http::{HttpConfig, refresh_cookie};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

static CONFIG: LazyLock<HttpConfig> =
    LazyLock::new(|| HttpConfig::builder("https://auth.example.com").build().unwrap());

/// The result of a search: nothing, one value, or more than one.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    One(String),
    Several,
}

/// Judges one `Cookie` header for each line of the input.
pub(crate) fn run(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|b| *b == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let lines = headers.get_all(COOKIE).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let mut values: Vec<String> = lines.flat_map(|line| pairs(&line)).collect();
    let expected = match (values.pop(), values.is_empty()) {
        (None, _) => Found::Nothing,
        (Some(value), true) => Found::One(value),
        (Some(_), false) => Found::Several,
    };
    let found = match refresh_cookie(&CONFIG, &headers) {
        Ok(cookie) => cookie.expose().map_or(Found::Nothing, |value| Found::One(value.to_owned())),
        Err(_) => Found::Several,
    };
    assert_eq!(found, expected, "{headers:?}");
}

/// The values of all cookies of that name, as RFC 6265 section 4.2.1 writes them.
fn pairs(line: &str) -> Vec<String> {
    let pairs = line.split(';').filter_map(|pair| pair.split_once('='));
    let named = pairs.filter(|(name, _)| name.trim() == CONFIG.cookie_name());
    named.map(|(_, value)| value.trim().to_owned()).collect()
}
