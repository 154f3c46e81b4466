//! What a server keeps over a restart, how it stops, and what it writes into its log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::{TempDir, tempdir};

use crate::fixture::{ADA, PASSWORD};
use crate::server::{PROGRAMS, Program, STDERR, STDOUT, Server, ended_within};

/// Started so that all is kept in the directory. Its name is in access tokens and links, and the port is
/// another after each start.
fn kept(program: Program, directory: TempDir) -> Server {
    program.start_in(directory, &[("RATE_LIMIT_STORE", "none"), ("PUBLIC_URL", "http://localhost:3000")])
}

/// Started in development with nothing set but this, over memory.
fn over_memory(program: Program, variables: &[(&str, &str)]) -> Server {
    let usual = [("DATABASE_URL", "memory:"), ("RATE_LIMIT_STORE", "none")];
    program.start_in(tempdir().unwrap(), &[&usual, variables].concat())
}

#[test]
fn a_restart_keeps_users_sessions_secrets_and_mails() {
    for program in PROGRAMS {
        let mut server = kept(program, tempdir().unwrap());
        let session = server.session(ADA);
        let (status, took) = server.terminate();
        assert_eq!(status.code(), Some(0));
        assert!(server.log().contains("all_done=true"), "after {took:?}: {}", server.log());

        let server = kept(program, server.leave());
        server.get("/users/me").bearer(&session.access).send().expect(200);
        server.refresh(&session);
        assert_eq!(server.mails_to(ADA).len(), 1);
        server.post("/auth/refresh").cookie(&session.refresh).send().problem(401, "invalid_refresh_token");
    }
}

/// Each would replace the other's mailbox.
#[test]
fn a_second_server_in_the_same_directory_is_refused() {
    let first = kept(Program::Axum, tempdir().unwrap());
    let mut second = Program::Actix.command(first.directory(), &[("DATABASE_URL", "sqlite://other.db")]);
    let mut second = second.stderr(Stdio::piped()).spawn().unwrap();
    let Some(status) = ended_within(&mut second, Duration::from_secs(15)) else {
        second.kill().unwrap();
        panic!("it was let in");
    };
    assert_eq!(status.code(), Some(69));
    let mut said = String::new();
    second.stderr.unwrap().read_to_string(&mut said).unwrap();
    let why = "the development mailbox cannot be opened: another server keeps its mails in this directory";
    assert!(said.starts_with(why), "{said}");
    first.user(ADA);
    assert_eq!(kept(Program::Axum, first.leave()).mails_to(ADA).len(), 1);
}

/// A queue of 128, which is what std and tokio ask for, sends most of them away for a second.
#[test]
fn three_hundred_clients_may_wait_to_be_accepted() {
    for program in PROGRAMS {
        let server = over_memory(program, &[]);
        server.signal("STOP");
        let connect = |_| TcpStream::connect_timeout(&server.addr, Duration::from_millis(500));
        let waiting: Result<Vec<_>, _> = (0..300).map(connect).collect();
        server.signal("CONT");
        waiting.unwrap_or_else(|error| panic!("{program:?}: {error}"));
        server.get("/health").send().expect(200);
    }
}

#[test]
fn a_kept_secret_that_is_damaged_is_named() {
    let directory = tempdir().unwrap();
    std::fs::write(directory.path().join(".auth-dev-secret"), "").unwrap();
    let output = Program::Axum.command(directory.path(), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("JWT_SECRET") && said.contains("delete .auth-dev-secret"), "{said}");
}

