//! What a server keeps over restarts and `kill -9`, how it stops, and what it writes into its log.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::client::Request;
use crate::server::{ADA, OTHER_PASSWORD, PASSWORD, Server, Stack};

const UNLIMITED: [(&str, &str); 1] = [("RATE_LIMIT_STORE", "none")];

#[test]
fn a_restart_keeps_users_sessions_secrets_and_mails() {
    // Its name is in its access tokens; the port is another after each start here.
    let variables = [("RATE_LIMIT_STORE", "none"), ("PUBLIC_URL", "http://localhost:3000")];
    for stack in [Stack::Axum, Stack::Actix] {
        let server = Server::start_in(tempfile::tempdir().unwrap(), stack, &variables);
        server.user(ADA);
        let session = server.log_in(ADA);
        let (status, took, directory) = server.stop();
        assert_eq!(status.code(), Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");

        let server = Server::start_in(directory, stack, &variables);
        server.send(&Request::get("/api/v1/users/me").bearer(&session.access_token)).expect(200);
        let refresh = Request::post("/api/v1/auth/refresh").header("cookie", &session.cookie);
        server.send(&refresh).expect(200);
        assert_eq!(server.mails().len(), 1);
        server.send(&refresh).problem(401, "invalid_refresh_token");
    }
}

#[test]
fn a_kept_secret_that_is_damaged_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(".auth-dev-secret"), "").unwrap();
    let output = Stack::Axum.command(directory.path(), &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("JWT_SECRET") && said.contains("delete .auth-dev-secret"), "{said}");
}

/// People open the address that is printed, and the links of mails name the other.
#[test]
fn the_page_works_under_both_names_of_this_machine_and_no_other() {
    for stack in [Stack::Axum, Stack::Actix] {
        let server = Server::start(stack, &[]);
        let port = server.address.port();
        let register = |origin: &str| {
            let body = json!({"email": ADA, "password": PASSWORD});
            server.send(&Request::post("/api/v1/auth/register").header("origin", origin).json(&body))
        };
        register(&format!("http://{}", server.address)).expect(202);
        register(&format!("http://localhost:{port}")).expect(202);
        register(&format!("http://127.0.0.1:{}", port ^ 1)).problem(403, "cross_site_request");
        // Named otherwise, it is called by that name alone.
        let server = Server::start(stack, &[("PUBLIC_URL", "http://auth.example.com")]);
        let own = format!("http://{}", server.address);
        let register = Request::post("/api/v1/auth/register").header("origin", &own);
        server.send(&register.json(&json!({}))).problem(403, "cross_site_request");
    }
}

#[test]
fn an_empty_log_filter_is_unset() {
    let server = Server::start(Stack::Axum, &[("RUST_LOG", "")]);
    server.send(&Request::get("/health")).expect(200);
    assert!(server.log().contains("/health"), "{}", server.log());
}

#[test]
fn a_server_over_memory_leaves_nothing_behind() {
    let server = Server::start(Stack::Axum, &[]);
    server.user(ADA);
    let files: Vec<_> =
        std::fs::read_dir(server.directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["log"]);
}

