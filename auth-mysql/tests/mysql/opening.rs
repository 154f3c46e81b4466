//! Opening a database: its tables are created, migrated, or refused.

use std::time::Duration;

use auth_core::{Outbox as _, StoreErrorKind, TokenStore as _};
use auth_mysql::{MySqlOptions, MySqlStore, OpenError};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use tokio::task::JoinSet;

use auth_testkit::samples;

use crate::server;

/// The columns of a user are those that auth-core reads, so there is none for a password hint or a
/// secret question.
#[tokio::test]
async fn a_user_has_no_hint_and_no_secret_question() {
    let scratch = server::Scratch::new("columns").await;
    MySqlStore::connect(scratch.url()).await.unwrap().close().await;
    let mut observer = server::connect(scratch.url()).await;
    let rows = observer.fetch_all("SHOW COLUMNS FROM auth_users").await.unwrap();
    let columns: Vec<String> = rows.iter().map(|row| row.get_unchecked(0)).collect();
    assert_eq!(columns.join(", "), concat!(auth_sql::user_columns!(), ", unverified_since"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_stores_on_any_node_can_open_an_empty_database() {
    let scratch = server::Scratch::new("many").await;
    let mut opening = JoinSet::new();
    for number in 0..8 {
        let urls = server::urls();
        let url = scratch.on(&urls[usize::try_from(number).unwrap() % urls.len()]);
        opening.spawn(async move {
            let store = MySqlStore::connect(&url).await.unwrap();
            store.insert_session(&samples::session(number)).await.unwrap();
        });
    }
    opening.join_all().await;
    let store = MySqlStore::connect(scratch.url()).await.unwrap();
    assert_eq!(store.find_sessions_by_user(samples::user_id(0)).await.unwrap().len(), 8);
}

/// Without a lock, several stores may create the tables at the same time, and one may read the list
/// of migrations after another has begun. On a cluster, one may abort the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_opens_only_after_all_tables_exist() {
    for round in 0..6 {
        let scratch = server::Scratch::new("whole").await;
        let mut opening = JoinSet::new();
        for number in 0..12 {
            let url = scratch.url().to_owned();
            opening.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number)).await;
                let store = MySqlStore::connect(&url).await.unwrap();
                // The last table that the migration creates.
                store.stats().await.map(|_| ())
            });
        }
        for opened in opening.join_all().await {
            assert!(opened.is_ok(), "round {round}: {opened:?}");
        }
    }
}

#[tokio::test]
async fn an_interrupted_migration_is_completed() {
    let scratch = server::Scratch::new("half").await;
    MySqlStore::connect(scratch.url()).await.unwrap().close().await;
    let mut raw = server::connect(scratch.url()).await;
    raw.execute("DROP TABLE auth_outbox").await.unwrap();
    raw.execute("UPDATE auth_migrations SET success = FALSE").await.unwrap();
    // A server keeps sqlx's lock of a client whose host is gone for as long as TCP retries.
    let lock = "SELECT GET_LOCK(LOWER(HEX(CAST(0x3d32ad9e AS UNSIGNED) * CRC32(DATABASE()))), 0)";
    let locked: i64 = raw.fetch_one(lock).await.unwrap().get_unchecked(0);
    assert_eq!(locked, 1);
    let store = MySqlStore::connect(scratch.url()).await.unwrap();
    store.stats().await.unwrap();
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let scratch = server::Scratch::new("later").await;
    MySqlStore::connect(scratch.url()).await.unwrap().close().await;
    let sql = format!("UPDATE {}.auth_migrations SET version = 2", scratch.name());
    server::raw_connection().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    let error = MySqlStore::connect(scratch.url()).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema(_)), "{error:?}");
}

#[tokio::test]
async fn an_open_error_names_its_kind_and_shows_no_password() {
    for (url, text) in [
        ("postgres://shop:hunter2secret@localhost/shop", "scheme"),
        ("mysql://shop:hunter2secret@localhost", "no database"),
        ("mysql://shop:hunter2secret@localhost/shop?ssl-mode=PREFERRED", "ssl-mode"),
        ("mysql://shop:hunter2secret@localhost/shop?charset=latin1", "parameters"),
    ] {
        let error = MySqlStore::connect(url).await.unwrap_err();
        assert!(matches!(error, OpenError::MalformedUrl(_)) && error.to_string().contains(text), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
    let own = server::urls().remove(0);
    let (_, address) = own.split_once('@').unwrap();
    for url in
        ["mysql://shop:hunter2secret@127.0.0.1:1/shop", &*format!("mysql://nobody:hunter2secret@{address}")]
    {
        let error = MySqlStore::connect(url).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        assert!(!format!("{:?}", MySqlOptions::from_url(url).unwrap()).contains("hunter2"));
    }
}

#[test]
fn an_ipv6_host_loses_the_brackets_of_its_url() {
    let options = MySqlOptions::from_url("mysql://shop:pw@[::1]:3307/shop").unwrap();
    assert!(format!("{options:?}").contains("\"::1\""), "{options:?}");
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let store = server::store().await;
    store.close().await;
    let error = store.find_session(samples::session_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}