/// People open the address that is printed, and the links of mails name the other.
#[test]
fn the_page_works_under_both_names_of_this_machine_and_no_other() {
    for program in PROGRAMS {
        let server = over_memory(program, &[]);
        let port = server.addr.port();
        let register = |origin: &str| {
            let body = json!({"email": ADA, "password": PASSWORD});
            server.post("/auth/register").origin(origin).json(&body).send()
        };
        register(&format!("http://{}", server.addr)).expect(202);
        register(&format!("http://localhost:{port}")).expect(202);
        register(&format!("http://127.0.0.1:{}", port ^ 1)).problem(403, "cross_site_request");
        // Named otherwise, it is called by that name alone.
        let server = over_memory(program, &[("PUBLIC_URL", "http://auth.example.com")]);
        let own = format!("http://{}", server.addr);
        let register = server.post("/auth/register").origin(&own).json(&json!({}));
        register.send().problem(403, "cross_site_request");
    }
}

#[test]
fn an_empty_log_filter_is_unset() {
    let server = over_memory(Program::Axum, &[("RUST_LOG", "")]);
    server.root("GET", "/health").send().expect(200);
    server.logged("/health");
}

#[test]
fn a_server_over_memory_leaves_nothing_behind() {
    let server = over_memory(Program::Axum, &[]);
    server.user(ADA);
    let mut files: Vec<_> =
        std::fs::read_dir(server.directory()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [STDERR, STDOUT]);
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = kept(Program::Axum, tempdir().unwrap());
    server.user(ADA);
    for name in ["auth.db", ".auth-dev-secret", ".auth-dev-mailbox.jsonl"] {
        let mode = std::fs::metadata(server.directory().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// A request that has begun: the server said that it waits for the body.
fn begun(server: &Server, path: &str, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let awaited = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut said = vec![0; awaited.len()];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8_lossy(&said), String::from_utf8_lossy(awaited));
    stream
}

#[test]
fn a_stop_finishes_open_requests_and_closes_idle_connections() {
    for program in PROGRAMS {
        let mut server = kept(program, tempdir().unwrap());
        let mut idle = TcpStream::connect(server.addr).unwrap();
        idle.write_all(b"GET /health HTTP/1.1\r\nhost: server\r\n\r\n").unwrap();
        let mut seen = [0; 12];
        idle.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"HTTP/1.1 200");
        let body = json!({"email": ADA, "password": PASSWORD}).to_string();
        let mut open = begun(&server, "/api/v1/auth/register", body.len());
        server.signal("TERM");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(server.addr).is_ok() {
            assert!(Instant::now() < deadline, "{program:?}: it still takes connections");
        }
        open.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        open.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{program:?}: {answer}");
        let (status, _) = server.terminate();
        assert_eq!(status.code(), Some(0), "{program:?}");
        // It did not wait until its patience was at an end.
        assert!(server.log().contains("all_done=true"), "{program:?}: {}", server.log());
    }
}

#[test]
fn a_stuck_request_is_cut_by_a_stop() {
    let mut server = over_memory(Program::Axum, &[]);
    let mut stuck = begun(&server, "/api/v1/auth/login", 9);
    stuck.write_all(b"{").unwrap();
    // Which takes less than the 30 s after which the request would be late.
    let (status, _) = server.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(server.log().contains("all_done=false"), "{}", server.log());
}

#[test]
fn every_line_of_the_log_is_of_one_form() {
    for format in ["text", "json"] {
        let server = over_memory(Program::Axum, &[("LOG_FORMAT", format), ("RUST_LOG", "trace")]);
        let session = server.session(ADA);
        server.refresh(&session);
        server.post("/auth/refresh").cookie(&session.refresh).send().expect(401);
        let log = server.log();
        assert!(log.lines().count() > 20, "it is logged at all");
        let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(log.lines().all(|line| is_json(line) == (format == "json")), "{log}");
    }
}

#[test]
fn production_or_a_mail_server_closes_the_development_pages() {
    let smtp = [("SMTP_URL", "smtp://127.0.0.1:9?tls=none"), ("MAIL_FROM", "no-reply@example.com")];
    let server = over_memory(Program::Axum, &smtp);
    for path in ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/0.html"] {
        server.root("GET", path).send().problem(404, "not_found");
    }
    server.root("GET", "/").send().expect(200);
}
