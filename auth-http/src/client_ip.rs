//! The client's address: the peer's, or what trusted proxies vouch for.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The header in which trusted proxies name the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Which headers are trusted for the client's address.
#[derive(Debug)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

impl Proxies {
    pub(crate) const fn new(networks: Vec<IpNet>, header: ProxyHeader) -> Self {
        Self { networks, header }
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// The right-most address that no trusted proxy has, seen from here. A hop that cannot be read
    /// counts as the last readable one to its right: nobody vouched for anything beyond it.
    pub(crate) fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for hop in self.hops(headers).into_iter().rev() {
            let Some(ip) = hop else { return client };
            client = ip;
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }

    /// Returns the name of a forwarding header that is ignored, because the peer is not trusted.
    pub(crate) fn untrusted_header(&self, peer: IpAddr, headers: &HeaderMap) -> Option<&'static str> {
        let ignored = ["x-forwarded-for", "forwarded"].into_iter().find(|name| headers.contains_key(*name));
        ignored.filter(|_| !self.trusts(peer.to_canonical()))
    }

    /// The hops of all header lines, the farthest first; `None` for one that cannot be read.
    fn hops(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let name = match self.header {
            ProxyHeader::XForwardedFor => "x-forwarded-for",
            ProxyHeader::Forwarded => "forwarded",
        };
        let mut hops = Vec::new();
        for line in headers.get_all(name) {
            let line = String::from_utf8_lossy(line.as_bytes());
            match self.header {
                ProxyHeader::XForwardedFor => hops.extend(line.split(',').map(|hop| node(hop.trim()))),
                ProxyHeader::Forwarded => hops.extend(split_outside_quotes(&line, ',').map(forwarded_for)),
            }
        }
        hops
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn node(text: &str) -> Option<IpAddr> {
    let ip = text.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    let ip = ip.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6));
    ip.map(|ip| ip.to_canonical())
}

/// The `for` of one element of `Forwarded`; unreadable unless there is exactly one and each pair is as
/// RFC 7239 section 4 writes it.
///
/// # Security
///
/// A client may send a quote that it never closes, `for=192.0.2.1;by="`. What the proxy adds is then inside
/// of it, and must not be passed over for what stands in front.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in split_outside_quotes(element, ';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').filter(|(name, _)| is_token(name))?;
        let value = token_or_quoted(value)?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    node(found?)
}

/// The characters of a name (RFC 9110 section 5.6.2).
fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// The value of a pair: a token, or what stands between two quotes.
fn token_or_quoted(value: &str) -> Option<&str> {
    let Some(quoted) = value.strip_prefix('"') else { return (!value.contains('"')).then_some(value) };
    let inner = quoted.strip_suffix('"')?;
    // Neither addresses nor what stands beside them need to be escaped.
    (!inner.contains(['"', '\\'])).then_some(inner)
}

fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let splits = c == separator && !quoted;
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        splits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ProxyHeader, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48", "::1/128"].map(|n| n.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Proxies::new(networks, header).client_ip(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        let xff = |peer, value| client(ProxyHeader::XForwardedFor, peer, &[("x-forwarded-for", value)]);
        let cases = [
            // An untrusted peer is believed about nothing.
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "1.1.1.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "1.1.1.1, rubbish", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "1.1.1.1,", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
            ("10.0.0.1", "[2001:db8:9::1]:4711", "2001:db8:9::1"),
            ("10.0.0.1", "[2001:db8:9::1]", "2001:db8:9::1"),
            ("2001:db8:1::7", "2001:db8:9::1", "2001:db8:9::1"),
            ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "1.1.1.1, \u{e9}", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, ::ffff:10.0.0.9", "198.51.100.1"),
        ];
        for (peer, value, expected) in cases {
            assert_eq!(xff(peer, value), expected, "{peer} {value}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let lines = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "198.51.100.1, 10.0.0.2")];
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &lines), "198.51.100.1");
    }

    #[test]
    fn only_the_configured_header_counts() {
        let both = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=198.51.100.1")];
        assert_eq!(client(ProxyHeader::Forwarded, "10.0.0.1", &both), "198.51.100.1");
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &both), "1.1.1.1");
    }

    /// Found by fuzzing: the proxy's own hop was inside of the client's quote and was passed over.
    #[test]
    fn a_client_that_leaves_a_quote_open_names_no_other_client() {
        for sent in [
            "for=1.1.1.1;by=\"",
            "for=1.1.1.1;by=\"\\",
            "for=1.1.1.1;by=\"a\";by=\"",
            "for=1.1.1.1;by=a\"",
            "for=1.1.1.1;\"",
            "for=1.1.1.1;a\"",
        ] {
            for added in ["for=198.51.100.1", "for=\"[2001:db8:9::1]\"", "proto=https;for=198.51.100.1"] {
                let line = format!("{sent}, {added}");
                let seen = client(ProxyHeader::Forwarded, "10.0.0.1", &[("forwarded", &line)]);
                assert_eq!(seen, "10.0.0.1", "{line}: nobody vouches for it");
            }
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_writes_it() {
        let cases = [
            ("for=198.51.100.1", "198.51.100.1"),
            ("For=\"198.51.100.1:80\";proto=https;by=10.0.0.1", "198.51.100.1"),
            ("for=1.1.1.1, for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
            ("proto=https; for=\"[2001:db8:9::1]:4711\"", "2001:db8:9::1"),
            ("for=\"[2001:db8:9::1]\"", "2001:db8:9::1"),
            ("for=1.1.1.1, for=unknown", "10.0.0.1"),
            ("for=1.1.1.1, for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=1.1.1.1, proto=https", "10.0.0.1"),
            ("for=1.1.1.1;for=2.2.2.2", "10.0.0.1"),
            ("for=\"1.1.1.1, for=198.51.100.1", "10.0.0.1"),
            ("for=1.1.1.1, by=\"a,for=9.9.9.9\";for=198.51.100.1", "198.51.100.1"),
            ("for=198.51.100.1; ;proto=https;", "198.51.100.1"),
            ("for=1.1.1.1, for", "10.0.0.1"),
            ("for=1.1.1.1;by=\"a\\\"b\"", "10.0.0.1"),
        ];
        for (value, expected) in cases {
            assert_eq!(
                client(ProxyHeader::Forwarded, "10.0.0.1", &[("forwarded", value)]),
                expected,
                "{value}"
            );
        }
    }
}
