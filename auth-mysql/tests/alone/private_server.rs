//! A server that belongs to these tests alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use auth_core::TokenStore as _;
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::samples;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, Row as _};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;

/// How long a test waits for the server before it fails.
const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// The administrator's account and password.
const ADMINISTRATOR: &str = "authtest:authtest-pw";

/// The server, locked by one test that may disturb it, with a database for that test.
pub(crate) struct PrivateServer {
    folder: &'static str,
    admin: MySqlConnection,
    database: String,
    _lock: MutexGuard<'static, ()>,
}

/// The script in `scripts/servers`: `mariadb` or `mysql`.
pub(crate) fn kind() -> String {
    env::var("AUTH_TEST_ALONE").unwrap_or_else(|_| "mariadb".to_owned())
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers")
}

/// A port beside those of the shared servers.
pub(crate) fn port() -> u16 {
    env::var("AUTH_TEST_PORT").map_or(23306, |port| port.parse::<u16>().unwrap()) + 10
}

fn succeeds(command: &mut Command) {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// The folder of the server. Created at first use; removed, with the server, soon after this
/// process ends.
pub(crate) fn folder() -> &'static str {
    static FOLDER: OnceLock<String> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = env::temp_dir().join(format!("auth-server-{}", process::id()));
        let folder = folder.to_str().unwrap().to_owned();
        succeeds(Command::new(scripts().join("certificates")).arg(format!("{folder}/certificates")));
        install_certificate(&folder, "server");
        let script = scripts().join(kind());
        let after = r#". "$1"; stop_after "$2" "$3" "$4" stop "$3""#;
        let mut watcher = Command::new("bash");
        watcher.args(["-c", after, "watcher"]).arg(scripts().join("lib.sh")).arg(process::id().to_string());
        succeeds(watcher.arg(&folder).arg(script).stdin(Stdio::null()));
        folder
    })
}

fn install_certificate(folder: &str, name: &str) {
    // MySQL refuses a certificate that its configured authority did not sign.
    let authority = if name == "self-signed" { name } else { "ca" };
    for (from, to) in [
        (format!("{name}.pem"), "server.pem"),
        (format!("{name}.key"), "server.key"),
        (format!("{authority}.pem"), "authority.pem"),
    ] {
        fs::copy(format!("{folder}/certificates/{from}"), format!("{folder}/{to}")).unwrap();
    }
}

fn run(folder: &str, verb: &str) {
    let tls = format!(
        "--ssl-ca={folder}/authority.pem --ssl-cert={folder}/server.pem --ssl-key={folder}/server.key"
    );
    let mut script = Command::new(scripts().join(kind()));
    script.args([verb, folder]).env("PORT", port().to_string()).env("DURABLE", "1").env("EXTRA", tls);
    succeeds(&mut script);
}

fn pid(folder: &str) -> String {
    fs::read_to_string(format!("{folder}/run/mysqld.pid")).unwrap().trim().to_owned()
}

fn signal(folder: &str, name: &str) {
    succeeds(Command::new("kill").args([name, &pid(folder)]));
}

/// Whether all threads of the server are stopped: after the signal, Linux stops them one by one.
fn is_stopped(folder: &str) -> bool {
    let mut threads = fs::read_dir(format!("/proc/{}/task", pid(folder))).unwrap();
    threads.all(|thread| {
        let status = fs::read_to_string(thread.unwrap().path().join("status"));
        status.is_ok_and(|status| status.contains("\nState:\tT"))
    })
}

pub(crate) async fn connect(url: &str) -> Result<MySqlConnection, sqlx::Error> {
    url.parse::<MySqlConnectOptions>()?.connect().await
}

/// Opens an administrator's connection.
pub(crate) async fn administrator() -> MySqlConnection {
    connect(&url(ADMINISTRATOR, "authtest")).await.unwrap()
}

impl PrivateServer {
    /// Waits for other tests of the server, and starts it if it does not run.
    pub(crate) async fn new(purpose: &str) -> Self {
        let lock = LOCK.lock().await;
        let folder = folder();
        run(folder, "start");
        let admin = administrator().await;
        let mut server = Self { folder, admin, database: format!("auth_test_{purpose}"), _lock: lock };
        let database = server.database.clone();
        for sql in [
            // In strict mode, MySQL's list of connections fails while any of them runs a statement
            // that contains bytes.
            "SET SESSION sql_mode = ''".to_owned(),
            "SET GLOBAL read_only = 0".to_owned(),
            "SET GLOBAL max_connections = 300".to_owned(),
            "SET GLOBAL wait_timeout = DEFAULT".to_owned(),
            format!("DROP DATABASE IF EXISTS {database}"),
            format!("CREATE DATABASE {database}"),
            "CREATE USER IF NOT EXISTS 'app'@'%' IDENTIFIED BY 'app-pw'".to_owned(),
            format!("GRANT ALL ON {database}.* TO 'app'@'%'"),
        ] {
            server.run(&sql).await;
        }
        server
    }

