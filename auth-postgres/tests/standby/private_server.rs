//! A durable server of one test, and its standby.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use auth_postgres::{PgOptions, PgStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, Row as _};

pub(crate) struct PrivateServer {
    folder: PathBuf,
    pub(crate) port: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl PrivateServer {
    pub(crate) fn start(name: &str) -> Self {
        let server = Self::new(name);
        server.again();
        server
    }

    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("pg-{name}-{}", std::process::id()));
        Self { folder, port: free_port() }
    }

    /// Starts it again after [`kill`](Self::kill).
    pub(crate) fn again(&self) {
        self.script(&["start"]);
    }

    /// Starts a streaming copy.
    pub(crate) fn standby(&self, name: &str) -> Self {
        let standby = Self::new(name);
        standby.script(&["standby", self.folder.to_str().unwrap()]);
        standby
    }

    /// Makes commits wait for the standby.
    pub(crate) async fn wait_for_standby(&self) {
        let mut administrator = self.administrator().await;
        administrator.execute("ALTER SYSTEM SET synchronous_standby_names = '*'").await.unwrap();
        administrator.execute("SELECT pg_reload_conf()").await.unwrap();
        let state = "SELECT coalesce((SELECT sync_state FROM pg_stat_replication), '')";
        while administrator.fetch_one(state).await.unwrap().get::<String, _>(0) != "sync" {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Kills it and all its processes at once.
    pub(crate) fn kill(&self) {
        self.script(&["kill9"]);
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        self.script(&["promote"]);
    }

    /// Presents another certificate to later connections.
    pub(crate) fn present(&self, certificate: &str) {
        self.script(&["certificate", certificate]);
    }

    /// The file of the authority that signed its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("certificates/ca.pem")
    }

    /// Sends a signal to all its processes.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap();
        // The main process first, so that it starts no other, or last, so that none is missing.
        let all = format!("kill -{signal} {pid}; pkill -{signal} -P {pid}");
        assert!(Command::new("sh").args(["-c", &all]).status().unwrap().success());
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://authtest:authtest-pw@127.0.0.1:{}/authtest", self.port)
    }

    pub(crate) async fn store(&self, connections: u32) -> PgStore {
        PgOptions::from_url(&self.url()).unwrap().connections(connections).open().await.unwrap()
    }

    pub(crate) async fn administrator(&self) -> PgConnection {
        self.url().parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }

    pub(crate) async fn run(&self, sql: impl Into<String>) {
        let sql = sql.into();
        self.administrator().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }

    fn script(&self, arguments: &[&str]) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/servers/postgres");
        let (verb, rest) = arguments.split_first().unwrap();
        let done = Command::new(script)
            .arg(verb)
            .arg(&self.folder)
            .args(rest)
            .env("PORT", self.port.to_string())
            .env("DURABLE", "1")
            .env("OWNER", std::process::id().to_string())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(done.status.success(), "{verb}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.script(&["wipe"]);
    }
}
