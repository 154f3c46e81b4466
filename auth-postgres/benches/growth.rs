//! The cost of `PgStore` with many users; see `auth_tests::server::bench::growth`.
//!
//! Run `scripts/bench/scale postgres`, or `AUTH_TEST_POSTGRES_URL=... USERS=10000,1000000 cargo bench -p
//! auth-postgres --bench growth`. It needs a superuser: it creates and drops databases named `auth_scale_*`,
//! and uses `pg_stat_statements`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot be set up must fail")]

use std::env;
use std::process::ExitCode;

use auth_postgres::{PgOptions, PgStore};
use auth_tests::server::bench::growth::{FIRST_ID, REST_OF_ID, SCATTER, Table, expired, measure, tag_pads};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _};

/// SQL for the id with a number.
fn id(number: &str) -> String {
    format!("decode(lpad(to_hex({FIRST_ID} + {number}), 12, '0') || '{REST_OF_ID}', 'hex')")
}

/// SQL that computes the tag of the first token of the session `id`: HMAC-SHA-256, with a key of one block.
fn tag() -> String {
    let [inner, outer] = tag_pads();
    format!(
        "substring(sha256('\\x{outer}'::bytea || sha256('\\x{inner}'::bytea || 'refresh-tag/v2'::bytea || id || \
         '\\x00000000'::bytea || '\\x{ones}'::bytea)) FROM 1 FOR 16)",
        ones = "11".repeat(16)
    )
}

struct Postgres {
    store: PgStore,
    connection: PgConnection,
    database: String,
    url: String,
    users: u64,
}

impl Table for Postgres {
    type Store = PgStore;

    async fn filled(url: &str, users: u64, password_hash: &str) -> Self {
        let database = format!("auth_scale_{users}");
        let mut administrator = connect(url).await;
        for sql in [
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements".to_owned(),
            format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"),
            format!("CREATE DATABASE {database}"),
        ] {
            run(&mut administrator, sql).await;
        }
        let mut own: url::Url = url.parse().unwrap();
        own.set_path(&database);
        let store = PgOptions::from_url(own.as_str()).unwrap().connections(16).open().await.unwrap();
        let mut connection = connect(own.as_str()).await;
        let last = users - 1;
        run(
            &mut connection,
            format!(
                "INSERT INTO auth_users (id, email_canonical, email, name, password_hash, password_changed_at, epoch, \
                 status, email_verified_at, created_at) SELECT {id}, address, address, 'Ada Lovelace', \
                 '{password_hash}', now(), 1, 'active', now(), now() FROM (SELECT n, \
                 'user' || (n * {SCATTER}) % {users} || '@example.com' AS address \
                 FROM generate_series(0::bigint, {last}) n) numbers",
                id = id("n")
            ),
        )
        .await;
        run(
            &mut connection,
            format!(
                "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
                 idle_expires_at, expires_at, ip, user_agent) SELECT id, owner, 1, 0, \
                 sha256('refresh/v2'::bytea || '\\x0000000000000010'::bytea || id || '\\x0000000000000010'::bytea || \
                 owner || '\\x0000000000000020'::bytea || '\\x{ones}'::bytea || {tag}), at - interval '7 days', \
                 at - interval '7 days', at, at + interval '23 days', '192.0.2.7', \
                 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0' \
                 FROM (SELECT {id} AS id, {owner} AS owner, now() + CASE WHEN n < {expired} THEN interval '-1 day' \
                 ELSE interval '1 day' END + n * interval '1 microsecond' AS at \
                 FROM generate_series(0::bigint, {last}) n) numbers",
                ones = "11".repeat(16),
                tag = tag(),
                id = id("n"),
                owner = id(&format!("(n * {SCATTER}) % {users}")),
                expired = expired(users),
            ),
        )
        .await;
        run(&mut connection, "VACUUM ANALYZE".to_owned()).await;
        Self { store, connection, database, url: url.to_owned(), users }
    }

    fn store(&self) -> &PgStore {
        &self.store
    }

    fn users(&self) -> u64 {
        self.users
    }

    async fn insert_expired(&mut self, count: u64) {
        let sql = format!(
            "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, rotated_at, \
             idle_expires_at, expires_at, ip, user_agent) SELECT uuid_send(gen_random_uuid()), user_id, epoch, \
             generation, digest, created_at, rotated_at, now() - interval '1 hour', expires_at, ip, user_agent \
             FROM auth_sessions WHERE idle_expires_at > now() LIMIT {count}"
        );
        run(&mut self.connection, sql).await;
    }

    async fn bytes(&mut self, table: &str) -> u64 {
        let size = sqlx::query_scalar::<_, i64>("SELECT pg_total_relation_size($1::regclass)").bind(table);
        u64::try_from(size.fetch_one(&mut self.connection).await.unwrap()).unwrap()
    }

    async fn warmed(&mut self) {
        run(&mut self.connection, "CREATE EXTENSION IF NOT EXISTS pg_prewarm".to_owned()).await;
        let all = "SELECT count(pg_prewarm(oid)) FROM pg_class WHERE relname LIKE 'auth\\_%' AND relkind IN ('r', 'i')";
        run(&mut self.connection, all.to_owned()).await;
    }

    /// The store forces `on`; without `fsync` that waits for nothing.
    async fn commits_wait(&mut self, wait: bool) {
        run(&mut self.connection, format!("ALTER SYSTEM SET fsync = {wait}")).await;
        run(&mut self.connection, "SELECT pg_reload_conf()".to_owned()).await;
    }

    async fn settled(&mut self) {
        run(&mut self.connection, "CHECKPOINT".to_owned()).await;
    }

    async fn forget_slow(&mut self) {
        let mut administrator = connect(&self.url).await;
        run(&mut administrator, "SELECT pg_stat_statements_reset()".to_owned()).await;
        administrator.close().await.unwrap();
    }

    async fn slow(&mut self) -> (i64, f64) {
        let mut administrator = connect(&self.url).await;
        // A kind of statement whose slowest took over 50 ms counts once.
        let sql = "SELECT count(*) FILTER (WHERE max_exec_time > 50), coalesce(max(max_exec_time), 0) \
            FROM pg_stat_statements JOIN pg_database ON oid = dbid WHERE datname = $1";
        let row = sqlx::query(sql).bind(&self.database).fetch_one(&mut administrator).await.unwrap();
        administrator.close().await.unwrap();
        (row.get(0), row.get(1))
    }

    async fn dropped(self) {
        self.store.close().await;
        self.connection.close().await.unwrap();
        run(&mut connect(&self.url).await, format!("DROP DATABASE {} WITH (FORCE)", self.database)).await;
    }
}

async fn connect(url: &str) -> PgConnection {
    url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: String) {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let url = env::var("AUTH_TEST_POSTGRES_URL").expect("AUTH_TEST_POSTGRES_URL names the server");
    measure::<Postgres>(&url).await
}
