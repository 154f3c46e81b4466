//! The access token: accepted only if an independent reader of RFC 7515, 7519 and 9068 accepts it too, and
//! never with one character changed.
//!
//! An input of two or more lines is a header and a payload, which the target signs with the service's own key: so
//! it reaches the checks after that of the signature. Any other input is the token itself.

use std::sync::LazyLock;

use auth_core::Clock as _;
use auth_http::ProxyHeader;
use auth_testkit::FakeClock;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::service::{SECRET, Service};

static SERVICE: LazyLock<Service> = LazyLock::new(|| Service::new(ProxyHeader::XForwardedFor));

pub(crate) fn run(input: &[u8]) {
    let accepts = |token: &str| SERVICE.auth.authenticate(token).is_ok();
    let token = if let Some(at) = input.iter().position(|b| *b == b'\n') {
        signed(&input[..at], &input[at + 1..])
    } else if let Ok(text) = str::from_utf8(input) {
        text.to_owned()
    } else {
        return;
    };
    if !accepts(&token) {
        return;
    }
    assert!(reference(&token).is_some(), "{token}");
    // Every character counts; which one is tried depends on the input.
    let at = input.iter().map(|b| usize::from(*b)).sum::<usize>() % token.len();
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    assert!(!accepts(&changed), "{token} also as {changed}");
}

fn mac(message: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(message)
}

fn signed(header: &[u8], payload: &[u8]) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(mac(&message).finalize().into_bytes());
    format!("{message}.{signature}")
}

/// Whether the token may be accepted: `None` if not.
fn reference(token: &str) -> Option<()> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    mac(message).verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let read = |text| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let (header, payload) = (read(header)?, read(payload)?);
    let typ = header["typ"].as_str()?.to_ascii_lowercase();
    let header_holds = header["alg"] == "HS256"
        && typ.strip_prefix("application/").unwrap_or(&typ) == "at+jwt"
        && header["kid"].is_string()
        && header.as_object()?.len() == 3;
    let now = FakeClock::default().now().timestamp();
    let (issued, expires) = (payload["iat"].as_i64()?, payload["exp"].as_i64()?);
    let times_hold = (0..=now).contains(&issued)
        && now < expires
        && expires - issued <= 86_400
        && payload["auth_time"].as_i64().is_some_and(|at| (0..=issued).contains(&at))
        && (payload["nbf"].is_null() || payload["nbf"].as_i64().is_some_and(|at| (0..=now).contains(&at)));
    let texts_hold = payload["iss"] == "auth"
        && payload["aud"] == "auth"
        && payload["epoch"].is_u64()
        && ["sub", "sid"].iter().all(|name| payload[name].as_str().is_some_and(|id| id.len() == 36))
        && payload["jti"].as_str().is_some_and(|id| id.len() == 22);
    (header_holds && times_hold && texts_hold).then_some(())
}
