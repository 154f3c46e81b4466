//! The example servers on a database server; see [`Database`].

use std::env;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use auth_tests::Database;
use serde_json::json;
use tempfile::tempdir;
use url::Url;

use crate::fixture::{ADA, PASSWORD};
use crate::relay::Relay;
use crate::server::PROGRAMS;

fn address(url: &Url) -> SocketAddr {
    let port = url.port().expect("a port");
    (url.host_str().unwrap(), port).to_socket_addrs().unwrap().next().unwrap()
}

/// Callers of a dead database wait for their error, but not for long; nothing reads as a wrong token; and
/// all continues once it is back.
#[test]
fn a_dead_database_is_unavailable_until_it_is_back() {
    for program in PROGRAMS {
        let database = Database::empty();
        let mut url: Url = database.url().parse().unwrap();
        let mut relay = Relay::to(address(&url));
        url.set_ip_host(relay.addr.ip()).unwrap();
        url.set_port(Some(relay.addr.port())).unwrap();
        let variables = [("RATE_LIMIT_STORE", "none"), ("DATABASE_URL", url.as_str())];
        let server = program.start_in(tempdir().unwrap(), &variables);
        let session = server.session(ADA);
        relay.close();
        std::thread::scope(|scope| {
            for request in [
                server.root("GET", "/health"),
                server.post("/auth/refresh").cookie(&session.refresh),
                server.get("/users/me").bearer(&session.access),
                server.post("/auth/login").json(&json!({"email": ADA, "password": PASSWORD})),
                server.post("/auth/forgot-password").json(&json!({"email": ADA})),
            ] {
                scope.spawn(move || {
                    let begun = Instant::now();
                    request.send().expect(503).touches_no_cookie();
                    assert!(begun.elapsed() < Duration::from_secs(15), "{program:?}: {:?}", begun.elapsed());
                });
            }
        });
        relay.reopen();
        server.refresh(&session);
        // The result of a check is repeated for a second.
        let back = Instant::now();
        while server.root("GET", "/health").send().status != 200 {
            assert!(back.elapsed() < Duration::from_secs(5), "{program:?}: still unhealthy");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// With the Node service's variables for its database, and a certificate that is checked.
#[test]
fn the_node_services_variables_reach_the_database_over_tls() {
    for program in PROGRAMS {
        let database = Database::empty();
        let url: Url = database.url().parse().unwrap();
        let (engine, authorities) = match url.scheme() {
            "postgres" => ("postgres", "AUTH_TEST_POSTGRES_CA"),
            _ => ("", "AUTH_TEST_MYSQL_CA"),
        };
        let authorities = env::var(authorities).expect("the file of its authority");
        let port = url.port().unwrap().to_string();
        let pieces = [
            // MySQL if it is not set.
            ("DATABASE_ENGINE", engine),
            ("DATABASE_HOST", url.host_str().unwrap()),
            ("DATABASE_PORT", &port),
            ("DATABASE_USER", url.username()),
            ("DATABASE_PASSWORD", url.password().unwrap()),
            ("DATABASE_NAME", url.path().trim_start_matches('/')),
            ("DATABASE_SSL", "true"),
        ];
        let (status, printed) = program.refuses(&[&pieces[..], &[("DATABASE_URL", "")]].concat());
        assert_eq!(status.code(), Some(69), "a certificate of an authority that nobody trusts: {printed}");
        assert!(printed.contains("certificate"), "{printed}");
        let trusted = [&pieces[..], &[("DATABASE_SSL_CA", &authorities)]].concat();
        program.start_in(tempdir().unwrap(), &trusted).session(ADA);
    }
}
