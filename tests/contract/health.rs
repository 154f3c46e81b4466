//! `GET /health`, and what a dead database makes of every route.

use std::fs::{self, OpenOptions};
use std::io::Write;

use serde_json::json;

use crate::contract;
use crate::http::Request;
use crate::scene::{OTHER_PASSWORD, PASSWORD};
use crate::server::{Program, Server};

contract!(a_healthy_server_says_so, a_dead_database_is_unavailable_and_never_a_wrong_token);

#[track_caller]
fn health(server: &Server, status: u16, word: &str, database: &str) {
    let body = json!({"status": word, "checks": {"database": database}});
    for request in [server.root("GET", "/health"), server.get("/health")] {
        let answer = request.send().expect_json(status, &body).touches_no_cookie();
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

fn a_healthy_server_says_so(program: Program) {
    health(&program.start(), 200, "ok", "ok");
    health(&program.start_with(&[("DATABASE_URL", "sqlite://auth.db")]), 200, "ok", "ok");
}

/// Overwrites every file of the database in place, under the server's open handles. Permissions would
/// not stop a server that root started; this stops every one.
fn destroy_database(server: &Server) {
    let mut destroyed = 0;
    for entry in fs::read_dir(server.directory()).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_str().unwrap().starts_with("auth.db") {
            continue;
        }
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        let mut file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all(&vec![0xff; length]).unwrap();
        destroyed += 1;
    }
    assert!(destroyed > 0, "no database in {}", server.directory().display());
}

fn a_dead_database_is_unavailable_and_never_a_wrong_token(program: Program) {
    let server = program.start_with(&[("DATABASE_URL", "sqlite://auth.db")]);
    let session = server.session("ada@example.com");
    let reset = server.reset("ada@example.com");
    destroy_database(&server);
    health(&server, 503, "unavailable", "unavailable");
    let (email, access) = ("ada@example.com", session.access.as_str());
    let credentials = json!({"email": email, "password": PASSWORD});
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let requests: Vec<Request> = vec![
        server.post("/auth/register").json(&credentials),
        server.post("/auth/login").json(&credentials),
        server.post("/auth/refresh").cookie(&session.refresh),
        server.post("/auth/logout").cookie(&session.refresh),
        server.get("/auth/me").cookie(&session.refresh),
        server.post("/auth/verify-email").json(&json!({"token": server_token(&server)})),
        server.post("/auth/resend-verification").json(&json!({"email": email})),
        server.post("/auth/forgot-password").json(&json!({"email": email})),
        server.post("/auth/reset-password").json(&json!({"token": reset, "password": OTHER_PASSWORD})),
        server.get("/users/me").bearer(access),
        server.post("/users/me/password").bearer(access).json(&change),
        server.get("/users/me/sessions").bearer(access),
        server.delete("/users/me/sessions").bearer(access),
        server.delete("/users/me/sessions/0193a1b2-0000-7000-8000-000000000000").bearer(access),
    ];
    let mut wrong = Vec::new();
    for request in requests {
        let told = format!("{} {}", request.method, request.path);
        let answer = request.send().touches_no_cookie();
        if answer.json()["code"] != "unavailable" {
            wrong.push(format!("{told}: {} {}", answer.status, answer.text()));
            continue;
        }
        for word in ["sqlite", "sql", "disk", "malformed", "database", "auth.db"] {
            assert!(
                !answer.text().to_lowercase().contains(word),
                "{told} tells the cause: {}",
                answer.text()
            );
        }
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(server.output().contains(&id), "{told}: no log line with the request's id");
    }
    assert!(wrong.is_empty(), "not unavailable:\n{}", wrong.join("\n"));
    // What needs no store still answers.
    server.root("GET", "/openapi.json").send().expect(200);
    server.get("/users/me").bearer("x").send().problem(401, "invalid_access_token");
}

/// A mailed token, spent already: the store is asked for it nevertheless.
fn server_token(server: &Server) -> String {
    server.mailed("ada@example.com", "verify-email", 1).remove(0)
}
