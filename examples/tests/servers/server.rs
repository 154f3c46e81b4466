//! A server program under test: its own process, its own working directory, a real socket.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_tests::{Database, Secrets};
use serde_json::Value;
use tempfile::TempDir;

use crate::answer::{Answer, CookieChange};
use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::http::Request;

/// The origins that every server of the suite allows besides its own.
pub(crate) const APP: &str = "https://app.example.test";
pub(crate) const ADMIN: &str = "https://admin.example.test:8443";
/// Where browsers see a server of the suite, unless a case says otherwise.
pub(crate) const PUBLIC_URL: &str = "http://localhost:4321";
/// The base path of the API.
pub(crate) const BASE: &str = "/api/v1";
/// What it printed and what it logged, in its working directory.
pub(crate) const STDOUT: &str = "stdout";
pub(crate) const STDERR: &str = "stderr";
/// The HS256 key of every server that signs with one: random text, used nowhere else.
pub(crate) const JWT_SECRET: &str = "kW5xQ0nV8cR3tY6uZ1mB4pL7sD2fG9hJ";

/// One of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Axum,
    Actix,
}

pub(crate) const PROGRAMS: [Program; 2] = [Program::Axum, Program::Actix];

/// The variables of every server that [`Program::start_with`] starts.
const USUAL: [(&str, &str); 7] = [
    ("PUBLIC_URL", PUBLIC_URL),
    ("FRONTEND_URL", APP),
    ("ALLOWED_ORIGINS", "https://app.example.test,https://admin.example.test:8443"),
    ("DATABASE_URL", "memory:"),
    ("JWT_SECRET", JWT_SECRET),
    ("RATE_LIMIT_STORE", "none"),
    ("RUST_LOG", "trace"),
];

/// A running server. Dropping it kills its process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    pub(crate) addr: SocketAddr,
    pub(crate) public_url: String,
    pub(crate) frontend_url: String,
    /// Whether the limits are on. Then limited routes show their state in every answer.
    pub(crate) limited: bool,
    /// Nobody else's while it runs.
    pub(crate) database: Option<Arc<Database>>,
    /// What it did not refuse, as `METHOD path`.
    pub(crate) served: Mutex<BTreeSet<String>>,
    said: Mutex<Said>,
}

/// What is searched after a server has ended.
#[derive(Debug, Default)]
struct Said {
    /// The tokens that it issued.
    issued: BTreeSet<String>,
    /// All that it refused with.
    refusals: String,
}

impl Program {
    /// Starts it in development over memory, without limits.
    pub(crate) fn start(self) -> Server {
        self.start_with(&[])
    }

    /// Starts it over memory, with all limits of the contract.
    pub(crate) fn start_limited(self) -> Server {
        self.start_with(&[("RATE_LIMIT_STORE", "memory")])
    }

    /// Starts it as usual with some variables changed; an empty one is unset. With `AUTH_TEST_STORE`
    /// `mysql` or `postgres`, each server is on a new database, unless `changed` names one.
    pub(crate) fn start_with(self, changed: &[(&str, &str)]) -> Server {
        let store = std::env::var("AUTH_TEST_STORE");
        let database = matches!(store.as_deref(), Ok("mysql" | "postgres")).then(Database::empty);
        let place = database.as_ref().map(|database| ("DATABASE_URL", database.url()));
        let variables = USUAL.iter().copied().chain(place).chain(changed.iter().copied());
        let variables: Vec<_> = variables.collect();
        let mut server = self.start_in(tempfile::tempdir().unwrap(), &variables);
        server.database = database;
        server
    }

    /// Starts it with these variables alone, in a directory that may hold what an earlier server left.
    pub(crate) fn start_in(self, dir: TempDir, variables: &[(&str, &str)]) -> Server {
        Server::listening(self.spawn(dir.path(), variables), dir, variables)
    }

    /// Runs it as usual with some variables changed, where it must not start. Its exit status and all
    /// that it printed.
    pub(crate) fn refuses(self, changed: &[(&str, &str)]) -> (ExitStatus, String) {
        let dir = tempfile::tempdir().unwrap();
        let mut child = self.spawn(dir.path(), &[&USUAL, changed].concat());
        let status = ended_within(&mut child, Duration::from_secs(15));
        if status.is_none() {
            let _ = child.kill();
        }
        (status.expect("the server started, or hangs"), output(dir.path()))
    }

    fn spawn(self, dir: &Path, variables: &[(&str, &str)]) -> Child {
        spawn(&mut self.command(dir, variables), dir)
    }

    /// The program with these variables alone, to be run.
    pub(crate) fn command(self, dir: &Path, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(match self {
            Self::Axum => env!("CARGO_BIN_EXE_server"),
            Self::Actix => env!("CARGO_BIN_EXE_server_actix"),
        });
        command.env_clear().env("PORT", "0").envs(variables.iter().copied()).current_dir(dir);
        command
    }
}

/// Starts what will be a server in this directory, which takes all that it prints.
pub(crate) fn spawn(command: &mut Command, dir: &Path) -> Child {
    let file = |name| Stdio::from(File::create(dir.join(name)).unwrap());
    let command = command.current_dir(dir).stdin(Stdio::null());
    command.stdout(file(STDOUT)).stderr(file(STDERR)).spawn().unwrap()
}

