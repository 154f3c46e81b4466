//! With `SMTP_URL` the mails go out: a production server, a real SMTP server, and the link of the mail.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_parser::MessageParser;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::answer::Answer;
use crate::fixture::ADA;
use crate::http::exchange;
use crate::server::Program;

/// The project's own SMTP sink, stopped when dropped.
struct Sink {
    directory: TempDir,
    variables: String,
}

impl Sink {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        run("start", directory.path());
        let variables = run("env", directory.path());
        Self { directory, variables }
    }

    fn variable(&self, name: &str) -> &str {
        self.variables
            .lines()
            .find_map(|line| line.split_once('=').filter(|(key, _)| *key == name))
            .unwrap()
            .1
    }

    /// What arrived, the oldest first.
    fn messages(&self) -> Vec<Value> {
        let api = format!("127.0.0.1:{}", self.variable("SINK_API")).parse().unwrap();
        let ask = |stream: &mut TcpStream| stream.write_all(b"GET /messages? HTTP/1.0\r\n\r\n");
        let answer = Answer::parse(&exchange(api, ask).unwrap(), false).unwrap();
        answer.expect(200).json().as_array().unwrap().clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        run("stop", self.directory.path());
    }
}

fn run(verb: &str, directory: &Path) -> String {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers/smtp-sink");
    let output = Command::new(script)
        .arg(verb)
        .arg(directory)
        .env("OWNER", std::process::id().to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_production_server_sends_its_mails_by_smtp() {
    let sink = Sink::start();
    let url = format!(
        "smtps://authtest:auth-test%40pw%2F1@localhost:{}?ca={}",
        sink.variable("SINK_SMTPS"),
        sink.variable("SINK_CA")
    );
    let server = Program::Axum.start_with(&[
        ("APP_ENV", "production"),
        ("PUBLIC_URL", "https://auth.example.com"),
        ("FRONTEND_URL", "https://app.example.com"),
        ("TRUSTED_PROXIES", "none"),
        ("JWT_SECRET", "t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE"),
        ("RATE_LIMIT_STORE", "memory"),
        ("SMTP_URL", &url),
        ("MAIL_FROM", "Lighthouse <no-reply@example.com>"),
        ("PRODUCT_NAME", "Lighthouse"),
    ]);
    server.unverified(ADA);
    let begun = Instant::now();
    let message = loop {
        match sink.messages().pop() {
            Some(message) => break message,
            None => assert!(begun.elapsed() < Duration::from_secs(10), "no mail: {}", server.log()),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&message["to"][0], &message["tls"]), (&json!(ADA), &json!(true)));
    let bytes = STANDARD.decode(message["data"].as_str().unwrap()).unwrap();
    let mail = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(mail.subject(), Some("Confirm your address for Lighthouse"));
    let text = mail.body_text(0).unwrap();
    let (_, rest) = text.split_once("https://app.example.com/#/verify-email?token=").unwrap();
    let token = rest.split_whitespace().next().unwrap();
    server.post("/auth/verify-email").json(&json!({"token": token})).send().expect(200);
    // Its name begins with `__Host-`, as that of every cookie of a server at an https URL.
    server.log_in(ADA);
    assert!(!server.log().contains("pw/1") && !server.log().contains("pw%2F1"));
}
