//! Databases are found, filled with tables, or refused.

use std::time::Duration;

use auth_core::{Outbox as _, StoreErrorKind, TokenStore as _};
use auth_mysql::{MySqlOptions, MySqlStore, OpenError};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use tokio::task::JoinSet;

use auth_testkit::samples;

use crate::server;

/// The columns of a user are those that auth-core reads, so there is none for a password hint or a secret question.
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
async fn an_empty_database_may_be_opened_by_many_at_once_on_any_node() {
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

/// MariaDB knows no endless `GET_LOCK`, so many may make the tables at once, and one may look at the list of
/// what was made when another has begun. On a cluster the one may break the other off.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_is_open_only_when_all_tables_are_made() {
    for round in 0..6 {
        let scratch = server::Scratch::new("whole").await;
        let mut opening = JoinSet::new();
        for number in 0..12 {
            let url = scratch.url().to_owned();
            opening.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number)).await;
                let store = MySqlStore::connect(&url).await.unwrap();
                // The last table to be made.
                store.stats().await.map(|_| ())
            });
        }
        for opened in opening.join_all().await {
            assert!(opened.is_ok(), "round {round}: {opened:?}");
        }
    }
}

#[tokio::test]
async fn tables_that_somebody_died_over_are_made_whole() {
    let scratch = server::Scratch::new("half").await;
    MySqlStore::connect(scratch.url()).await.unwrap().close().await;
    let mut stranger = server::connect(scratch.url()).await;
    stranger.execute("DROP TABLE auth_outbox").await.unwrap();
    stranger.execute("UPDATE auth_migrations SET success = FALSE").await.unwrap();
    // Where its host is gone, a server keeps sqlx's lock for as long as TCP tries.
    let lock = "SELECT GET_LOCK(LOWER(HEX(CAST(0x3d32ad9e AS UNSIGNED) * CRC32(DATABASE()))), 0)";
    let locked: i64 = stranger.fetch_one(lock).await.unwrap().get_unchecked(0);
    assert_eq!(locked, 1);
    let store = MySqlStore::connect(scratch.url()).await.unwrap();
    store.stats().await.unwrap();
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let scratch = server::Scratch::new("later").await;
    MySqlStore::connect(scratch.url()).await.unwrap().close().await;
    let sql = format!("UPDATE {}.auth_migrations SET version = 2", scratch.name());
    server::stranger().await.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    let error = MySqlStore::connect(scratch.url()).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema(_)), "{error:?}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_apart_and_shows_no_password() {
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
    let (_, place) = own.split_once('@').unwrap();
    for url in
        ["mysql://shop:hunter2secret@127.0.0.1:1/shop", &*format!("mysql://nobody:hunter2secret@{place}")]
    {
        let error = MySqlStore::connect(url).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        assert!(!format!("{:?}", MySqlOptions::from_url(url).unwrap()).contains("hunter2"));
    }
}

#[test]
fn an_ipv6_address_is_named_without_the_brackets_of_its_url() {
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
