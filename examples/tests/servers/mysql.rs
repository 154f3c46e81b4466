//! The example servers on the MySQL server that `AUTH_TEST_MYSQL_URL` names.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use auth_tests::Database;
use serde_json::json;
use tempfile::tempdir;
use url::Url;

use crate::relay::Relay;
use crate::scene::{ADA, PASSWORD};
use crate::server::PROGRAMS;

fn address(url: &Url) -> SocketAddr {
    let port = url.port().unwrap_or(3306);
    (url.host_str().unwrap(), port).to_socket_addrs().unwrap().next().unwrap()
}

/// Callers of a dead database wait for their error, but not for long; nothing reads as a wrong token; and
/// all goes on once it is back.
#[test]
fn a_dead_database_is_unavailable_within_seconds_and_then_forgotten() {
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
                    assert!(begun.elapsed() < Duration::from_secs(5), "{program:?}: {:?}", begun.elapsed());
                });
            }
        });
        relay.reopen();
        server.root("GET", "/health").send().expect(200);
        server.refresh(&session);
    }
}
