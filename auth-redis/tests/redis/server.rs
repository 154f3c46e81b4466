//! A Redis server for tests.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use auth_core::{Bucket, Policy, Rule};
use auth_redis::RedisLimiter;

/// Longer than a call waits on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The server shared by tests that do not disturb it.
pub(crate) static SHARED: LazyLock<Server> = LazyLock::new(Server::start);

/// A private Redis. It ends with this value, or with this process.
pub(crate) struct Server {
    folder: PathBuf,
    env: HashMap<String, String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("redis-{}-{number}", process::id()));
        let mut server = Self { folder, env: HashMap::new() };
        server.start_again();
        server
    }

    /// Starts it again on the same ports.
    pub(crate) fn start_again(&mut self) {
        self.script("start");
        let line = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.env = self.script("env").lines().filter_map(line).collect();
    }

    fn script(&self, verb: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers/redis");
        let output = Command::new(script)
            .arg(verb)
            .arg(&self.folder)
            .env("OWNER", process::id().to_string())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "these tests need a Redis, and there is none: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn url(&self) -> &str {
        &self.env["REDIS_URL"]
    }

    /// The address, such as `127.0.0.1:6379`.
    pub(crate) fn address(&self) -> &str {
        self.url().split_once('@').unwrap().1.trim_end_matches("/0")
    }

    pub(crate) fn tls_url(&self) -> &str {
        &self.env["REDIS_TLS_URL"]
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        Path::new(&self.env["REDIS_CA"]).with_file_name(name)
    }

    pub(crate) async fn limiter(&self) -> RedisLimiter {
        RedisLimiter::connect(self.url()).await.unwrap().patience(PATIENCE)
    }

    /// Sends a command as `redis-cli` would.
    pub(crate) async fn command<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let (name, arguments) = command.split_first().unwrap();
        redis::cmd(name).arg(arguments).query_async(&mut connection).await.unwrap()
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.env["REDIS_PID"]]).status().unwrap();
        assert!(sent.success(), "{signal} did not reach Redis");
    }

    /// Kills it with `kill -9` and waits until it is dead.
    pub(crate) fn kill(&self) {
        self.signal("-KILL");
        let began = Instant::now();
        while self.lives() {
            assert!(began.elapsed() < PATIENCE, "Redis does not die");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether its process runs. A zombie without threads does not.
    fn lives(&self) -> bool {
        let process = Path::new("/proc").join(&self.env["REDIS_PID"]);
        // The state follows the name, which ends with the last parenthesis.
        let Ok(stat) = fs::read_to_string(process.join("stat")) else { return false };
        let is_zombie = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
        let threads = fs::read_dir(process.join("task")).map_or(0, Iterator::count);
        !is_zombie || threads > 1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stopped process cannot handle a signal to end.
        let _ = Command::new("kill").args(["-CONT", &self.env["REDIS_PID"]]).output();
        self.script("stop");
    }
}

/// A quota in which one permit an hour becomes free.
pub(crate) const fn hourly(count: u32) -> Rule {
    Rule::Quota { count, window: Duration::from_hours(count as u64) }
}

/// A bucket of this number.
pub(crate) const fn bucket(limit: &'static str, number: u128) -> Bucket {
    Bucket { limit, key: number.to_be_bytes() }
}

/// The default policy with cheap hashing.
pub(crate) fn cheap() -> Policy {
    let mut policy = Policy::default();
    policy.hashing = auth_testkit::cheap_hashing();
    policy
}
