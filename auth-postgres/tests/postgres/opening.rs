//! Opening a database: its tables are created, migrated, or refused.

use std::time::Duration;

use auth_core::{Outbox as _, StoreErrorKind, TokenStore as _};
use auth_postgres::{OpenError, PgOptions, PgStore};
use auth_testkit::samples;
use sqlx::{Connection as _, Executor as _, Row as _};
use tokio::task::JoinSet;

use crate::server::{self, Scratch, run};

/// The columns of a user are those that auth-core reads, so there is none for a password hint or a
/// secret question.
#[tokio::test]
async fn a_user_has_no_hint_and_no_secret_question() {
    let scratch = Scratch::new("columns").await;
    PgStore::connect(scratch.url()).await.unwrap().close().await;
    let mut observer = server::connect(scratch.url()).await;
    let sql = "SELECT string_agg(column_name, ', ' ORDER BY ordinal_position) FROM information_schema.columns \
        WHERE table_name = 'auth_users'";
    let columns: String = observer.fetch_one(sql).await.unwrap().get(0);
    assert_eq!(columns, auth_sql::user_columns!());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_store_opens_only_after_all_tables_exist() {
    for round in 0..5 {
        let scratch = Scratch::new("whole").await;
        let mut opening = JoinSet::new();
        for number in 0..12 {
            let url = scratch.url().to_owned();
            opening.spawn(async move {
                tokio::time::sleep(Duration::from_millis(number)).await;
                // The last table that the migration creates.
                server::open(&url).await.stats().await.map(|_| ())
            });
        }
        for opened in opening.join_all().await {
            assert!(opened.is_ok(), "round {round}: {opened:?}");
        }
    }
}

/// A migration that fails leaves nothing, neither a table nor a lock, and runs again once its cause is gone.
#[tokio::test]
async fn a_failed_migration_leaves_nothing() {
    let scratch = Scratch::new("failed").await;
    let mut raw = server::connect(scratch.url()).await;
    run(&mut raw, "CREATE TABLE auth_outbox (theirs int)").await;
    for _ in 0..3 {
        let error = PgStore::connect(scratch.url()).await.unwrap_err();
        assert!(matches!(error, OpenError::Schema(_)), "{error:?}");
    }
    let left = "SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'auth%'";
    assert_eq!(raw.fetch_one(left).await.unwrap().get::<i64, _>(0), 1);
    run(&mut raw, "DROP TABLE auth_outbox").await;
    PgStore::connect(scratch.url()).await.unwrap().stats().await.unwrap();
}

/// sqlx's own lock, of a service that migrates and hangs, does not stop this store.
#[tokio::test]
async fn another_programs_migration_lock_does_not_matter() {
    let scratch = Scratch::new("locked").await;
    let mut raw = server::connect(scratch.url()).await;
    sqlx::migrate::Migrate::lock(&mut raw).await.unwrap();
    PgStore::connect(scratch.url()).await.unwrap().stats().await.unwrap();
}

#[tokio::test]
async fn tables_of_a_later_version_are_refused() {
    let scratch = Scratch::new("later").await;
    PgStore::connect(scratch.url()).await.unwrap().close().await;
    run(&mut server::connect(scratch.url()).await, "UPDATE auth_migrations SET version = 2").await;
    let error = PgStore::connect(scratch.url()).await.unwrap_err();
    assert!(matches!(error, OpenError::Schema(_)), "{error:?}");
}

/// A later version of the service adds a column while this one runs: prepared statements continue. It then changes
/// a type: they fail once, over this connection alone, and the caller does not notice.
#[tokio::test]
async fn a_running_store_survives_a_migration_of_another() {
    let scratch = Scratch::new("altered").await;
    let store = server::open(scratch.url()).await;
    store.insert_session(&samples::session(1)).await.unwrap();
    let mut raw = server::connect(scratch.url()).await;
    for change in [
        "ALTER TABLE auth_sessions ADD COLUMN more int",
        "ALTER TABLE auth_sessions ALTER COLUMN user_agent TYPE text",
        "ALTER TABLE auth_sessions ALTER COLUMN user_agent TYPE varchar(300)",
    ] {
        assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some());
        run(&mut raw, change).await;
        assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some(), "{change}");
    }
    raw.close().await.unwrap();
}

#[tokio::test]
async fn an_open_error_names_its_kind_and_shows_no_password() {
    for (url, text) in [
        ("mysql://shop:hunter2secret@localhost/shop", "scheme"),
        ("postgres://shop:hunter2secret@localhost", "no database"),
        ("postgres://localhost/shop", "no user"),
        ("postgres://shop:hunter2secret@localhost/shop?sslmode=prefer", "sslmode"),
        ("postgres://shop:hunter2secret@localhost/shop?pooler=yes", "pooler"),
        ("postgres://shop:hunter2secret@localhost/shop?options=-c%20x=y", "parameters"),
        ("postgres://shop:hunter2secret@localhost/shop?host=elsewhere", "parameters"),
    ] {
        let error = PgStore::connect(url).await.unwrap_err();
        assert!(matches!(error, OpenError::MalformedUrl(_)) && error.to_string().contains(text), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }
    let own = server::url();
    let (_, address) = own.split_once('@').unwrap();
    for url in [
        "postgres://shop:hunter2secret@127.0.0.1:1/shop",
        &*format!("postgres://nobody:hunter2secret@{address}"),
    ] {
        let error = PgStore::connect(url).await.unwrap_err();
        assert!(matches!(error, OpenError::Unreachable(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
        assert!(!format!("{:?}", PgOptions::from_url(url).unwrap()).contains("hunter2"));
    }
}

#[test]
fn a_url_is_decoded() {
    let options = PgOptions::from_url("postgresql://shop:p%40ss@[::1]:5433/my%20shop?host=/run/pg").unwrap();
    assert_eq!(options.location(), "/run/pg:5433/my shop");
    let options = PgOptions::from_url("postgres://shop@[::1]/shop").unwrap();
    assert_eq!(options.location(), "::1:5432/shop");
}

/// The account of the tests logs in over the socket without a password.
#[tokio::test]
async fn a_socket_is_used_instead_of_a_host() {
    let folder = std::env::var("AUTH_TEST_POSTGRES_SOCKET").expect("run `scripts/test`");
    let scratch = Scratch::new("socket").await;
    let url = scratch.changed(|url| {
        url.set_password(None).unwrap();
        url.query_pairs_mut().append_pair("host", &folder);
    });
    PgStore::connect(&url).await.unwrap().ping().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_is_unavailable() {
    let store = server::store().await;
    store.close().await;
    let error = store.find_session(samples::session_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}
