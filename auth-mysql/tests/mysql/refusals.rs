//! Servers close connections, are full, and refuse records.

use std::time::{Duration, Instant};

use auth_core::store::GuardedWrite;
use auth_core::{StoreErrorKind, TokenStore as _, UserStore as _};
use auth_mysql::MySqlStore;
use auth_testkit::samples;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use auth_tests::server::service;

use crate::server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_do_not_notice_killed_connections() {
    let scratch = server::Scratch::new("killed").await;
    let store = MySqlStore::connect(scratch.url()).await.unwrap();
    let mut raw = server::raw_connection().await;
    let (user, session) = service::user_and_session(&store).await;
    let mut killed = 0;
    for round in 0..20 {
        let list =
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = 'auth_test_killed'";
        // MySQL's list fails while a statement runs whose text is not UTF-8, such as those with
        // ids.
        let started = Instant::now();
        let rows = loop {
            match raw.fetch_all(list).await {
                Ok(rows) => break rows,
                Err(error) => {
                    assert!(started.elapsed() < Duration::from_mins(1), "no list of connections: {error}");
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        for row in rows {
            let kill = format!("KILL {}", row.get::<i64, _>(0));
            killed += raw.execute(sqlx::raw_sql(AssertSqlSafe(kill))).await.map_or(0, |_| 1);
        }
        // Each call finds a connection that the server has closed.
        let found = store.find_by_id(user).await.unwrap().unwrap();
        assert!(store.find_session(session).await.unwrap().is_some(), "round {round}");
        assert_eq!(
            store.advance_epoch(user, found.epoch).await.unwrap(),
            GuardedWrite::Applied,
            "round {round}"
        );
    }
    assert!(killed >= 20, "{killed}");
}

#[tokio::test]
async fn a_full_server_is_unavailable() {
    let url = &server::urls()[0];
    let options: MySqlConnectOptions = url.parse().unwrap();
    let name = format!("auth_few_{}", std::process::id());
    let mut raw = server::raw_connection().await;
    for sql in [
        format!("CREATE USER '{name}'@'%' IDENTIFIED BY 'few-pw' WITH MAX_USER_CONNECTIONS 1"),
        format!("GRANT ALL ON {}.* TO '{name}'@'%'", options.get_database().unwrap()),
    ] {
        raw.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
    let (_, address) = url.split_once('@').unwrap();
    let few = format!("mysql://{name}:few-pw@{address}");
    let held = server::connect(&few).await;
    for _ in 0..20 {
        let error = MySqlStore::connect(&few).await.unwrap_err();
        assert!(matches!(error, auth_mysql::OpenError::Unreachable(_)), "{error:?}");
    }
    drop(held);
    let drop = format!("DROP USER '{name}'@'%'");
    raw.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
}

#[tokio::test]
async fn constraint_violation_is_corrupt_and_duplicate_id_a_conflict() {
    let store = server::store().await;
    let session = samples::session(u32::MAX);
    drop(store.revoke_session(session.user_id, session.id).await);
    store.insert_session(&session).await.unwrap();
    assert_eq!(store.insert_session(&session).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    let agent = Some("x".repeat(257));
    let long = auth_core::Session { id: samples::session_id(u32::MAX - 1), user_agent: agent, ..session };
    assert_eq!(store.insert_session(&long).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}
