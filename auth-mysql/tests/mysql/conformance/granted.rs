//! The conformance suite again, with the rights of `grants.sql` and no others.

use std::sync::Arc;
use std::time::Duration;

use auth_core::{Clock as _, SystemClock, SystemRandom, UserId};
use auth_mysql::MySqlStore;
use auth_tests::server::service;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::sync::OnceCell;

use crate::round_robin::RoundRobin;
use crate::server;

/// Grants these rights to an account; returns its URL on each node. An administrator created the
/// tables.
async fn grant(purpose: &str) -> Vec<String> {
    let scratch = server::Scratch::new(purpose).await;
    MySqlStore::connect(scratch.url()).await.unwrap().close().await;
    // The account stays on the server, so its password is random.
    let password = UserId::generate(SystemClock.now(), &SystemRandom).unwrap();
    let (database, account) = (scratch.name(), format!("{}_app", scratch.name()));
    let mut administrator = server::connect(scratch.url()).await;
    let grants = include_str!("../../../grants.sql").lines().filter(|line| line.starts_with("GRANT"));
    let grants =
        grants.map(|grant| grant.replace("auth_app", &account).replace("shop.", &format!("{database}.")));
    let made = [
        "CREATE TABLE orders (id INT PRIMARY KEY)".to_owned(),
        format!("DROP USER IF EXISTS '{account}'@'%'"),
        format!("CREATE USER '{account}'@'%' IDENTIFIED BY '{password}'"),
    ];
    for sql in made.into_iter().chain(grants) {
        administrator.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
    server::wait_for_all_nodes().await;
    let mut urls = Vec::new();
    for node in server::urls() {
        let mut url: url::Url = scratch.on(&node).parse().unwrap();
        url.set_username(&account).unwrap();
        url.set_password(Some(&password.to_string())).unwrap();
        urls.push(url.into());
    }
    urls
}

/// The database of the suite alone: another test's clean-up would delete the suite's records.
async fn urls() -> &'static [String] {
    static URLS: OnceCell<Vec<String>> = OnceCell::const_new();
    URLS.get_or_init(|| grant("granted")).await
}

async fn store() -> Arc<RoundRobin> {
    Arc::new(RoundRobin::open(urls().await).await)
}

async fn handles() -> [Arc<RoundRobin>; 2] {
    [store().await, store().await]
}

auth_testkit::store_tests!(handles());

#[tokio::test]
async fn a_service_works_with_the_granted_rights() {
    let store = server::open(&grant("granted_flows").await[0]).await;
    tokio::time::timeout(Duration::from_mins(1), service::use_all_flows(store)).await.unwrap();
}

#[tokio::test]
async fn every_other_statement_is_forbidden() {
    let mut account = server::connect(&urls().await[0]).await;
    for sql in [
        "DROP TABLE auth_users",
        "TRUNCATE TABLE auth_sessions",
        "ALTER TABLE auth_users ADD COLUMN more INT",
        "CREATE INDEX more ON auth_users (epoch)",
        "CREATE TABLE auth_more (id INT PRIMARY KEY)",
        "CREATE TRIGGER more BEFORE DELETE ON auth_users FOR EACH ROW SET @gone = 1",
        "UPDATE auth_migrations SET success = 0",
        "DELETE FROM auth_migrations",
        "SELECT * FROM orders",
        "INSERT INTO orders VALUES (1)",
        "SELECT * FROM mysql.user",
        "GRANT SELECT ON auth_users TO 'auth_test_granted_app'@'%'",
        "CREATE USER 'auth_test_more'@'%' IDENTIFIED BY 'x'",
        "DROP DATABASE auth_test_granted",
        "SET GLOBAL max_connections = 1",
    ] {
        let refused = account.execute(sqlx::raw_sql(sql)).await.expect_err(sql);
        let number = refused.as_database_error().unwrap().downcast_ref::<MySqlDatabaseError>().number();
        // Access denied: to the database, to the table, for lack of a privilege, or of the one to
        // create triggers.
        assert!([1044, 1142, 1227, 1419].contains(&number), "{sql}: {refused}");
    }
}
