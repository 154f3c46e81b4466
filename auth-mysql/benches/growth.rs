//! The cost of `MySqlStore` with many users; see `auth_tests::server::bench::growth`.
//!
//! Run `scripts/bench/scale`, or `AUTH_TEST_MYSQL_URL=... USERS=10000,1000000 cargo bench -p
//! auth-mysql --bench growth`. It needs an administrator's account: it creates and drops databases
//! named `auth_scale_*`, and uses the slow log.

#![expect(clippy::cast_precision_loss, reason = "figures need no exact arithmetic")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot be set up must fail"
)]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use auth_mysql::{MySqlOptions, MySqlStore};
use auth_tests::server::bench::growth::{FIRST_ID, REST_OF_ID, SCATTER, Table, expired, measure, tag_pads};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, Row as _};

/// Rows of one insert.
const BATCH: u64 = 100_000;

/// SQL that computes the tag of the first token of the session `id`: HMAC-SHA-256 of two hashes, with a key of one block.
fn tag() -> String {
    let [inner, outer] = tag_pads();
    format!(
        "LEFT(UNHEX(SHA2(CONCAT(x'{outer}', UNHEX(SHA2(CONCAT(x'{inner}', 'refresh-tag/v2', id, x'00000000', \
         REPEAT(x'11', 16)), 256))), 256)), 16)"
    )
}

struct MySql {
    store: MySqlStore,
    connection: MySqlConnection,
    database: String,
    users: u64,
}

impl MySql {
    fn users_from(&self, first: u64, password_hash: &str) -> String {
        format!(
            "INSERT INTO auth_users (id, email_canonical, email, name, password_hash, password_changed_at, epoch, \
             status, email_verified_at, created_at) SELECT UNHEX(CONCAT(LPAD(HEX({FIRST_ID} + n), 12, '0'), \
             '{REST_OF_ID}')), CONCAT('user', (n * {SCATTER}) % {users}, '@example.com'), \
             CONCAT('user', (n * {SCATTER}) % {users}, '@example.com'), 'Ada Lovelace', '{password_hash}', \
             UTC_TIMESTAMP(6), 1, 'active', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) \
             FROM (SELECT n + {first} AS n FROM numbers) numbers WHERE n < {users} ORDER BY n",
            users = self.users
        )
    }

    /// Sessions ordered by their end, of scattered users.
    fn sessions_from(&self, first: u64) -> String {
        format!(
            "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
             idle_expires_at, expires_at, ip, user_agent) SELECT id, user, 1, 0, UNHEX(SHA2(CONCAT('refresh/v2', \
             x'0000000000000010', id, x'0000000000000010', user, x'0000000000000020', REPEAT(x'11', 16), {tag}), 256)), \
             at - INTERVAL 7 DAY, at - INTERVAL 7 DAY, at, at + INTERVAL 23 DAY, '192.0.2.7', \
             'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0' \
             FROM (SELECT UNHEX(CONCAT(LPAD(HEX({FIRST_ID} + n + {first}), 12, '0'), '{REST_OF_ID}')) AS id, \
             UNHEX(CONCAT(LPAD(HEX({FIRST_ID} + ((n + {first}) * {SCATTER}) % {users}), 12, '0'), '{REST_OF_ID}')) \
             AS user, IF(n + {first} < {expired}, UTC_TIMESTAMP(6) - INTERVAL 1 DAY, UTC_TIMESTAMP(6) + INTERVAL 1 DAY) \
             + INTERVAL n + {first} MICROSECOND AS at FROM numbers WHERE n + {first} < {users} ORDER BY n) numbers",
            tag = tag(),
            users = self.users,
            expired = expired(self.users)
        )
    }
}

impl Table for MySql {
    type Store = MySqlStore;

    async fn filled(url: &str, users: u64, password_hash: &str) -> Self {
        let database = format!("auth_scale_{users}");
        let mut connection = connect(url).await;
        // Only later connections use this setting.
        let slow =
            "SET GLOBAL log_output = 'TABLE', GLOBAL slow_query_log = 1, GLOBAL long_query_time = 0.05";
        run(&mut connection, slow.to_owned()).await;
        commits_wait(&mut connection, false).await;
        for sql in [format!("DROP DATABASE IF EXISTS {database}"), format!("CREATE DATABASE {database}")] {
            run(&mut connection, sql).await;
        }
        let mut own: url::Url = url.parse().unwrap();
        own.set_path(&database);
        let store = MySqlOptions::from_url(own.as_str()).unwrap().connections(16).open().await.unwrap();
        let mut connection = connect(own.as_str()).await;
        let numbers = format!(
            "CREATE TABLE numbers (n BIGINT PRIMARY KEY); INSERT INTO numbers WITH digits (d) AS ({}) \
             SELECT a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d \
             FROM digits a, digits b, digits c, digits d, digits e",
            (0..10).map(|digit| format!("SELECT {digit}")).collect::<Vec<_>>().join(" UNION ALL ")
        );
        run(&mut connection, numbers).await;
        let table = Self { store, connection, database, users };
        tokio::join!(
            insert(own.as_str(), users, |first| table.users_from(first, password_hash)),
            insert(own.as_str(), users, |first| table.sessions_from(first)),
        );
        table
    }

