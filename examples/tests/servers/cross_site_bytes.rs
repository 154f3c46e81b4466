//! CORS is written once: what both servers send is the same, byte for byte.

use std::io::Write as _;

use crate::http::exchange;
use crate::server::{APP, PUBLIC_URL, Program, Server};

const HYBRID: &str = "capacitor://localhost";

/// Headers that name the time and the request; and axum adds `Allow` to every answer for a method that a route lacks,
/// the preflight among them.
const OWN: [&str; 3] = ["date", "x-request-id", "allow"];

/// Everything of an answer but [`OWN`]. The headers are sorted: actix-web keeps them in a hash table with a random
/// seed, and writes them in another order each time.
#[derive(Debug, PartialEq, Eq)]
struct Bytes {
    status_line: String,
    headers: Vec<String>,
    body: String,
}

fn bytes(server: &Server, request: &str) -> Bytes {
    let answer = exchange(server.addr, |stream| stream.write_all(request.as_bytes())).expect("an answer");
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.split("\r\n").map(str::to_owned);
    let status_line = lines.next().unwrap();
    let mut headers: Vec<String> =
        lines.filter(|line| !OWN.contains(&line.split(':').next().unwrap())).collect();
    headers.sort();
    Bytes { status_line, headers, body: body.to_owned() }
}

/// A request with these origins; every other byte is the same for both servers.
fn request(method: &str, path: &str, origins: &[&str], rest: &str) -> String {
    let origins: Vec<String> = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
    let origins = origins.concat();
    format!("{method} {path} HTTP/1.1\r\nHost: localhost:4321\r\nConnection: close\r\n{origins}{rest}\r\n")
}

fn requests() -> Vec<String> {
    let preflight = |method| {
        format!(
            "Access-Control-Request-Method: {method}\r\n\
             Access-Control-Request-Headers: authorization,content-type,x-token-transport\r\n"
        )
    };
    let json = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let origins: [&[&str]; 9] = [
        &[],
        &[APP],
        &[HYBRID],
        &[PUBLIC_URL],
        &["https://evil.example"],
        &["null"],
        &[""],
        &[APP, APP],
        &[APP, "https://evil.example"],
    ];
    let mut all = Vec::new();
    for origin in origins {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            for path in ["/api/v1/auth/login", "/api/v1/users/me", "/health", "/", "/nowhere"] {
                all.push(request("OPTIONS", path, origin, &preflight(method)));
            }
        }
        for path in ["/health", "/api/v1/health", "/api/v1/users/me", "/api/v1/auth/me", "/", "/nowhere"] {
            all.push(request("GET", path, origin, ""));
            all.push(request("HEAD", path, origin, ""));
        }
        all.push(request("OPTIONS", "/api/v1/auth/login", origin, ""));
        all.push(request("POST", "/api/v1/auth/login", origin, json));
        all.push(request("POST", "/api/v1/auth/logout", origin, "Content-Length: 0\r\n"));
    }
    all
}

#[test]
fn both_servers_answer_pages_with_the_same_bytes() {
    let origins = format!("{APP},{HYBRID}");
    let start = |program: Program| program.start_with(&[("ALLOWED_ORIGINS", &origins)]);
    let (axum, actix) = (start(Program::Axum), start(Program::Actix));
    let requests = requests();
    assert!(requests.len() > 300, "{}", requests.len());
    for request in requests {
        let expected = bytes(&axum, &request);
        // Twice: what was in a hash table once came in another order each time.
        for server in [&axum, &actix, &actix] {
            assert_eq!(bytes(server, &request), expected, "{request}");
        }
    }
}
