//! Servers hang up, have no room, and refuse records.

use std::time::{Duration, Instant};

use auth_core::store::GuardedWrite;
use auth_core::{StoreErrorKind, TokenStore as _, UserStore as _};
use auth_mysql::MySqlStore;
use auth_testkit::samples;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use crate::{server, service};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_replaced_unseen() {
    let scratch = server::Scratch::new("killed").await;
    let store = MySqlStore::connect(scratch.url()).await.unwrap();
    let mut stranger = server::stranger().await;
    let (user, session) = service::user_and_session(&store).await;
    let mut killed = 0;
    for round in 0..20 {
        let list =
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = 'auth_test_killed'";
        // MySQL's list fails while any statement runs whose text is not UTF-8, such as those with ids.
        let asked = Instant::now();
        let rows = loop {
            match stranger.fetch_all(list).await {
                Ok(rows) => break rows,
                Err(error) => {
                    assert!(asked.elapsed() < Duration::from_mins(1), "no list of connections: {error}");
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        for row in rows {
            let kill = format!("KILL {}", row.get::<i64, _>(0));
            killed += stranger.execute(sqlx::raw_sql(AssertSqlSafe(kill))).await.map_or(0, |_| 1);
        }
        // Each of these meets a connection that the server has closed.
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
async fn a_server_with_no_room_is_unavailable() {
    let url = &server::urls()[0];
    let options: MySqlConnectOptions = url.parse().unwrap();
    let name = format!("auth_few_{}", std::process::id());
    let mut stranger = server::stranger().await;
    for sql in [
        format!("CREATE USER '{name}'@'%' IDENTIFIED BY 'few-pw' WITH MAX_USER_CONNECTIONS 1"),
        format!("GRANT ALL ON {}.* TO '{name}'@'%'", options.get_database().unwrap()),
    ] {
        stranger.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
    let (_, place) = url.split_once('@').unwrap();
    let few = format!("mysql://{name}:few-pw@{place}");
    let held = server::connect(&few).await;
    for _ in 0..20 {
        let error = MySqlStore::connect(&few).await.unwrap_err();
        assert!(matches!(error, auth_mysql::OpenError::Unreachable(_)), "{error:?}");
    }
    drop(held);
    let drop = format!("DROP USER '{name}'@'%'");
    stranger.execute(sqlx::raw_sql(AssertSqlSafe(drop))).await.unwrap();
}

#[tokio::test]
async fn a_write_that_a_constraint_refuses_is_corrupt_and_a_second_id_a_conflict() {
    let store = server::store().await;
    let session = samples::session(u32::MAX);
    drop(store.revoke_session(session.user_id, session.id).await);
    store.insert_session(&session).await.unwrap();
    assert_eq!(store.insert_session(&session).await.unwrap_err().kind(), StoreErrorKind::Conflict);
    let agent = Some("x".repeat(257));
    let long = auth_core::Session { id: samples::session_id(u32::MAX - 1), user_agent: agent, ..session };
    assert_eq!(store.insert_session(&long).await.unwrap_err().kind(), StoreErrorKind::Corrupt);
}
