//! Behind nginx, as `docs/operations.md` says: the block of the page, with TLS, in front of a server.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use auth_tests::page::all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::Answer;
use crate::fixture::{ADA, OTHER_PASSWORD, PASSWORD};
use crate::server::{BASE, PROGRAMS, Program, Server};

const PAGE: &str = include_str!("../../../docs/operations.md");

/// An nginx, stopped when dropped.
struct Nginx {
    directory: TempDir,
    port: u16,
}

impl Nginx {
    /// As the page says, but for the names of this machine.
    fn before(server: &Server) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let here = |name: &str| directory.path().join(name).display().to_string();
        run("certificates", &[&here("certificates")]);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let [site] = all(PAGE, "nginx");
        let mut site = site.to_owned();
        for (there, here) in [
            ("listen 443 ", format!("listen 127.0.0.1:{port} ")),
            ("127.0.0.1:3000", server.addr.to_string()),
            ("/etc/ssl/auth.example.com.pem", here("certificates/server.pem")),
            ("/etc/ssl/auth.example.com.key", here("certificates/server.key")),
        ] {
            assert_eq!(site.matches(there).count(), 1, "{there} in\n{site}");
            site = site.replace(there, &here);
        }
        fs::write(directory.path().join("site.conf"), site).unwrap();
        run("nginx", &["start", &here("")]);
        Self { directory, port }
    }

    /// What a client of this address is answered.
    fn ask(&self, from: &str, method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> Answer {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-S", "-i", "--raw", "--http1.1", "-X", method]);
        curl.args(["--interface", from, "--cacert"]);
        curl.arg(self.directory.path().join("certificates/ca.pem"));
        curl.arg(format!("https://127.0.0.1:{}{BASE}{path}", self.port));
        for header in headers {
            curl.args(["-H", header]);
        }
        if let Some(body) = body {
            curl.args(["-H", "Content-Type: application/json", "-d", &body.to_string()]);
        }
        let output = curl.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Answer::parse(&output.stdout, false).unwrap()
    }

    fn log_in(&self, from: &str, password: &str, headers: &[&str]) -> Answer {
        let body = json!({"email": ADA, "password": password});
        self.ask(from, "POST", "/auth/login", headers, Some(&body))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        run("nginx", &["stop", &self.directory.path().display().to_string()]);
    }
}

fn run(script: &str, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers").join(script);
    let owner = std::process::id().to_string();
    let output = Command::new(&script).args(arguments).env("OWNER", owner).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", script.display());
}

/// A server at its public address, with all limits and a user.
fn server(program: Program, trusted: &str) -> Server {
    let server = program.start_with(&[
        ("PUBLIC_URL", "https://auth.example.com"),
        ("DEV_MAILBOX", "public"),
        ("TRUSTED_PROXIES", trusted),
        ("RATE_LIMIT_STORE", "memory"),
    ]);
    server.user(ADA);
    server
}

#[test]
fn behind_nginx_limits_count_the_client_and_not_what_it_writes() {
    for program in PROGRAMS {
        let server = server(program, "127.0.0.1/32");
        let nginx = Nginx::before(&server);
        let guesses = (1..=6).map(|number| {
            let forged = format!("X-Forwarded-For: 203.0.113.{number}");
            nginx.log_in("127.0.0.2", OTHER_PASSWORD, &[&forged]).status
        });
        assert_eq!(guesses.collect::<Vec<_>>(), [401, 401, 401, 401, 401, 429], "{program:?}");
        assert_eq!(nginx.log_in("127.0.0.3", OTHER_PASSWORD, &[]).status, 401, "{program:?}: another client");

        // Another client's whole session, through TLS, with what an https address makes of it.
        let forged = ["X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7"];
        let answer = nginx.log_in("127.0.0.3", PASSWORD, &forged).expect(200);
        assert!(answer.header("strict-transport-security").is_some());
        assert!(answer.cookie_line(false).unwrap().starts_with("__Host-refresh="));
        let bearer = format!("Authorization: Bearer {}", answer.json()["access_token"].as_str().unwrap());
        let list = nginx.ask("127.0.0.3", "GET", "/users/me/sessions", &[&bearer], None).expect(200).json();
        assert_eq!(list["sessions"][0]["ip"], "127.0.0.3", "{program:?}");
        let cookie = format!("Cookie: __Host-refresh={}", answer.new_cookie());
        let own = "Origin: https://auth.example.com";
        nginx.ask("127.0.0.3", "POST", "/auth/refresh", &[&cookie, own], None).expect(200);
    }
}

/// What the page warns of.
#[test]
fn a_proxy_that_is_not_named_is_one_client() {
    let server = server(Program::Axum, "");
    let nginx = Nginx::before(&server);
    for _ in 0..5 {
        nginx.log_in("127.0.0.2", OTHER_PASSWORD, &[]).problem(401, "invalid_credentials");
    }
    nginx.log_in("127.0.0.3", PASSWORD, &[]).problem(429, "rate_limited");
}
