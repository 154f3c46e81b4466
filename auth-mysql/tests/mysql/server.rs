//! The servers to test with.

use std::env;

use auth_mysql::{MySqlOptions, MySqlStore};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};

/// The nodes of the server, of an account that may do everything in its database. One, or those of a
/// cluster.
pub(crate) fn urls() -> Vec<String> {
    let urls = env::var("AUTH_TEST_MYSQL_URL").unwrap_or_default();
    assert!(
        !urls.is_empty(),
        "no server to test with: run `scripts/test`, or set AUTH_TEST_MYSQL_URL to \
         mysql://user:password@host:port/database (the nodes of a cluster divided by commas)"
    );
    urls.split(',').map(str::to_owned).collect()
}

/// A store over few connections, because every case makes its own.
pub(crate) async fn open(url: &str) -> MySqlStore {
    MySqlOptions::from_url(url).unwrap().connections(4).open().await.unwrap()
}

/// A store on the first node.
pub(crate) async fn store() -> MySqlStore {
    open(&urls()[0]).await
}

/// A connection that no store knows of, to the first node.
pub(crate) async fn stranger() -> MySqlConnection {
    connect(&urls()[0]).await
}

/// A connection that no store knows of.
pub(crate) async fn connect(url: &str) -> MySqlConnection {
    try_connect(url).await.unwrap()
}

/// The same, to a server that may not answer.
pub(crate) async fn try_connect(url: &str) -> Result<MySqlConnection, sqlx::Error> {
    url.parse::<MySqlConnectOptions>()?.connect().await
}

/// Comes back when all nodes of a cluster have heard of what was made, as a log-in does not wait for.
pub(crate) async fn hear_of_everything() {
    let urls = urls();
    for url in urls.iter().filter(|_| urls.len() > 1) {
        let mut node = connect(url).await;
        node.execute("SET SESSION wsrep_sync_wait = 7").await.unwrap();
        node.execute("SELECT COUNT(*) FROM mysql.user").await.unwrap();
    }
}

/// An empty database on the server.
pub(crate) struct Scratch {
    name: String,
    url: String,
}

impl Scratch {
    pub(crate) async fn new(purpose: &str) -> Self {
        let name = format!("auth_test_{purpose}");
        for sql in [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")] {
            stranger().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        }
        let mut scratch = Self { name, url: String::new() };
        scratch.url = scratch.on(&urls()[0]);
        hear_of_everything().await;
        scratch
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same database on another node.
    pub(crate) fn on(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_path(&self.name);
        url.into()
    }
}
