//! The servers of the tests.

use std::env;

use auth_mysql::{MySqlOptions, MySqlStore};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};

/// The URLs of the server, with an administrator's account: one, or one per node of a cluster.
pub(crate) fn urls() -> Vec<String> {
    let urls = env::var("AUTH_TEST_MYSQL_URL").unwrap_or_default();
    assert!(
        !urls.is_empty(),
        "no server: run `scripts/test`, or set AUTH_TEST_MYSQL_URL to mysql://user:password@host:port/database \
         (for a cluster, one URL per node, separated by commas)"
    );
    urls.split(',').map(str::to_owned).collect()
}

/// Opens a store with few connections, because each case opens one.
pub(crate) async fn open(url: &str) -> MySqlStore {
    MySqlOptions::from_url(url).unwrap().connections(4).open().await.unwrap()
}

/// Opens a store on the first node.
pub(crate) async fn store() -> MySqlStore {
    open(&urls()[0]).await
}

/// Opens a connection outside any store, to the first node.
pub(crate) async fn raw_connection() -> MySqlConnection {
    connect(&urls()[0]).await
}

/// Opens a connection outside any store.
pub(crate) async fn connect(url: &str) -> MySqlConnection {
    try_connect(url).await.unwrap()
}

/// Opens a connection to a server that may not answer.
pub(crate) async fn try_connect(url: &str) -> Result<MySqlConnection, sqlx::Error> {
    url.parse::<MySqlConnectOptions>()?.connect().await
}

/// Waits until all nodes of a cluster have applied all writes. Connecting does not wait for new
/// accounts and databases.
pub(crate) async fn wait_for_all_nodes() {
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
            raw_connection().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
        }
        let mut scratch = Self { name, url: String::new() };
        scratch.url = scratch.on(&urls()[0]);
        wait_for_all_nodes().await;
        scratch
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The URL of this database on another node.
    pub(crate) fn on(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_path(&self.name);
        url.into()
    }
}
