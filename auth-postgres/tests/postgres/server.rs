//! The server of the tests.

use std::env;
use std::time::Duration;

use auth_postgres::{PgOptions, PgStore};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection, Row as _};
use url::Url;

/// The URL of the server, with a superuser.
pub(crate) fn url() -> String {
    env::var("AUTH_TEST_POSTGRES_URL").expect(
        "no server: run `scripts/test`, or set AUTH_TEST_POSTGRES_URL to postgres://user:password@host:port/database",
    )
}

/// Opens a store with few connections, because each case opens one.
pub(crate) async fn open(url: &str) -> PgStore {
    PgOptions::from_url(url).unwrap().connections(4).open().await.unwrap()
}

pub(crate) async fn store() -> PgStore {
    open(&url()).await
}

/// Opens a connection outside any store.
pub(crate) async fn connect(url: &str) -> PgConnection {
    let mut url: Url = url.parse().unwrap();
    url.set_query(None);
    url.as_str().parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
}

/// Runs statements whose text a test makes.
pub(crate) async fn run(connection: &mut PgConnection, sql: impl Into<String>) {
    let sql = sql.into();
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.clone()))).await.expect(&sql);
}

/// Waits until a statement of this database waits for a lock.
pub(crate) async fn until_waiting(observer: &mut PgConnection) {
    until_waiting_for(observer, "Lock").await;
}

/// Waits until a statement of this database waits for an event of this type.
pub(crate) async fn until_waiting_for(observer: &mut PgConnection, event: &str) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = $1";
    let found = async {
        while sqlx::query(waiting).bind(event).fetch_one(&mut *observer).await.unwrap().get::<i64, _>(0) == 0
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("the write waits");
}

/// An empty database on the server.
pub(crate) struct Scratch {
    name: String,
    url: String,
}

impl Scratch {
    pub(crate) async fn new(purpose: &str) -> Self {
        // A name has at most 63 bytes.
        let name = format!("auth_test_{}", &purpose[..purpose.len().min(50)]);
        let mut administrator = connect(&url()).await;
        run(&mut administrator, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        run(&mut administrator, format!("CREATE DATABASE {name}")).await;
        let mut url: Url = url().parse().unwrap();
        url.set_path(&name);
        Self { name, url: url.into() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The URL with another account, port or parameters.
    pub(crate) fn changed(&self, change: impl FnOnce(&mut Url)) -> String {
        let mut url: Url = self.url.parse().unwrap();
        change(&mut url);
        url.into()
    }
}
