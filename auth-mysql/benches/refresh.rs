//! The cost of a refresh through `Auth` and `MySqlStore`; see `auth_tests::server::bench::refresh`.
//!
//! Run `scripts/bench/refresh`, or `AUTH_TEST_MYSQL_URL=... cargo bench -p auth-mysql --bench refresh` on a
//! database that may be filled.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot be set up must fail")]

use std::env;
use std::process::ExitCode;

use async_trait::async_trait;
use auth_core::{Clock as _, SessionId, SystemClock};
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_tests::server::bench::refresh::{Bare, Floor, measure};
use chrono::TimeDelta;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{ConnectOptions as _, MySqlConnection, Row as _};

struct MySql {
    url: String,
}

#[async_trait]
impl Floor for MySql {
    async fn connect(&self, session: SessionId) -> Box<dyn Bare> {
        let mut connection = self.url.parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
        MySqlStore::prepare(&mut connection).await.unwrap();
        Box::new(Held { connection, session: *session.as_bytes() })
    }
}

struct Held {
    connection: MySqlConnection,
    session: [u8; 16],
}

const BOTH: &str = "SELECT session.id, user_id, session.epoch, generation, digest, session.created_at, rotated_at, \
    idle_expires_at, expires_at, ip, user_agent, owner.id, email_canonical, email, name, password_hash, \
    password_changed_at, owner.epoch, status, email_verified_at, contested_at, owner.created_at \
    FROM auth_sessions session LEFT JOIN auth_users owner ON owner.id = user_id WHERE session.id = ?";
const ROTATE: &str = "UPDATE auth_sessions SET generation = ?, digest = ?, rotated_at = ?, idle_expires_at = ? \
    WHERE id = ? AND generation = ? AND digest = ?";

#[async_trait]
impl Bare for Held {
    async fn refresh(&mut self) {
        let Self { connection, session } = self;
        let row = sqlx::query(BOTH).bind(&session[..]).fetch_one(&mut *connection).await.unwrap();
        let (generation, digest): (u32, Vec<u8>) = (row.get("generation"), row.get("digest"));
        let now = SystemClock.now().naive_utc();
        let rotate = sqlx::query(ROTATE).bind(generation + 1).bind(&digest).bind(now);
        let rotate = rotate.bind(now + TimeDelta::days(7)).bind(&session[..]).bind(generation).bind(&digest);
        assert_eq!(rotate.execute(connection).await.unwrap().rows_affected(), 1);
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let url = env::var("AUTH_TEST_MYSQL_URL").expect("AUTH_TEST_MYSQL_URL names the server");
    let own = MySqlOptions::from_url(&url).unwrap().connections(32).open().await.unwrap();
    let shared = MySqlPoolOptions::new()
        .max_connections(32)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(MySqlStore::prepare(connection)))
        .connect_with(url.parse::<MySqlConnectOptions>().unwrap());
    let shared = MySqlStore::from_pool(shared.await.unwrap());
    measure(&own, &shared, &MySql { url }).await
}
