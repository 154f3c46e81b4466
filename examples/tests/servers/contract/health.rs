//! `GET /health` and its like, and what a dead database makes of every route.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use auth_tests::UNKNOWN_ID;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use crate::fixture::{OTHER_PASSWORD, PASSWORD, Session};
use crate::http::Request;
use crate::server::{Program, Server};

contract!(
    a_healthy_server_says_so,
    a_destroyed_database_never_reads_as_a_wrong_token,
    a_locked_database_is_unavailable,
);

#[track_caller]
fn health(server: &Server, status: u16, word: &str, database: &str) {
    let body = json!({"status": word, "checks": {"database": database}});
    // The result of a check is repeated for a second.
    let deadline = Instant::now() + Duration::from_secs(5);
    while server.get("/health").send().status != status && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    for request in [
        server.root("GET", "/health"),
        server.get("/health"),
        server.root("GET", "/health/ready"),
        server.get("/health/ready"),
    ] {
        let answer = request.send().expect_json(status, &body).touches_no_cookie();
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    // A server that is started again for it reaches the database no sooner.
    for request in [server.root("GET", "/health/live"), server.get("/health/live")] {
        request.send().expect_json(200, &json!({"status": "ok"})).touches_no_cookie();
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

/// Every route that needs the store, as it would succeed.
fn requests<'a>(server: &'a Server, session: &Session, reset: &str) -> Vec<Request<'a>> {
    let (email, access) = ("ada@example.com", session.access.as_str());
    let credentials = json!({"email": email, "password": PASSWORD});
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let unknown = format!("/users/me/sessions/{UNKNOWN_ID}");
    vec![
        server.post("/auth/register").json(&credentials),
        server.post("/auth/login").json(&credentials),
        server.post("/auth/refresh").cookie(&session.refresh),
        server.post("/auth/logout").cookie(&session.refresh),
        server.post("/auth/resend-verification").json(&json!({"email": email})),
        server.post("/auth/forgot-password").json(&json!({"email": email})),
        server.post("/auth/reset-password").json(&json!({"token": reset, "password": OTHER_PASSWORD})),
        server.post("/users/me/password").bearer(access).json(&change),
        server.delete("/users/me/sessions").bearer(access),
        server.get("/auth/me").cookie(&session.refresh),
        server.get("/users/me").bearer(access),
        server.get("/users/me/sessions").bearer(access),
        server.delete(&unknown).bearer(access),
    ]
}

/// No refusal, no cause, no cookie; the log knows this request.
#[track_caller]
fn fails_quietly(server: &Server, request: Request, codes: &[&str]) {
    let shown = format!("{} {}", request.method, request.path);
    let answer = request.send().touches_no_cookie();
    let body = answer.json();
    assert!(codes.iter().any(|code| body["code"] == *code), "{shown}: {} {body}", answer.status);
    for word in ["sql", "disk", "malformed", "database", "auth.db", "lock"] {
        assert!(!answer.text().to_lowercase().contains(word), "{shown} shows the cause: {body}");
    }
    server.logged(answer.header("x-request-id").unwrap());
}

fn a_destroyed_database_never_reads_as_a_wrong_token(program: Program) {
    let server = program.start_with(&[("DATABASE_URL", "sqlite://auth.db")]);
    let session = server.session("ada@example.com");
    let reset = server.reset("ada@example.com");
    let requests = requests(&server, &session, &reset);
    destroy_database(&server);
    health(&server, 503, "unavailable", "unavailable");
    for request in requests {
        // SQLite writes on while it has in its cache all that the write needs, as it may for a promised mail.
        let promises = ["register", "resend-verification", "forgot-password"]
            .iter()
            .any(|end| request.path.ends_with(end));
        if promises && request.clone().send().status == 202 {
            continue;
        }
        fails_quietly(&server, request, &["unavailable", "internal_error"]);
    }
    // What needs no store still answers.
    server.root("GET", "/openapi.json").send().expect(200);
    server.get("/users/me").bearer("x").send().problem(401, "invalid_access_token");
}

/// Somebody holds the lock of the file for longer than anyone waits: what writes is unavailable.
fn a_locked_database_is_unavailable(program: Program) {
    let server = program.start_with(&[("DATABASE_URL", "sqlite://auth.db")]);
    let session = server.session("ada@example.com");
    let reset = server.reset("ada@example.com");
    let file = server.directory().join("auth.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(5));
    let mut lock = runtime.block_on(SqliteConnection::connect_with(&options)).unwrap();
    runtime.block_on(sqlx::query("BEGIN IMMEDIATE").execute(&mut lock)).unwrap();
    std::thread::scope(|scope| {
        for request in requests(&server, &session, &reset).into_iter().take(9) {
            scope.spawn(|| fails_quietly(&server, request, &["unavailable", "busy"]));
        }
    });
    runtime.block_on(sqlx::query("ROLLBACK").execute(&mut lock)).unwrap();
    health(&server, 200, "ok", "ok");
    assert!(server.lives(&session), "nothing was changed");
    server.post("/auth/logout").cookie(&session.refresh).send().expect(204).clears_cookie();
}
