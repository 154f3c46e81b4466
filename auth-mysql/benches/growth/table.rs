//! A database with many users and one session each, which are found by number.

use std::time::Duration;

use auth_core::{Email, RandomError, RandomSource, RefreshKeys, RefreshToken, RootSecret, SessionId};
use auth_mysql::{MySqlOptions, MySqlStore};
use hkdf::Hkdf;
use sha2::Sha256;
use sqlx::{AssertSqlSafe, Executor as _, MySqlConnection, Row as _};

use crate::service::{SECRET, connect};

/// A factor that scatters numbers. It is coprime to all powers of ten, so that each number of a
/// table occurs once.
const SCATTER: u64 = 6_180_339_887;
/// Rows of one insert.
const BATCH: u64 = 100_000;

/// The milliseconds of the first `UUIDv7`, and the remaining digits of all ids.
const FIRST_ID: u64 = 0x0190_0000_0000;
const REST_OF_ID: &str = "70008000000000000000";

/// A random source that makes one link for all sessions, so that SQL can compute their digests.
#[derive(Debug)]
struct Ones;

impl RandomSource for Ones {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        buffer.fill(0x11);
        Ok(())
    }
}

/// SQL that computes the tag of the first token of the session `id`: HMAC-SHA-256 of two hashes, with a key of one block.
fn tag() -> String {
    let mut key = [0_u8; 64];
    Hkdf::<Sha256>::new(None, SECRET.as_bytes()).expand(b"auth-core/refresh-tag/v2", &mut key).unwrap();
    let pad = |byte: u8| key.iter().fold(String::new(), |hex, part| hex + &format!("{:02x}", part ^ byte));
    format!(
        "LEFT(UNHEX(SHA2(CONCAT(x'{}', UNHEX(SHA2(CONCAT(x'{}', 'refresh-tag/v2', id, x'00000000', \
         REPEAT(x'11', 16)), 256))), 256)), 16)",
        pad(0x5c),
        pad(0x36)
    )
}

pub(crate) struct Table {
    pub(crate) store: MySqlStore,
    pub(crate) connection: MySqlConnection,
    pub(crate) database: String,
    pub(crate) users: u64,
}

impl Table {
    /// Creates and fills a database. A tenth of the sessions is expired; in a small table, half.
    pub(crate) async fn filled(url: &str, users: u64, password_hash: &str) -> Self {
        let database = format!("auth_scale_{users}");
        let mut connection = connect(url).await;
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

    pub(crate) fn expired(&self) -> u64 {
        (self.users / 10 + 20_000).min(self.users / 2)
    }

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
            expired = self.expired()
        )
    }

    /// Inserts this number of expired sessions, of users scattered as all.
    pub(crate) async fn insert_expired(&mut self, count: u64) {
        let sql = format!(
            "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
             idle_expires_at, expires_at, ip, user_agent) SELECT RANDOM_BYTES(16), user_id, epoch, generation, digest, \
             created_at, rotated_at, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, expires_at, ip, user_agent \
             FROM auth_sessions WHERE ends_at > UTC_TIMESTAMP(6) LIMIT {count}"
        );
        run(&mut self.connection, sql).await;
    }

    /// The address of a user, a different one for each number.
    pub(crate) fn email(&self, number: u64) -> Email {
        Email::parse(&format!("user{}@example.com", number * SCATTER % self.users)).unwrap()
    }

    /// The number of a session that is not expired, a different one for each number.
    pub(crate) fn live(&self, number: u64) -> u64 {
        self.expired() + number * SCATTER % (self.users - self.expired())
    }

    /// The first refresh token of a session.
    pub(crate) fn first_token(number: u64) -> String {
        let keys = RefreshKeys::new(&RootSecret::new(SECRET).unwrap());
        RefreshToken::first(SessionId::from_bytes(id(number)), &keys, &Ones).unwrap().expose().to_string()
    }

    /// Reads all indexes once, to fill the server's buffer pool.
    pub(crate) async fn warmed(&mut self) {
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

    /// The bytes on disk of a table with its indexes.
    pub(crate) async fn bytes(&mut self, table: &str) -> u64 {
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

    pub(crate) async fn dropped(mut self) {
        self.store.close().await;
        run(&mut self.connection, format!("DROP DATABASE {}", self.database)).await;
    }
}

fn id(number: u64) -> [u8; 16] {
    let rest = u128::from_str_radix(REST_OF_ID, 16).unwrap();
    (u128::from(FIRST_ID + number) << 80 | rest).to_be_bytes()
}

async fn insert(url: &str, rows: u64, batch: impl Fn(u64) -> String) {
    let mut connection = connect(url).await;
    let unchecked = "SET unique_checks = 0, foreign_key_checks = 0";
    run(&mut connection, unchecked.to_owned()).await;
    for first in (0..rows).step_by(usize::try_from(BATCH).unwrap()) {
        run(&mut connection, batch(first)).await;
    }
}

/// Waits until the server has written its changed pages to disk, so that the next measurement does
/// not run beside that work.
pub(crate) async fn flush_pages(connection: &mut MySqlConnection) {
    run(connection, "SET GLOBAL innodb_max_dirty_pages_pct = 0".to_owned()).await;
    let dirty = "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'";
    loop {
        let row = connection.fetch_one(sqlx::raw_sql(dirty)).await.unwrap();
        if row.get_unchecked::<String, _>(1).parse::<u64>().unwrap() < 100 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    run(connection, "SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT".to_owned()).await;
}

pub(crate) async fn run(connection: &mut MySqlConnection, sql: String) {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
}
