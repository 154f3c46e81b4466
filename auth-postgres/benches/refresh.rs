//! The cost of a refresh through `Auth` and `PgStore`; see `auth_tests::server::bench::refresh`.
//!
//! Run `scripts/bench/refresh`, or `AUTH_TEST_POSTGRES_URL=... cargo bench -p auth-postgres --bench refresh` on
//! a database that may be filled.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot be set up must fail")]

use std::env;
use std::process::ExitCode;

use async_trait::async_trait;
use auth_core::{Clock as _, SessionId, SystemClock};
use auth_postgres::{PgOptions, PgStore};
use auth_tests::server::bench::refresh::{Bare, Floor, measure};
use chrono::TimeDelta;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, PgConnection, Row as _};

struct Postgres {
    options: PgConnectOptions,
}

#[async_trait]
impl Floor for Postgres {
    async fn connect(&self, session: SessionId) -> Box<dyn Bare> {
        let mut connection = self.options.clone().connect().await.unwrap();
        PgStore::prepare(&mut connection).await.unwrap();
        Box::new(Held { connection, session })
    }
}

struct Held {
    connection: PgConnection,
    session: SessionId,
}

#[async_trait]
impl Bare for Held {
    async fn refresh(&mut self) {
        let read = "SELECT session.id, user_id, session.epoch, generation, digest, session.created_at, \
            rotated_at, idle_expires_at, expires_at, ip, user_agent, owner.id, email_canonical, email, name, \
            password_hash, password_changed_at, owner.epoch, status, email_verified_at, contested_at, \
            owner.created_at FROM auth_sessions session LEFT JOIN auth_users owner ON owner.id = user_id \
            WHERE session.id = $1";
        let id = self.session.as_bytes().as_slice();
        let row = sqlx::query(read).bind(id).fetch_one(&mut self.connection).await.unwrap();
        let (generation, digest) = (row.get::<i64, _>("generation"), row.get::<&[u8], _>("digest"));
        let now = SystemClock.now();
        let write = "UPDATE auth_sessions SET generation = $1, digest = $2, rotated_at = $3, \
            idle_expires_at = $4 WHERE id = $5 AND generation = $6 AND digest = $2";
        let write = sqlx::query(write).bind(generation + 1).bind(digest).bind(now);
        let write = write.bind(now + TimeDelta::days(7)).bind(id).bind(generation);
        assert_eq!(write.execute(&mut self.connection).await.unwrap().rows_affected(), 1);
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let url = env::var("AUTH_TEST_POSTGRES_URL").expect("AUTH_TEST_POSTGRES_URL names the server");
    let options: PgConnectOptions = url.parse().unwrap();
    let own = PgOptions::from_url(&url).unwrap().connections(32).open().await.unwrap();
    let shared = PgPoolOptions::new()
        .max_connections(32)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(PgStore::prepare(connection)));
    let shared = PgStore::from_pool(shared.connect_with(options.clone()).await.unwrap());
    measure(&own, &shared, &Postgres { options }).await
}
