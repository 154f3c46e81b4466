//! Three servers, one database, one Redis.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::server::{APP, JWT_SECRET, PUBLIC_URL, Program, Server};

const PROGRAMS: [Program; 3] = [Program::Axum, Program::Actix, Program::Axum];

/// Several servers that share everything but their development mailboxes.
pub(super) struct Fleet {
    servers: Vec<Server>,
    variables: Vec<(&'static str, String)>,
    database: Database,
    _redis: Option<Redis>,
}

impl Fleet {
    /// With all limits of the contract, counted in one Redis.
    pub(super) fn limited(purpose: &str) -> Self {
        let redis = Redis::start();
        let url = redis.variable("REDIS_URL");
        Self { _redis: Some(redis), ..Self::start(purpose, &[("RATE_LIMIT_STORE", &url)]) }
    }

    /// On a new database.
    pub(super) fn start(purpose: &str, variables: &[(&'static str, &str)]) -> Self {
        let database = Database::new(purpose);
        let shared = [
            ("DATABASE_URL", database.url.as_str()),
            ("PUBLIC_URL", PUBLIC_URL),
            ("FRONTEND_URL", APP),
            ("JWT_SECRET", JWT_SECRET),
            ("RUST_LOG", "debug,sqlx=warn"),
        ];
        let variables: Vec<_> =
            shared.iter().chain(variables).map(|(name, value)| (*name, (*value).to_owned())).collect();
        let start = |program| start(program, tempfile::tempdir().unwrap(), &variables);
        Self { servers: PROGRAMS.map(start).into(), variables, database, _redis: None }
    }

    /// Stops one as an operator would and starts another in its place, on another port.
    pub(super) fn restart(&mut self, nth: usize) {
        let mut old = self.servers.remove(nth);
        let (status, took) = old.terminate();
        assert_eq!(status.code(), Some(0), "after {took:?}: {}", old.log());
        self.servers.insert(nth, start(PROGRAMS[nth], old.leave(), &self.variables));
    }

    /// A verified user with the usual password, by the mail that one of the servers sent.
    #[track_caller]
    pub(super) fn user(&self, email: &str) {
        self.server(0).unverified(email);
        let begun = Instant::now();
        let mailed = |server: &Server| server.mails_to(email).pop()?.token("verify-email");
        let token = loop {
            match self.servers.iter().find_map(mailed) {
                Some(token) => break token,
                None => assert!(begun.elapsed() < Duration::from_secs(20), "no mail to {email}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        self.server(0).post("/auth/verify-email").json(&json!({"token": token})).send().expect(200);
    }

    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(|server| server.addr).collect()
    }

    /// One of the three, by any number.
    pub(super) fn server(&self, nth: usize) -> &Server {
        &self.servers[nth % self.servers.len()]
    }

    pub(super) fn sql(&self, sql: &str) {
        self.database.sql(sql);
    }

    pub(super) fn count(&self, sql: &str) -> i64 {
        self.database.count(sql)
    }

    /// Then no mail is on its way any more.
    pub(super) fn wait_for_an_empty_outbox(&self) {
        let begun = Instant::now();
        while self.count("SELECT COUNT(*) FROM auth_outbox") > 0 {
            assert!(begun.elapsed() < Duration::from_mins(1), "mails are left in the outbox");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// How many mails came to each address, in all mailboxes.
    pub(super) fn mails(&self) -> BTreeMap<String, usize> {
        let mut mails = BTreeMap::new();
        for server in &self.servers {
            let shown = server.root("GET", "/dev/mailbox.json").send().expect(200).json();
            for mail in shown.as_array().unwrap() {
                *mails.entry(mail["to"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        mails
    }
}

fn start(program: Program, directory: TempDir, variables: &[(&str, String)]) -> Server {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    program.start_in(directory, &variables)
}

/// A new database on the server of the tests.
struct Database {
    url: String,
    runtime: Runtime,
}

impl Database {
    fn new(purpose: &str) -> Self {
        let urls = env::var("AUTH_TEST_MYSQL_URL").unwrap_or_default();
        assert!(
            !urls.is_empty(),
            "no database to test with: run `scripts/test`, or set AUTH_TEST_MYSQL_URL to \
             mysql://user:password@host:port/database"
        );
        let mut url = url::Url::parse(urls.split(',').next().unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let name = format!("auth_test_servers_{purpose}");
        let administration = Self { url: url.to_string(), runtime };
        administration.sql(&format!("DROP DATABASE IF EXISTS {name}"));
        administration.sql(&format!("CREATE DATABASE {name}"));
        url.set_path(&name);
        Self { url: url.into(), ..administration }
    }

    async fn connect(&self) -> MySqlConnection {
        self.url.parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap()
    }

    fn sql(&self, sql: &str) {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.runtime.block_on(async { self.connect().await.execute(sql).await.unwrap() });
    }

    fn count(&self, sql: &str) -> i64 {
        let count = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
        self.runtime.block_on(async { count.fetch_one(&mut self.connect().await).await.unwrap() })
    }
}

/// The project's own Redis, stopped when dropped.
struct Redis {
    directory: TempDir,
}

impl Redis {
    fn start() -> Self {
        let redis = Self { directory: tempfile::tempdir().unwrap() };
        redis.script("start");
        redis
    }

    fn variable(&self, name: &str) -> String {
        let variables = self.script("env");
        let value = variables.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.unwrap().to_owned()
    }

    fn script(&self, verb: &str) -> String {
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers/redis");
        let mut command = Command::new(script);
        command.arg(verb).arg(self.directory.path()).env("OWNER", std::process::id().to_string());
        let output = command.output().unwrap();
        assert!(output.status.success(), "no Redis: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.script("stop");
    }
}
