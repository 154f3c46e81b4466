//! Metrics: on their address, and nowhere else.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::json;

use crate::answer::Answer;
use crate::fixture::{ADA, PASSWORD};
use crate::http::exchange;
use crate::server::{PROGRAMS, Program, Server};

/// Where the server's log says that metrics are.
fn address(server: &Server) -> SocketAddr {
    let line = Regex::new(r"metrics at http://([0-9.:]+)/metrics").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if let Some(found) = line.captures(&server.log()) {
            return found[1].parse().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("no metrics: {}", server.log());
}

/// What is at a path of another address than the API's.
fn get(address: SocketAddr, path: &str) -> Answer {
    let bytes = exchange(address, |stream| {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: metrics\r\nConnection: close\r\n\r\n")
    });
    Answer::parse(&bytes.unwrap(), false).unwrap()
}

/// The names in a scrape, without what histograms add to theirs.
fn names(scrape: &str) -> BTreeSet<&str> {
    let types = scrape.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn metrics_are_on_their_address_and_not_on_the_public_one() {
    let documented = include_str!("../../../docs/metrics.md");
    for program in PROGRAMS {
        let server = program.start_with(&[("METRICS_ADDRESS", "127.0.0.1:0")]);
        server.session(ADA);
        let wrong = json!({"email": ADA, "password": format!("not {PASSWORD}")});
        server.post("/auth/login").json(&wrong).send().expect(401);
        let scrape = get(address(&server), "/metrics").expect(200);
        assert_eq!(scrape.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let scrape = scrape.text();
        for line in [
            "auth_log_ins_total{outcome=\"success\"} 1",
            "auth_log_ins_total{outcome=\"wrong_password\"} 1",
            "auth_hashing_jobs_total 3",
            "auth_outbox_queued 0",
            "auth_mailer_seconds_count{outcome=\"ok\"} 1",
            "auth_store_seconds_bucket{store=\"tokens\",operation=\"insert_session\",outcome=\"ok\",le=\"+Inf\"} 1",
        ] {
            assert!(scrape.lines().any(|found| found == line), "{program:?}: no {line} in\n{scrape}");
        }
        for name in names(&scrape) {
            assert!(documented.contains(&format!("| `{name}` |")), "{name} is not documented");
        }
        assert!(!scrape.contains(ADA) && !scrape.contains("127.0.0.1"), "{scrape}");
        server.root("GET", "/metrics").send().expect(404);
        get(address(&server), "/api/v1/auth/me").expect(404);
    }
}

#[test]
fn without_an_address_there_are_none_and_a_taken_one_is_69() {
    let server = Program::Axum.start();
    server.root("GET", "/metrics").send().expect(404);
    assert!(!server.log().contains("metrics at"));
    let directory = tempfile::tempdir().unwrap();
    let taken = server.addr.to_string();
    let mut second =
        Program::Axum.command(directory.path(), &[("DATABASE_URL", "memory:"), ("METRICS_ADDRESS", &taken)]);
    let output = second.stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("METRICS_ADDRESS cannot be listened on"));
}
