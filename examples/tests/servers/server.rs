//! A server as a process of its own, in a working directory of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Request};

pub(crate) const ADA: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const OTHER_PASSWORD: &str = "seventeen blue herons";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    Axum,
    Actix,
}

impl Stack {
    /// A server of this stack, to be started.
    pub(crate) fn command(self, directory: &Path, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(match self {
            Self::Axum => env!("CARGO_BIN_EXE_server"),
            Self::Actix => env!("CARGO_BIN_EXE_server_actix"),
        });
        command.env_clear().env("PORT", "0").envs(variables.iter().copied()).current_dir(directory);
        command
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) directory: TempDir,
    child: Child,
}

impl Server {
    /// Starts over memory, without limits, unless the variables say otherwise.
    pub(crate) fn start(stack: Stack, variables: &[(&str, &str)]) -> Self {
        let mut all = vec![("DATABASE_URL", "memory:"), ("RATE_LIMIT_STORE", "none")];
        all.extend_from_slice(variables);
        Self::start_in(tempfile::tempdir().unwrap(), stack, &all)
    }

    /// Starts in a directory that may hold what an earlier server left.
    pub(crate) fn start_in(directory: TempDir, stack: Stack, variables: &[(&str, &str)]) -> Self {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(directory.path().join("log")).unwrap();
        let mut command = stack.command(directory.path(), variables);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| {
            panic!("not started: {}", fs::read_to_string(directory.path().join("log")).unwrap())
        });
        Self { address: address.parse().unwrap(), directory, child }
    }

    pub(crate) fn send(&self, request: &Request) -> Answer {
        request.send_to(self.address)
    }

    /// A POST of JSON under the base path.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&Request::post(&format!("/api/v1{path}")).json(body))
    }

    pub(crate) fn mails(&self) -> Vec<Value> {
        self.send(&Request::get("/dev/mailbox.json")).expect(200).json().as_array().unwrap().clone()
    }

    /// The token of the newest mailed link to this page, which may be on its way still.
    #[track_caller]
    pub(crate) fn mailed_token(&self, to: &str, page: &str) -> String {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            let found = self.mails().into_iter().rev().filter(|mail| mail["to"] == to).find_map(|mail| {
                let (_, link) = mail["text"].as_str().unwrap().split_once(&format!("/#/{page}?token="))?;
                link.split_whitespace().next().map(str::to_owned)
            });
            match found {
                Some(token) => return token,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        panic!("no mail to {to} with a link to {page}: {:?}", self.mails());
    }

    /// Registers an address with [`PASSWORD`] and verifies it by its mail.
    #[track_caller]
    pub(crate) fn user(&self, address: &str) {
        self.post("/auth/register", &json!({"email": address, "password": PASSWORD, "name": "Ada"}))
            .expect(202);
        let token = self.mailed_token(address, "verify-email");
        self.post("/auth/verify-email", &json!({"token": token})).expect(200);
    }

    #[track_caller]
    pub(crate) fn log_in(&self, address: &str) -> LoggedIn {
        let answer = self.post("/auth/login", &json!({"email": address, "password": PASSWORD})).expect(200);
        LoggedIn::of(&answer)
    }

    /// Asks to stop, and gives the status and how long it took.
    pub(crate) fn stop(mut self) -> (ExitStatus, Duration, TempDir) {
        let begun = Instant::now();
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        (status, begun.elapsed(), self.take_directory())
    }

    /// Kills without asking.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.take_directory()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    fn take_directory(&mut self) -> TempDir {
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What a browser holds after logging in.
#[derive(Debug, Clone)]
pub(crate) struct LoggedIn {
    pub(crate) access_token: String,
    /// As it is sent back: `name=value`.
    pub(crate) cookie: String,
}

impl LoggedIn {
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        let (name, value) = answer.set_cookie().expect("no cookie");
        let access_token = answer.json()["access_token"].as_str().unwrap().to_owned();
        Self { access_token, cookie: format!("{name}={value}") }
    }
}
