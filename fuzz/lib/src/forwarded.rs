//! The forwarded headers: a client is never taken for another client that it names in front of the part that the
//! proxies add.
//!
//! The first byte chooses the header, and whether the proxy is trusted; the rest is sent by the client, one header
//! for each line. The trusted proxy adds the client's true address to the last of them.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use auth_http::ProxyHeader;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::service::Service;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

static BY_X_FORWARDED_FOR: LazyLock<Service> = LazyLock::new(|| Service::new(ProxyHeader::XForwardedFor));
static BY_FORWARDED: LazyLock<Service> = LazyLock::new(|| Service::new(ProxyHeader::Forwarded));

/// The address that the service takes for the client's.
fn client_ip(header: ProxyHeader, peer: IpAddr, headers: HeaderMap) -> Option<IpAddr> {
    let service = match header {
        ProxyHeader::XForwardedFor => &BY_X_FORWARDED_FOR,
        ProxyHeader::Forwarded => &BY_FORWARDED,
    };
    // Refusing a token is an event, and its address is the client's.
    service.post("/auth/verify-email", headers, peer, br#"{"token":"x"}"#);
    service.seen.take()
}

pub(crate) fn run(input: &[u8]) {
    let Some((choice, sent)) = input.split_first() else { return };
    let header = if choice & 1 == 0 { ProxyHeader::XForwardedFor } else { ProxyHeader::Forwarded };
    let trusted = choice & 2 == 0;
    let (name, added) = match (header, choice & 4 == 0) {
        (ProxyHeader::XForwardedFor, _) => ("x-forwarded-for", "203.0.113.9"),
        (ProxyHeader::Forwarded, true) => ("forwarded", "for=203.0.113.9;proto=https"),
        (ProxyHeader::Forwarded, false) => ("forwarded", "proto=https;for=\"203.0.113.9:4711\""),
    };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    let mut lines: Vec<Vec<u8>> = sent.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    lines.retain(|line| HeaderValue::from_bytes(line).is_ok());
    match lines.last_mut() {
        // As nginx's `$proxy_add_x_forwarded_for` does.
        Some(last) => last.extend_from_slice(format!(", {added}").as_bytes()),
        None => lines.push(added.into()),
    }
    for line in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(&line).unwrap());
    }
    let shown = format!("{headers:?}");
    let seen = client_ip(header, if trusted { PROXY } else { STRANGER }, headers);
    let expected: &[IpAddr] = match (trusted, header) {
        (false, _) => &[STRANGER],
        (true, ProxyHeader::XForwardedFor) => &[CLIENT],
        // A quote that the client left open makes its line unreadable; then the proxy is the client.
        (true, ProxyHeader::Forwarded) => &[CLIENT, PROXY],
    };
    assert!(seen.is_some_and(|ip| expected.contains(&ip)), "{seen:?} for {shown}");
}
