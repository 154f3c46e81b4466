//! The counters of a MySQL server.

use std::env;

use auth_mysql::MySqlOptions;
use auth_tests::server::costs::{Counters, each_operation_costs_the_documented_statements};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, Row as _};

const DATABASE: &str = "auth_test_cost";

struct Observer(MySqlConnection);

impl Counters for Observer {
    async fn counts(&mut self) -> [i64; 3] {
        let sql = "SHOW GLOBAL STATUS WHERE variable_name IN ('Com_select', 'Com_insert', 'Com_update', \
            'Com_delete', 'Com_delete_multi', 'Com_begin', 'Com_commit', 'Com_rollback', 'Com_set_option', \
            'Com_admin_commands', 'Com_do')";
        let mut counts = [0; 3];
        for row in self.0.fetch_all(sqlx::raw_sql(sql)).await.unwrap() {
            let (name, count): (String, String) = (row.get(0), row.get(1));
            let kind = match &*name {
                "Com_select" => 0,
                "Com_insert" | "Com_update" | "Com_delete" | "Com_delete_multi" => 1,
                _ => 2,
            };
            counts[kind] += count.parse::<i64>().unwrap();
        }
        counts
    }
}

#[tokio::test]
async fn each_operation_costs_what_the_page_says() {
    let urls =
        env::var("AUTH_TEST_MYSQL_URL").expect("AUTH_TEST_MYSQL_URL names the server; run `scripts/test`");
    let mut url: url::Url = urls.split(',').next().unwrap().parse().unwrap();
    let mut observer = url.as_str().parse::<MySqlConnectOptions>().unwrap().connect().await.unwrap();
    let empty = format!("DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}");
    observer.execute(sqlx::raw_sql(AssertSqlSafe(empty))).await.unwrap();
    url.set_path(DATABASE);
    let store = MySqlOptions::from_url(url.as_str()).unwrap().connections(1).open().await.unwrap();
    let page = include_str!("../../../docs/mysql.md");
    each_operation_costs_the_documented_statements(store, Observer(observer), page).await;
}