#[cfg(unix)]
#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::start_in(tempfile::tempdir().unwrap(), Stack::Axum, &UNLIMITED);
    server.user(ADA);
    for name in ["auth.db", ".auth-dev-secret", ".auth-dev-mailbox.jsonl"] {
        let mode = std::fs::metadata(server.directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

/// Each 202 promised a mail; whenever the process dies, the next one sends what is left.
#[test]
fn kill_9_during_a_burst_of_registrations_loses_no_promised_mail() {
    let mut directory = tempfile::tempdir().unwrap();
    let mut promised = Vec::new();
    for round in 0..4 {
        let server = Server::start_in(directory, Stack::Axum, &UNLIMITED);
        let (address, stop) = (server.address, Arc::new(AtomicBool::new(false)));
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let stop = Arc::clone(&stop);
                std::thread::spawn(move || {
                    let mut accepted = Vec::new();
                    for number in 0.. {
                        let email = format!("user-{round}-{client}-{number}@example.com");
                        let request = Request::post("/api/v1/auth/register")
                            .json(&json!({"email": email, "password": PASSWORD}));
                        // The connection of the last one breaks: nothing was promised.
                        let Ok(answer) = std::panic::catch_unwind(|| request.send_to(address)) else { break };
                        assert_eq!(answer.status, 202);
                        accepted.push(email);
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    accepted
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(250 + 130 * round));
        directory = server.kill();
        stop.store(true, Ordering::Relaxed);
        promised.extend(clients.into_iter().flat_map(|client| client.join().unwrap()));
    }
    assert!(promised.len() > 20, "only {} registrations", promised.len());
    let server = Server::start_in(directory, Stack::Axum, &UNLIMITED);
    for email in &promised {
        // A lease of a killed worker ends after 30 s.
        let begun = std::time::Instant::now();
        while !server.mails().iter().any(|mail| mail["to"] == **email) {
            assert!(begun.elapsed() < Duration::from_mins(1), "no mail to {email}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let token = server.mailed_token(promised.last().unwrap(), "verify-email");
    server.post("/auth/verify-email", &json!({"token": token})).expect(200);
}

#[test]
fn a_stop_finishes_open_requests_and_waits_for_no_idle_connection() {
    for stack in [Stack::Axum, Stack::Actix] {
        let server = Server::start_in(tempfile::tempdir().unwrap(), stack, &UNLIMITED);
        let mut idle = TcpStream::connect(server.address).unwrap();
        idle.write_all(b"GET /health HTTP/1.1\r\nhost: server\r\n\r\n").unwrap();
        let mut seen = [0; 12];
        idle.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"HTTP/1.1 200");
        let body = json!({"email": ADA, "password": PASSWORD}).to_string();
        let mut open = TcpStream::connect(server.address).unwrap();
        let head = format!(
            "POST /api/v1/auth/register HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        open.write_all(head.as_bytes()).unwrap();
        // The request has begun once the server waits for its body.
        std::thread::sleep(Duration::from_millis(200));
        server.signal("TERM");
        std::thread::sleep(Duration::from_millis(200));
        open.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        open.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{stack:?}: {answer}");
        let (status, took, _) = server.stop();
        assert_eq!(status.code(), Some(0), "{stack:?}");
        assert!(took < Duration::from_secs(9), "{stack:?}: {took:?}");
    }
}

#[test]
fn a_stuck_request_is_cut_within_ten_seconds() {
    let server = Server::start(Stack::Axum, &[]);
    let mut stuck = TcpStream::connect(server.address).unwrap();
    stuck.write_all(b"POST /api/v1/auth/login HTTP/1.1\r\nhost: server\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let (status, took, _) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Both formats, every flow, everything logged: no password, no token, no link, not even half of one.
#[test]
fn the_log_holds_no_secret() {
    for format in ["text", "json"] {
        let server = Server::start(Stack::Axum, &[("LOG_FORMAT", format), ("RUST_LOG", "trace")]);
        server.user(ADA);
        let session = server.log_in(ADA);
        let renewed =
            server.send(&Request::post("/api/v1/auth/refresh").header("cookie", &session.cookie)).expect(200);
        server.post("/auth/forgot-password", &json!({"email": ADA})).expect(202);
        let reset = server.mailed_token(ADA, "reset-password");
        let verify = server.mailed_token(ADA, "verify-email");
        server.post("/auth/reset-password", &json!({"token": reset, "password": OTHER_PASSWORD})).expect(200);
        server.send(&Request::post("/api/v1/auth/refresh").header("cookie", &session.cookie)).expect(401);
        let mistaken = format!("/api/v1/users/me?access_token={}", session.access_token);
        server.send(&Request::get(&mistaken)).expect(401);
        let new = renewed.set_cookie().unwrap().1;
        let log = server.log();
        assert!(log.lines().count() > 20, "it is logged at all");
        let secret_part = |token: &str| token.rsplit('.').next().unwrap().to_owned();
        let cookie = session.cookie.split_once('=').unwrap().1.to_owned();
        let secrets = [
            PASSWORD.to_owned(),
            OTHER_PASSWORD.to_owned(),
            secret_part(&cookie),
            secret_part(new),
            secret_part(&reset),
            secret_part(&verify),
            secret_part(&session.access_token),
        ];
        for secret in secrets {
            assert!(!log.contains(&secret), "{format}: the log holds {secret}");
            assert!(!log.contains(&secret[..secret.len() / 2]), "{format}: the log holds half of {secret}");
        }
        if format == "json" {
            assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        }
    }
}

#[test]
fn a_real_mail_server_or_production_closes_the_development_pages() {
    let smtp = [("SMTP_URL", "smtp://127.0.0.1:9?tls=none"), ("MAIL_FROM", "no-reply@example.com")];
    let server = Server::start(Stack::Axum, &smtp);
    for path in ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/0.html"] {
        server.send(&Request::get(path)).problem(404, "not_found");
    }
    server.send(&Request::get("/")).expect(200);
}
