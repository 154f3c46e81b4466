//! Which address the limits and the list of sessions show: the peer's, or the one that trusted proxies name.

use serde_json::json;

use crate::answer::Answer;
use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::http::Request;
use crate::server::{Program, Server};

contract!(
    without_trusted_proxies_no_header_counts,
    the_right_most_untrusted_hop_counts,
    the_other_header_is_ignored,
    networks_of_ipv6_and_mapped_ipv4_share_a_limit,
    a_hundred_failures_slow_an_account_down_until_a_reset,
);

/// The address that the list shows of a session that was begun with these headers.
#[track_caller]
fn seen(server: &Server, headers: &[(&str, &str)]) -> String {
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let mut request = server.post("/auth/login").json(&body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let access = request.send().expect(200).json()["access_token"].as_str().unwrap().to_owned();
    let list = server.get("/users/me/sessions").bearer(&access).send().expect(200).json();
    let own =
        list["sessions"].as_array().unwrap().iter().find(|line| line["current"] == true).unwrap().clone();
    own["ip"].as_str().unwrap().to_owned()
}

fn without_trusted_proxies_no_header_counts(program: Program) {
    let server = program.start_limited();
    server.user("ada@example.com");
    for header in
        [("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=203.0.113.7"), ("X-Real-IP", "203.0.113.7")]
    {
        assert_eq!(seen(&server, &[header]), "127.0.0.1", "{header:?}");
    }
    let statuses = (0..6).map(|number| {
        let from = format!("203.0.113.{number}");
        let body = json!({"email": "ada@example.com", "password": OTHER_PASSWORD});
        let request = server.post("/auth/login").json(&body).header("X-Forwarded-For", &from);
        request.header("Forwarded", format!("for={from}")).header("X-Real-IP", &from).send().status
    });
    assert_eq!(statuses.collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429]);
}

fn the_right_most_untrusted_hop_counts(program: Program) {
    let server = program.start_with(&[("TRUSTED_PROXIES", "127.0.0.0/8,10.1.0.0/16,2001:db8:ffff::/48")]);
    server.user("ada@example.com");
    for (line, address) in [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("198.51.100.1,203.0.113.7,10.1.2.3", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7, 2001:db8:ffff::1, 10.1.2.3", "203.0.113.7"),
        ("203.0.113.7, 10.2.0.1", "10.2.0.1"),
        ("2001:db8::7", "2001:db8::7"),
        // An unreadable hop counts as the last readable one to its right: that, or the peer.
        ("203.0.113.7, unknown, 10.1.2.3", "10.1.2.3"),
        ("203.0.113.7, <script>", "127.0.0.1"),
        ("203.0.113.7, 300.1.1.1", "127.0.0.1"),
        ("unknown", "127.0.0.1"),
        ("", "127.0.0.1"),
    ] {
        assert_eq!(seen(&server, &[("X-Forwarded-For", line)]), address, "{line}");
    }
    // Several lines are one list.
    let lines = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-For", "10.1.2.3")];
    assert_eq!(seen(&server, &lines), "203.0.113.7");
    let lines = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "203.0.113.7")];
    assert_eq!(seen(&server, &lines), "203.0.113.7");
    assert_eq!(seen(&server, &[]), "127.0.0.1");
}

fn the_other_header_is_ignored(program: Program) {
    let trusted = ("TRUSTED_PROXIES", "127.0.0.1/32");
    let server = program.start_with(&[trusted]);
    server.user("ada@example.com");
    assert_eq!(seen(&server, &[("Forwarded", "for=203.0.113.7")]), "127.0.0.1");
    let both = [("Forwarded", "for=203.0.113.7"), ("X-Forwarded-For", "198.51.100.1")];
    assert_eq!(seen(&server, &both), "198.51.100.1");

    let server = program.start_with(&[trusted, ("TRUSTED_PROXY_HEADER", "forwarded")]);
    server.user("ada@example.com");
    assert_eq!(seen(&server, &[("X-Forwarded-For", "203.0.113.7")]), "127.0.0.1");
    assert_eq!(seen(&server, &both), "203.0.113.7");
    for (line, address) in [
        ("for=203.0.113.7", "203.0.113.7"),
        ("For=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"),
        ("for=198.51.100.1, for=203.0.113.7", "203.0.113.7"),
        ("for=\"203.0.113.7:4711\"", "203.0.113.7"),
        ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
        ("for=\"[2001:db8::7]\"", "2001:db8::7"),
        ("for=203.0.113.7, for=unknown", "127.0.0.1"),
        ("for=203.0.113.7, for=_hidden", "127.0.0.1"),
        ("for=203.0.113.7, proto=https", "127.0.0.1"),
    ] {
        assert_eq!(seen(&server, &[("Forwarded", line)]), address, "{line}");
    }
}

/// A server behind a trusted proxy, so that requests may come from anywhere.
fn behind_a_proxy(program: Program) -> Server {
    program.start_with(&[("TRUSTED_PROXIES", "127.0.0.1/32"), ("RATE_LIMIT_STORE", "memory")])
}

fn from<'a>(request: Request<'a>, address: &str) -> Request<'a> {
    request.header("X-Forwarded-For", address)
}

fn networks_of_ipv6_and_mapped_ipv4_share_a_limit(program: Program) {
    let server = behind_a_proxy(program);
    let guess = |address: &str| {
        let body = json!({"email": "ada@example.com", "password": OTHER_PASSWORD});
        from(server.post("/auth/login").json(&body), address).send().status
    };
    let network = (1..=6).map(|number| guess(&format!("2001:db8:1:1::{number}"))).collect::<Vec<_>>();
    assert_eq!(network, [401, 401, 401, 401, 401, 429]);
    assert_eq!(guess("2001:db8:1:2::1"), 401, "another network");
    for address in
        ["203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7", "::ffff:203.0.113.7", "::ffff:cb00:7107"]
    {
        assert_eq!(guess(address), 401, "{address}");
    }
    assert_eq!((guess("203.0.113.7"), guess("::ffff:203.0.113.7")), (429, 429));
    assert_eq!(guess("::ffff:203.0.113.8"), 401, "another address");
}

fn a_hundred_failures_slow_an_account_down_until_a_reset(program: Program) {
    let server = behind_a_proxy(program);
    server.user("ada@example.com").user("bob@example.com");
    let log_in = |email: &str, password: &str, number: usize| -> Answer {
        let body = json!({"email": email, "password": password});
        from(server.post("/auth/login").json(&body), &format!("203.0.113.{number}")).send()
    };
    for email in ["ada@example.com", "unknown@example.com"] {
        for number in 0..100 {
            log_in(email, OTHER_PASSWORD, number / 5).problem(401, "invalid_credentials");
        }
        // One more try at most, from any address.
        let more: Vec<u16> = (100..106).map(|number| log_in(email, OTHER_PASSWORD, number).status).collect();
        assert!(more[0] == 401 || more[0] == 429, "{more:?}");
        assert!(more[1..].iter().all(|status| *status == 429), "{more:?}");
        log_in(email, PASSWORD, 110).problem(429, "rate_limited").touches_no_cookie();
    }
    log_in("bob@example.com", PASSWORD, 111).expect(200);
    let token = server.reset("ada@example.com");
    let body = json!({"token": token, "password": OTHER_PASSWORD});
    server.post("/auth/reset-password").json(&body).send().expect(200);
    log_in("ada@example.com", OTHER_PASSWORD, 112).expect(200);
}