impl Server {
    /// A process, once it says where it listens: a server with these variables in this directory, or a shell that
    /// became one.
    pub(crate) fn listening(mut child: Child, dir: TempDir, variables: &[(&str, &str)]) -> Self {
        let printed = dir.path().join(STDOUT);
        let deadline = Instant::now() + Duration::from_secs(20);
        let addr: SocketAddr = loop {
            let text = fs::read_to_string(&printed).unwrap();
            let address = text.split_inclusive('\n').find_map(|line| {
                line.strip_suffix('\n')?.strip_prefix("listening on http://").map(str::to_owned)
            });
            if let Some(addr) = address {
                break addr.parse().unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended with {status} before it listened:\n{}", output(dir.path()));
            }
            assert!(Instant::now() < deadline, "the server does not listen:\n{}", output(dir.path()));
            std::thread::sleep(Duration::from_millis(2));
        };
        let set = |name| {
            let last = variables.iter().rev().find(|(key, _)| *key == name);
            last.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let public_url =
            set("PUBLIC_URL").map_or_else(|| format!("http://localhost:{}", addr.port()), str::to_owned);
        let frontend_url = set("FRONTEND_URL").map_or_else(|| public_url.clone(), str::to_owned);
        let limited = set("RATE_LIMIT_STORE") != Some("none");
        Self {
            child,
            dir,
            addr,
            public_url,
            frontend_url,
            limited,
            database: None,
            served: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// Whether its public URL is https: cookies are Secure and HSTS is sent.
    pub(crate) fn https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The name of its refresh cookie.
    pub(crate) fn cookie_name(&self) -> &'static str {
        if self.https() { "__Host-refresh" } else { "refresh" }
    }

    /// A request of the API.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, method, &format!("{BASE}{path}"))
    }

    /// A request outside the API's base path.
    pub(crate) fn root(&self, method: &str, path: &str) -> Request<'_> {
        Request::new(self, method, path)
    }

    pub(crate) fn get(&self, path: &str) -> Request<'_> {
        self.request("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Request<'_> {
        self.request("POST", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Request<'_> {
        self.request("DELETE", path)
    }

    /// Its working directory.
    pub(crate) fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// All that it printed and logged so far, as [`Self::log`].
    pub(crate) fn output(&self) -> String {
        self.log();
        output(self.dir.path())
    }

    /// Waits for this in its log, for at most ten seconds.
    #[track_caller]
    pub(crate) fn logged(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "not in its log: {text}");
        }
    }

    /// Its log so far. A thread of the server writes it a moment later, so this waits until it grows no more; for a
    /// line that must come there is [`Self::logged`].
    pub(crate) fn log(&self) -> String {
        let read = || fs::read_to_string(self.dir.path().join(STDERR)).unwrap();
        let mut log = read();
        loop {
            std::thread::sleep(Duration::from_millis(30));
            let now = read();
            if now.len() == log.len() {
                return now;
            }
            log = now;
        }
    }

    /// Keeps in mind what must not be found anywhere else.
    pub(crate) fn issued(&self, tokens: impl IntoIterator<Item = String>) {
        self.said.lock().unwrap().issued.extend(tokens.into_iter().filter(|token| !token.is_empty()));
    }

    /// Keeps an answer in mind, and what it issued.
    pub(crate) fn answered(&self, answer: &Answer) {
        if answer.status >= 400 {
            self.said.lock().unwrap().refusals += &answer.text();
        }
        let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let tokens = ["access_token", "refresh_token"].map(|name| body[name].as_str().map(str::to_owned));
        self.issued(tokens.into_iter().flatten());
        if let CookieChange::Set { value, .. } = answer.cookie() {
            self.issued([value]);
        }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Guarantee 9, of every server of the suite: no secret is in what it printed, logged at every level, or refused
    /// with.
    fn kept_its_secrets(&self) {
        let said = self.said.lock().unwrap();
        let mut secrets = Secrets::default();
        for secret in
            [PASSWORD, OTHER_PASSWORD, JWT_SECRET].into_iter().chain(said.issued.iter().map(String::as_str))
        {
            secrets.add(secret);
        }
        assert_eq!(secrets.found_in(output(self.dir.path())), Vec::<String>::new(), "in what it printed");
        assert_eq!(secrets.found_in(&said.refusals), Vec::<String>::new(), "in a refusal");
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop, as an operator would; gives its status and how long it took.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        self.signal("TERM");
        (self.ended(), begun.elapsed())
    }

    /// Waits until it has stopped.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        ended_within(&mut self.child, Duration::from_secs(20)).expect("it stops within 20 s")
    }

    /// What it leaves behind, for the next one; kills it where it still runs.
    pub(crate) fn leave(mut self) -> TempDir {
        self.end();
        self.kept_its_secrets();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            let all = output(self.dir.path());
            let from = all.len().saturating_sub(4000);
            let end: String = String::from_utf8_lossy(&all.as_bytes()[from..]).into_owned();
            eprintln!("--- the end of what the server printed:\n{end}");
        } else {
            self.kept_its_secrets();
        }
    }
}

pub(crate) fn ended_within(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn output(dir: &Path) -> String {
    let mut all = Vec::new();
    for name in [STDOUT, STDERR] {
        if let Ok(mut file) = File::open(dir.join(name)) {
            file.read_to_end(&mut all).unwrap();
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}
