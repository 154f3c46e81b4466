//! The conformance suite again, with the rights of `grants.sql` and no others.

use std::sync::Arc;
use std::time::Duration;

use auth_core::{Clock as _, SystemClock, SystemRandom, UserId};
use auth_postgres::PgStore;
use auth_tests::server::service;
use sqlx::Executor as _;
use tokio::sync::OnceCell;

use crate::server::{self, Scratch, run};

/// Grants these rights to a role; returns its URL. An administrator created the tables.
async fn grant(purpose: &str) -> String {
    let scratch = Scratch::new(purpose).await;
    PgStore::connect(scratch.url()).await.unwrap().close().await;
    // The role stays on the server, so its password is random.
    let password = UserId::generate(SystemClock.now(), &SystemRandom).unwrap();
    let role = format!("{}_app", scratch.name());
    let mut administrator = server::connect(scratch.url()).await;
    let exists = format!("SELECT 1 FROM pg_roles WHERE rolname = '{role}'");
    let exists = administrator.fetch_optional(sqlx::raw_sql(sqlx::AssertSqlSafe(exists))).await.unwrap();
    if exists.is_none() {
        run(&mut administrator, format!("CREATE ROLE {role} LOGIN")).await;
    }
    run(&mut administrator, format!("ALTER ROLE {role} PASSWORD '{password}'")).await;
    run(&mut administrator, "CREATE TABLE orders (id int PRIMARY KEY)").await;
    let grants = include_str!("../../../grants.sql").replace("auth_app", &role);
    run(&mut administrator, grants).await;
    scratch.changed(|url| {
        url.set_username(&role).unwrap();
        url.set_password(Some(&password.to_string())).unwrap();
    })
}

/// The database of the suite alone: another test's clean-up would delete the suite's records.
async fn url() -> &'static str {
    static URL: OnceCell<String> = OnceCell::const_new();
    URL.get_or_init(|| grant("granted")).await
}

async fn handles() -> [Arc<PgStore>; 2] {
    [server::open(url().await).await.into(), server::open(url().await).await.into()]
}

auth_testkit::store_tests!(handles());

#[tokio::test]
async fn a_service_works_with_the_granted_rights() {
    let store = server::open(&grant("granted_flows").await).await;
    tokio::time::timeout(Duration::from_mins(1), service::use_all_flows(store)).await.unwrap();
}

#[tokio::test]
async fn every_other_statement_is_forbidden() {
    let mut account = server::connect(url().await).await;
    for sql in [
        "DROP TABLE auth_users",
        "TRUNCATE TABLE auth_sessions",
        "ALTER TABLE auth_users ADD COLUMN more int",
        "CREATE INDEX more ON auth_users (epoch)",
        "CREATE TABLE auth_more (id int PRIMARY KEY)",
        "UPDATE auth_migrations SET success = false",
        "DELETE FROM auth_migrations",
        "SELECT * FROM orders",
        "INSERT INTO orders VALUES (1)",
        "SELECT * FROM pg_authid",
        "CREATE ROLE auth_test_more LOGIN",
        "DROP DATABASE auth_test_granted",
        "ALTER SYSTEM SET max_connections = 1",
    ] {
        let refused = account.execute(sqlx::raw_sql(sql)).await.expect_err(sql);
        let code = refused.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{sql}: {refused}");
    }
}