    /// The URL for a service, whose account is not an administrator.
    pub(crate) fn url(&self) -> String {
        url("app:app-pw", &self.database)
    }

    /// Opens a store with this number of connections, all of them open.
    pub(crate) async fn store(&mut self, connections: u32) -> MySqlStore {
        let options = MySqlOptions::from_url(&self.url()).unwrap();
        let store = options.connections(connections).open().await.unwrap();
        self.all_open(store, connections).await
    }

    /// Opens a store over a pool of the service, with all its connections open.
    pub(crate) async fn store_over_a_pool(&mut self, connections: u32) -> MySqlStore {
        let pool = MySqlPoolOptions::new()
            .max_connections(connections)
            .test_before_acquire(false)
            .acquire_timeout(WAIT_LIMIT)
            .after_connect(|connection, _| Box::pin(MySqlStore::prepare(connection)));
        let store = MySqlStore::from_pool(pool.connect(&self.url()).await.unwrap());
        store.migrate().await.unwrap();
        self.all_open(store, connections).await
    }

    /// Opens all connections: makes one read per connection wait for a locked table.
    async fn all_open(&mut self, store: MySqlStore, connections: u32) -> MySqlStore {
        self.lock_sessions().await;
        let started = Instant::now();
        let mut reads = JoinSet::new();
        for _ in 0..connections {
            let store = store.clone();
            reads.spawn(async move {
                // A read times out before all connections are open, so repeat it.
                loop {
                    match store.find_session(samples::session_id(1)).await {
                        Ok(found) => break found,
                        Err(error) => assert!(started.elapsed() < WAIT_LIMIT, "{error:?}"),
                    }
                }
            });
        }
        let open = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'";
        // The server may still list connections that were closed a moment ago.
        while self.number(open).await != i64::from(connections) {
            assert!(started.elapsed() < WAIT_LIMIT, "never {connections} connections");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.run("UNLOCK TABLES").await;
        assert!(reads.join_all().await.iter().all(Option::is_none));
        store
    }

    /// Locks the table of sessions until `UNLOCK TABLES`.
    pub(crate) async fn lock_sessions(&mut self) {
        self.run(&format!("LOCK TABLES {}.auth_sessions WRITE", self.database)).await;
    }

    /// Opens a connection outside any store, to the database of this test.
    pub(crate) async fn raw_connection(&self) -> MySqlConnection {
        let mut raw = connect(&url(ADMINISTRATOR, &self.database)).await.unwrap();
        raw.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await.unwrap();
        raw
    }

    /// Runs a statement as the administrator.
    pub(crate) async fn run(&mut self, sql: &str) {
        self.admin.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }

    /// Runs a statement that returns a number.
    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        self.admin.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap().get_unchecked(0)
    }

    async fn status(&mut self, name: &str) -> i64 {
        let sql = format!("SHOW GLOBAL STATUS LIKE '{name}'");
        let row = self.admin.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        row.get_unchecked::<String, _>(1).parse().unwrap()
    }

    async fn counted(&mut self, what: &str) -> i64 {
        let sql = "SELECT CAST(`count` AS SIGNED) FROM information_schema.innodb_metrics WHERE name = ";
        self.number(&format!("{sql}'{what}'")).await
    }

    /// The number of deadlocks (1213) since the server started.
    pub(crate) async fn deadlocks(&mut self) -> i64 {
        self.counted("lock_deadlocks").await
    }

    /// The number of lock wait timeouts (1205).
    pub(crate) async fn lock_timeouts(&mut self) -> i64 {
        self.counted("lock_timeouts").await
    }

    /// The number of connections that the server refused because it was full (1040).
    pub(crate) async fn refused_connections(&mut self) -> i64 {
        self.status("Connection_errors_max_connections").await
    }