    fn store(&self) -> &MySqlStore {
        &self.store
    }

    fn users(&self) -> u64 {
        self.users
    }

    async fn insert_expired(&mut self, count: u64) {
        let sql = format!(
            "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
             idle_expires_at, expires_at, ip, user_agent) SELECT RANDOM_BYTES(16), user_id, epoch, generation, digest, \
             created_at, rotated_at, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, expires_at, ip, user_agent \
             FROM auth_sessions WHERE ends_at > UTC_TIMESTAMP(6) LIMIT {count}"
        );
        run(&mut self.connection, sql).await;
    }

    async fn bytes(&mut self, table: &str) -> u64 {
        let database = &self.database;
        // MariaDB's and MySQL's names of the view.
        for view in ["innodb_sys_tablespaces", "innodb_tablespaces"] {
            let sql = format!(
                "SELECT CAST(file_size AS SIGNED) FROM information_schema.{view} WHERE name = '{database}/{table}'"
            );
            if let Ok(row) = self.connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql))).await {
                return u64::try_from(row.get::<i64, _>(0)).unwrap();
            }
        }
        panic!("the size of {table} cannot be read");
    }

    async fn warmed(&mut self) {
        for index in ["PRIMARY", "auth_users_email"] {
            run(
                &mut self.connection,
                format!(
                    "SELECT COUNT(DISTINCT LENGTH(email_canonical)) FROM auth_users FORCE INDEX ({index})"
                ),
            )
            .await;
        }
        for (index, column) in
            [("PRIMARY", "digest"), ("auth_sessions_of_user", "user_id"), ("auth_sessions_by_end", "ends_at")]
        {
            run(
                &mut self.connection,
                format!("SELECT COUNT(DISTINCT LENGTH({column})) FROM auth_sessions FORCE INDEX ({index})"),
            )
            .await;
        }
    }

    async fn commits_wait(&mut self, wait: bool) {
        commits_wait(&mut self.connection, wait).await;
    }

    async fn settled(&mut self) {
        run(&mut self.connection, "SET GLOBAL innodb_max_dirty_pages_pct = 0".to_owned()).await;
        let dirty = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'";
        loop {
            let row = self.connection.fetch_one(sqlx::raw_sql(dirty)).await.unwrap();
            if row.get_unchecked::<String, _>(1).parse::<u64>().unwrap() < 100 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        run(&mut self.connection, "SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT".to_owned()).await;
    }

    async fn forget_slow(&mut self) {
        run(&mut self.connection, "TRUNCATE mysql.slow_log".to_owned()).await;
    }

    async fn slow(&mut self) -> (i64, f64) {
        let named = "SELECT CAST(CONCAT(start_time, ' ', query_time, ' ', LEFT(sql_text, 60)) AS CHAR) \
            FROM mysql.slow_log WHERE db = ?";
        let rows =
            sqlx::query(named).bind(self.database.clone()).fetch_all(&mut self.connection).await.unwrap();
        for row in rows {
            eprintln!("over 50 ms: {}", row.get_unchecked::<String, _>(0));
        }
        // On some servers the time has whole seconds only.
        let slow = "SELECT COUNT(*), CAST(IFNULL(1000000 * FLOOR(TIME_TO_SEC(MAX(query_time))) + \
            MICROSECOND(MAX(query_time)), 0) AS SIGNED) FROM mysql.slow_log WHERE db = ?";
        let row =
            sqlx::query(slow).bind(self.database.clone()).fetch_one(&mut self.connection).await.unwrap();
        (row.get(0), row.get::<i64, _>(1) as f64 / 1e3)
    }

    async fn dropped(mut self) {
        self.store.close().await;
        run(&mut self.connection, format!("DROP DATABASE {}", self.database)).await;
    }
}

async fn insert(url: &str, rows: u64, batch: impl Fn(u64) -> String) {
    let mut connection = connect(url).await;
    let unchecked = "SET unique_checks = 0, foreign_key_checks = 0";
    run(&mut connection, unchecked.to_owned()).await;
    for first in (0..rows).step_by(usize::try_from(BATCH).unwrap()) {
        run(&mut connection, batch(first)).await;
    }
}

/// Opens a connection outside any store.
async fn connect(url: &str) -> MySqlConnection {
    let mut connection = url.parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
    MySqlStore::prepare(&mut connection).await.unwrap();
    connection
}

async fn run(connection: &mut MySqlConnection, sql: String) {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
}

async fn commits_wait(connection: &mut MySqlConnection, wait: bool) {
    run(connection, format!("SET GLOBAL innodb_flush_log_at_trx_commit = {}", u8::from(wait))).await;
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let url = env::var("AUTH_TEST_MYSQL_URL").expect("AUTH_TEST_MYSQL_URL names the server");
    measure::<MySql>(&url).await
}
