//! Making and emptying databases on MySQL.

use auth_mysql::MySqlStore;
use sqlx::mysql::{MySqlConnectOptions, MySqlDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};
use url::Url;

pub(super) struct MySql(MySqlConnection);

impl MySql {
    pub(super) async fn connect(server: &Url) -> Self {
        Self(server.as_str().parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap())
    }

    pub(super) async fn lock(&mut self, name: &str) -> bool {
        let lock = sqlx::query_scalar::<_, Option<i64>>("SELECT GET_LOCK(?, 0)").bind(name);
        lock.fetch_one(&mut self.0).await.unwrap() == Some(1)
    }

    pub(super) async fn make(&mut self, name: &str, url: &Url) {
        // What an earlier process left may have older tables.
        self.run(format!("DROP DATABASE IF EXISTS {name}")).await;
        self.run(format!("CREATE DATABASE {name}")).await;
        MySqlStore::connect(url.as_str()).await.unwrap().close().await;
    }

    pub(super) async fn nobody_is_in(&mut self, name: &str) -> bool {
        let inside = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = ?";
        match sqlx::query_scalar::<_, i64>(inside).bind(name).fetch_one(&mut self.0).await {
            // MySQL's list fails while somebody, anywhere, runs a statement with bytes in it: so it may be here.
            Err(sqlx::Error::Database(error))
                if error.downcast_ref::<MySqlDatabaseError>().number() == 3854 =>
            {
                false
            }
            inside => inside.unwrap() == 0,
        }
    }

    pub(super) async fn delete_all(&mut self, name: &str) {
        let tables = "SELECT CONVERT(table_name USING utf8mb4) FROM information_schema.tables \
                      WHERE table_schema = ? AND table_name <> 'auth_migrations'";
        let tables: Vec<String> = sqlx::query_scalar(tables).bind(name).fetch_all(&mut self.0).await.unwrap();
        for table in tables {
            self.run(format!("DELETE FROM {name}.{table}")).await;
        }
    }

    async fn run(&mut self, sql: String) {
        self.0.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
}