    /// Fills the server: closes the service's connections, lowers `max_connections`, and opens
    /// administrators' connections until all are taken, including the one that the server reserves
    /// for an administrator. The server then refuses and counts each connection before it logs in.
    pub(crate) async fn fill(&mut self, max_connections: usize) -> Vec<MySqlConnection> {
        self.run(&format!("SET GLOBAL max_connections = {max_connections}")).await;
        assert!(self.kill_connections().await > 0);
        let started = Instant::now();
        let mut admins = Vec::new();
        // One of `max_connections + 1` is the connection of `self`.
        while admins.len() < max_connections {
            match connect(&url(ADMINISTRATOR, "authtest")).await {
                Ok(admin) => admins.push(admin),
                // A killed or refused connection counts for a moment longer.
                Err(full) => {
                    assert!(started.elapsed() < WAIT_LIMIT, "{} connections taken: {full}", admins.len());
                    self.kill_connections().await;
                }
            }
        }
        admins
    }

    /// Waits until this number of statements wait for locks.
    pub(crate) async fn until_waiting(&mut self, statements: i64) {
        let started = Instant::now();
        while self.status("Innodb_row_lock_current_waits").await < statements {
            assert!(started.elapsed() < WAIT_LIMIT, "fewer than {statements} statements wait");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the server has counted this number of lock wait timeouts.
    pub(crate) async fn until_lock_timeouts(&mut self, number: i64) {
        let started = Instant::now();
        while self.lock_timeouts().await < number {
            assert!(started.elapsed() < WAIT_LIMIT, "fewer than {number} lock wait timeouts");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a connection waits in `GET_LOCK`.
    pub(crate) async fn until_user_lock(&mut self) {
        let waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User lock'";
        let started = Instant::now();
        while self.number(waiting).await == 0 {
            assert!(started.elapsed() < WAIT_LIMIT, "no connection waits");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The ids of the service's connections.
    pub(crate) async fn connections(&mut self) -> BTreeSet<i64> {
        let list = "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE user = 'app'";
        let rows = self.admin.fetch_all(sqlx::raw_sql(list)).await.unwrap();
        rows.iter().map(|row| row.get_unchecked(0)).collect()
    }

    pub(crate) async fn until_disconnected(&mut self) {
        let started = Instant::now();
        while !self.connections().await.is_empty() {
            assert!(started.elapsed() < WAIT_LIMIT, "a connection stays open");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills every connection of the service; returns their number.
    pub(crate) async fn kill_connections(&mut self) -> usize {
        let connections = self.connections().await;
        for connection in &connections {
            self.run(&format!("KILL {connection}")).await;
        }
        connections.len()
    }

    /// All records of the tables, as text.
    pub(crate) async fn records(&mut self) -> Vec<String> {
        let mut records = Vec::new();
        for table in ["auth_users", "auth_sessions", "auth_one_time_tokens", "auth_outbox"] {
            let columns = format!("SHOW COLUMNS FROM {}.{table}", self.database);
            let columns = self.admin.fetch_all(sqlx::raw_sql(AssertSqlSafe(columns))).await.unwrap();
            let columns = columns.iter().map(|column| column.get_unchecked::<String, _>(0));
            let columns: Vec<_> = columns.map(|column| format!("IFNULL(HEX({column}), 'NULL')")).collect();
            let columns = columns.join(", ");
            let sql = format!("SELECT CONCAT_WS(' ', {columns}) FROM {}.{table} ORDER BY id", self.database);
            let rows = self.admin.fetch_all(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
            records.extend(rows.iter().map(|row| format!("{table} {}", row.get_unchecked::<String, _>(0))));
        }
        records
    }

    /// Makes the server present another certificate to new connections; returns whether it accepts
    /// the certificate.
    pub(crate) async fn present_certificate(&mut self, certificate: &str) -> bool {
        install_certificate(self.folder, certificate);
        let reload = if kind() == "mysql" { "ALTER INSTANCE RELOAD TLS" } else { "FLUSH SSL" };
        self.admin.execute(reload).await.is_ok()
    }

    /// Stops the server's process with SIGSTOP.
    pub(crate) fn freeze(&self) -> Frozen {
        signal(self.folder, "-STOP");
        let frozen = Frozen(self.folder);
        let began = Instant::now();
        while !is_stopped(self.folder) {
            assert!(began.elapsed() < WAIT_LIMIT, "the server does not stop");
            thread::yield_now();
        }
        frozen
    }

    /// Kills the server's process with SIGKILL.
    pub(crate) fn kill(&self) {
        run(self.folder, "kill9");
    }

    /// Starts the server again.
    pub(crate) fn start(&self) {
        run(self.folder, "start");
    }
}

static LOCK: Mutex<()> = Mutex::const_new(());

fn url(account: &str, database: &str) -> String {
    format!("mysql://{account}@127.0.0.1:{}/{database}", port())
}

/// A stopped server, which continues when this is dropped.
pub(crate) struct Frozen(&'static str);

impl Drop for Frozen {
    fn drop(&mut self) {
        signal(self.0, "-CONT");
    }
}
