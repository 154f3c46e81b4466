//! The example server as a separate process, over SQLite, without limits.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server. Dropping it ends its process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    directory: TempDir,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `$AUTH_SERVER`, the program to measure.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        let program = std::env::var("AUTH_SERVER").expect("AUTH_SERVER names the server program");
        let directory = tempfile::tempdir().unwrap();
        let printed = directory.path().join("stdout");
        let child = Command::new(program)
            .current_dir(directory.path())
            .env_clear()
            .envs([("PORT", "0"), ("RATE_LIMIT_STORE", "none"), ("RUST_LOG", "warn")])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&printed).unwrap())
            .stderr(File::create(directory.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let address = loop {
            let text = std::fs::read_to_string(&printed).unwrap();
            if let Some(line) = text.lines().find_map(|line| line.strip_prefix("listening on http://")) {
                break line.parse().unwrap();
            }
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        };
        Self { child, directory, address }
    }

    /// Its working directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
