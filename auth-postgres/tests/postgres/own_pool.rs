//! A pool and a schema of the service: its own migrations and tables stand beside those of the store.

use auth_core::{Outbox as _, TokenStore as _};
use auth_postgres::{OpenError, PgOptions, PgStore};
use auth_testkit::samples;
use auth_tests::server::service;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgPool, Row as _, SqlSafeStr as _};

use crate::server::{self, Scratch, run};

async fn pool(url: &str, schema: &str) -> PgPool {
    let options: PgConnectOptions = url.parse().unwrap();
    PgPoolOptions::new()
        .max_connections(4)
        .after_connect(|connection, _| Box::pin(PgStore::prepare(connection)))
        .connect_with(options.options([("search_path", schema)]))
        .await
        .unwrap()
}

/// The service's own migrations, as sqlx makes them.
fn migrations() -> Migrator {
    let sql = "CREATE TABLE orders (id bigint PRIMARY KEY)".into_sql_str();
    Migrator::with_migrations(vec![Migration::new(1, "orders".into(), MigrationType::Simple, sql, false)])
}

async fn tables(scratch: &Scratch, schema: &str) -> Vec<String> {
    let mut observer = server::connect(scratch.url()).await;
    let sql = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1 ORDER BY 1";
    let rows = sqlx::query(sql).bind(schema).fetch_all(&mut observer).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

const AUTH: [&str; 5] =
    ["auth_migrations", "auth_one_time_tokens", "auth_outbox", "auth_sessions", "auth_users"];

#[tokio::test]
async fn a_service_keeps_its_own_migrations_in_the_same_database() {
    let scratch = Scratch::new("beside").await;
    let pool = pool(scratch.url(), "public").await;
    // At once, in either order, twice.
    for _ in 0..2 {
        let store = PgStore::from_pool(pool.clone());
        let (own, theirs) = (migrations(), pool.clone());
        let (own, auth) = tokio::join!(own.run(&theirs), store.migrate());
        own.unwrap();
        auth.unwrap();
    }
    let mut expected: Vec<&str> = ["_sqlx_migrations", "orders"].into_iter().chain(AUTH).collect();
    expected.sort_unstable();
    let mut found = tables(&scratch, "public").await;
    found.sort_unstable();
    assert_eq!(found, expected);
    service::use_all_flows(PgStore::from_pool(pool)).await;
}

#[tokio::test]
async fn the_tables_are_in_the_schema_of_choice() {
    let scratch = Scratch::new("schema").await;
    let options = || PgOptions::from_url(scratch.url()).unwrap().schema("the \"auth\" tables");
    let store = options().open().await.unwrap();
    options().open().await.expect("it exists");
    assert_eq!(tables(&scratch, "the \"auth\" tables").await, AUTH);
    assert_eq!(tables(&scratch, "public").await, Vec::<String>::new());
    service::use_all_flows(store).await;
    // The service's pool finds them by its search path.
    let store = PgStore::from_pool(pool(scratch.url(), "public, \"the \"\"auth\"\" tables\"").await);
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(tables(&scratch, "public").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_that_may_not_create_tables_gets_a_clear_error() {
    let scratch = Scratch::new("no_rights").await;
    let mut administrator = server::connect(scratch.url()).await;
    run(
        &mut administrator,
        "DROP ROLE IF EXISTS auth_test_reader; CREATE ROLE auth_test_reader LOGIN PASSWORD 'pw'",
    )
    .await;
    let url = scratch.changed(|url| {
        url.set_username("auth_test_reader").unwrap();
        url.set_password(Some("pw")).unwrap();
    });
    let error = PgStore::connect(&url).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema(_)), "{error:?}");
    assert!(format!("{error:?}").contains("permission denied"), "{error:?}");
}

/// A closed connection is taken out of the pool, and a statement that a caller gave up holds none.
#[tokio::test]
async fn a_pool_of_the_service_gets_each_connection_back() {
    let scratch = Scratch::new("returned").await;
    let pool = pool(scratch.url(), "public").await;
    let store = PgStore::from_pool(pool.clone());
    store.migrate().await.unwrap();
    let mut administrator = server::connect(scratch.url()).await;
    for round in 0..10 {
        store.insert_session(&samples::session(round)).await.unwrap();
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        administrator.execute(end).await.unwrap();
        assert!(store.find_session(samples::session_id(round)).await.unwrap().is_some(), "{round}");
        store.stats().await.unwrap();
    }
    let all = futures_of(4, || pool.acquire()).await;
    assert_eq!(all, 4, "no connection is lost");
}

async fn futures_of<F: Future<Output = Result<T, E>>, T, E>(count: usize, make: impl Fn() -> F) -> usize {
    let mut held = Vec::new();
    for _ in 0..count {
        if let Ok(one) = make().await {
            held.push(one);
        }
    }
    held.len()
}
