//! A server program under test: its own process, its own working directory, a real socket.

use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::http::Request;

/// The origins that every server of the suite allows besides its own.
pub(crate) const APP: &str = "https://app.example.test";
pub(crate) const ADMIN: &str = "https://admin.example.test:8443";
/// Where browsers see a server of the suite, unless a case says otherwise.
pub(crate) const PUBLIC_URL: &str = "http://localhost:4321";
/// The base path of the API.
pub(crate) const BASE: &str = "/api/v1";
/// The HS256 key of every server that signs with one: random text, used nowhere else.
pub(crate) const JWT_SECRET: &str = "kW5xQ0nV8cR3tY6uZ1mB4pL7sD2fG9hJ";

/// One program of the table in `contract.rs`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program(pub(crate) &'static str);

/// A running server. Dropping it kills its process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    dir: TempDir,
    pub(crate) addr: SocketAddr,
    pub(crate) public_url: String,
    /// Whether the limits are on. Then limited routes tell how they stand, in every answer.
    pub(crate) limited: bool,
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

    /// Starts it with some variables changed; an empty one is unset.
    pub(crate) fn start_with(self, environment: &[(&str, &str)]) -> Server {
        let dir = tempfile::tempdir().unwrap();
        let mut child = self.spawn(dir.path(), environment);
        let printed = dir.path().join("stdout");
        let deadline = Instant::now() + Duration::from_secs(20);
        let addr = loop {
            let text = fs::read_to_string(&printed).unwrap();
            let told = text.split_inclusive('\n').find_map(|line| {
                line.strip_suffix('\n')?.strip_prefix("listening on http://").map(str::to_owned)
            });
            if let Some(addr) = told {
                break addr.parse().unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{self:?} ended with {status} before it listened:\n{}", output(dir.path()));
            }
            assert!(Instant::now() < deadline, "{self:?} does not listen:\n{}", output(dir.path()));
            std::thread::sleep(Duration::from_millis(2));
        };
        let set = |name| environment.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| *value);
        Server {
            child,
            dir,
            addr,
            public_url: set("PUBLIC_URL").unwrap_or(PUBLIC_URL).to_owned(),
            limited: set("RATE_LIMIT_STORE").is_some_and(|store| store != "none"),
        }
    }

    /// Runs it where it must not start. Its exit status and all that it printed.
    pub(crate) fn refuses(self, environment: &[(&str, &str)]) -> (ExitStatus, String) {
        let dir = tempfile::tempdir().unwrap();
        let mut child = self.spawn(dir.path(), environment);
        let status = ended_within(&mut child, Duration::from_secs(15));
        if status.is_none() {
            let _ = child.kill();
        }
        (status.expect("the server started, or hangs"), output(dir.path()))
    }

    fn spawn(self, dir: &Path, environment: &[(&str, &str)]) -> Child {
        let file = |name| Stdio::from(File::create(dir.join(name)).unwrap());
        let allowed = format!("{APP},{ADMIN}");
        Command::new(self.path())
            .current_dir(dir)
            .env_clear()
            .envs([
                ("PORT", "0"),
                ("PUBLIC_URL", PUBLIC_URL),
                ("FRONTEND_URL", APP),
                ("ALLOWED_ORIGINS", allowed.as_str()),
                ("DATABASE_URL", "memory:"),
                ("JWT_SECRET", JWT_SECRET),
                ("RATE_LIMIT_STORE", "none"),
                ("RUST_LOG", "debug"),
            ])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap()
    }

    /// Builds the programs once per run of the suite, so that none is ever stale or missing.
    fn path(self) -> PathBuf {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let directory = BUILT.get_or_init(|| {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet", "--locked", "--package", "auth-examples", "--bins"]);
            if !cfg!(debug_assertions) {
                cargo.arg("--release");
            }
            let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap();
            assert!(built.success(), "the servers cannot be built");
            // target/<profile>/deps/contract-<hash>
            let own = std::env::current_exe().unwrap();
            own.ancestors().nth(2).unwrap().to_owned()
        });
        let path = directory.join(self.0);
        assert!(path.is_file(), "no server program at {}", path.display());
        path
    }
}

impl Server {
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

    /// All that it printed and logged so far.
    pub(crate) fn output(&self) -> String {
        output(self.dir.path())
    }

    /// Asks it to stop, as an operator would.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        ended_within(&mut self.child, Duration::from_secs(10)).expect("it stops within 10 s")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let all = self.output();
            let from = all.len().saturating_sub(4000);
            let end: String = String::from_utf8_lossy(&all.as_bytes()[from..]).into_owned();
            eprintln!("--- the end of what the server printed:\n{end}");
        }
    }
}

fn ended_within(child: &mut Child, time: Duration) -> Option<ExitStatus> {
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
    for name in ["stdout", "stderr"] {
        File::open(dir.join(name)).unwrap().read_to_end(&mut all).unwrap();
    }
    String::from_utf8_lossy(&all).into_owned()
}
