//! Opening a file: it is created, migrated, or refused.

use std::fs;
use std::path::Path;

use auth_core::TokenStore as _;
use auth_sqlite::{OpenError, SqliteStore};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tokio::task::JoinSet;

use crate::scratch::{Scratch, raw_connection};
use auth_testkit::samples;

async fn pragma(connection: &mut sqlx::SqliteConnection, sql: &'static str) -> String {
    let row = sqlx::query(sql).fetch_one(connection).await.unwrap();
    row.try_get::<String, _>(0)
        .or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()))
        .unwrap()
}

/// A strict table refuses values of another type.
#[tokio::test]
async fn every_table_is_strict_and_without_rowid() {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name LIKE 'auth!_%' ESCAPE '!' \
        AND name <> 'auth_migrations'";
    let rows = sqlx::query(sql).fetch_all(&mut raw_connection(&path).await).await.unwrap();
    let tables: Vec<String> = rows.iter().map(|row| row.get("sql")).collect();
    assert_eq!(tables.len(), 4);
    assert!(tables.iter().all(|sql| sql.ends_with("STRICT, WITHOUT ROWID")), "{tables:?}");
}

#[tokio::test]
async fn a_reopened_file_has_its_content() {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    for opened in 0..3 {
        let store = SqliteStore::open(&path).await.unwrap();
        store.migrate().await.unwrap();
        store.ping().await.unwrap();
        store.insert_session(&samples::session(opened)).await.unwrap();
        assert_eq!(
            store.find_sessions_by_user(samples::user_id(0)).await.unwrap().len(),
            usize::try_from(opened).unwrap() + 1
        );
        if opened != 1 {
            store.close().await; // Optional: nothing is lost without it.
        }
    }
    let mut raw = raw_connection(&path).await;
    assert_eq!(pragma(&mut raw, "PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma(&mut raw, "PRAGMA integrity_check").await, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_stores_can_open_an_empty_file_at_once() {
    for _ in 0..10 {
        let scratch = Scratch::new();
        let mut opening = JoinSet::new();
        for number in 0..8 {
            let path = scratch.file("auth.db");
            opening.spawn(async move {
                let store = SqliteStore::open(path).await.unwrap();
                store.insert_session(&samples::session(number)).await.unwrap();
            });
        }
        opening.join_all().await;
        let store = SqliteStore::open(scratch.file("auth.db")).await.unwrap();
        assert_eq!(store.find_sessions_by_user(samples::user_id(0)).await.unwrap().len(), 8);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_private_and_an_old_one_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();
    for end in ["", "-wal", "-shm"] {
        assert_eq!(mode(&scratch.file(&format!("auth.db{end}"))), 0o600, "auth.db{end}");
    }

    let shared = scratch.file("shared.db");
    fs::write(&shared, "").unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o640)).unwrap();
    let _store = SqliteStore::open(&shared).await.unwrap();
    assert_eq!(mode(&shared), 0o640);
}

#[tokio::test]
async fn a_special_name_of_sqlite_is_only_a_path() {
    let scratch = Scratch::new();
    for name in [":memory:", "file:auth.db", "a b?mode=memory#%41.db", "ünïcode 🦊.db"] {
        let path = scratch.file(name);
        SqliteStore::open(&path).await.unwrap().insert_session(&samples::session(1)).await.unwrap();
        let store = SqliteStore::open(&path).await.unwrap();
        assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some(), "{name}");
        assert!(path.is_file(), "{name}");
    }
}

#[tokio::test]
async fn a_url_names_a_file_or_memory() {
    let scratch = Scratch::new();
    let folder = scratch.file("");
    for (prefix, name) in [("sqlite:", "a.db"), ("sqlite://", "b.db")] {
        let url = format!("{prefix}{}{name}", folder.display());
        SqliteStore::connect(&url).await.unwrap();
        assert!(scratch.file(name).is_file(), "{url}");
    }
    for url in ["sqlite::memory:", "sqlite://:memory:"] {
        SqliteStore::connect(url).await.unwrap().ping().await.unwrap();
    }
    for url in ["", "auth.db", "mysql://db/auth", "sqlite:", "sqlite://", "sqlite:a.db?mode=ro", "sqlite:%ff"]
    {
        let refused = SqliteStore::connect(url).await;
        assert!(matches!(refused, Err(OpenError::MalformedUrl)), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn a_missing_folder_or_other_file_cannot_be_opened() {
    let scratch = Scratch::new();
    let nowhere = SqliteStore::open(scratch.file("no/such/folder/auth.db")).await;
    assert!(matches!(nowhere, Err(OpenError::File(_))), "{nowhere:?}");
    let empty = SqliteStore::open("").await;
    assert!(matches!(empty, Err(OpenError::File(_))), "{empty:?}");
    let folder = SqliteStore::open(scratch.file("")).await;
    assert!(matches!(folder, Err(OpenError::File(_) | OpenError::Database(_))), "{folder:?}");
    let text = scratch.file("text.db");
    fs::write(&text, "this text is not a database. ".repeat(100)).unwrap();
    let text = SqliteStore::open(text).await;
    assert!(matches!(text, Err(OpenError::Database(_))), "{text:?}");
}

#[tokio::test]
async fn the_tables_of_a_later_version_are_refused() {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    SqliteStore::open(&path).await.unwrap().close().await;
    for sql in [
        "INSERT INTO auth_migrations (version, description, success, checksum, execution_time) \
         VALUES (9000, 'later', TRUE, x'00', 0)",
        "UPDATE auth_migrations SET version = 1, checksum = x'00' WHERE version = 9000 OR version = 1",
    ] {
        let mut raw = raw_connection(&path).await;
        sqlx::raw_sql("DELETE FROM auth_migrations WHERE version > 1 AND success")
            .execute(&mut raw)
            .await
            .unwrap();
        sqlx::raw_sql(sql).execute(&mut raw).await.unwrap();
        let refused = SqliteStore::open(&path).await;
        assert!(matches!(refused, Err(OpenError::Schema(_))), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn a_service_can_have_its_own_tables_beside() {
    let scratch = Scratch::new();
    let options = SqliteConnectOptions::new().filename(scratch.file("app.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    for sql in [
        "CREATE TABLE users (id INTEGER PRIMARY KEY)",
        "CREATE TABLE sessions (id INTEGER PRIMARY KEY)",
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, \
         checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)",
        "INSERT INTO _sqlx_migrations VALUES (1, 'its own', 0, TRUE, x'00', 0)",
    ] {
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    }
    let store = SqliteStore::from_pool(pool.clone());
    assert!(store.ping().await.is_err(), "there are no tables yet");
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    let own = sqlx::query("SELECT count(*) AS n FROM _sqlx_migrations").fetch_one(&pool).await.unwrap();
    assert_eq!(own.get::<i64, _>("n"), 1);
}

#[tokio::test]
async fn clones_share_content_and_debug_shows_none() {
    let store = SqliteStore::in_memory().await.unwrap();
    store.clone().insert_session(&samples::session(1)).await.unwrap();
    assert!(store.find_session(samples::session_id(1)).await.unwrap().is_some());
    assert_eq!(format!("{store:?}"), "SqliteStore { .. }");
}

/// `fn main() -> Result<(), Box<dyn Error>>` prints an error by its `Debug`.
#[tokio::test]
async fn an_error_of_opening_names_the_file_and_the_cause() {
    let scratch = Scratch::new();
    let nowhere = scratch.file("nowhere/auth.db");
    let error = SqliteStore::open(&nowhere).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.starts_with("the database file cannot be created: "), "{shown}");
    assert!(shown.contains(nowhere.to_str().unwrap()) && shown.contains("No such file"), "{shown}");

    let other = scratch.file("letter.txt");
    fs::write(&other, "this is no database, and longer than a header of SQLite ".repeat(4)).unwrap();
    let shown = format!("{:?}", SqliteStore::open(&other).await.unwrap_err());
    assert!(shown.starts_with("the database cannot be opened: "), "{shown}");
    assert!(shown.contains(other.to_str().unwrap()) && shown.contains("not a database"), "{shown}");
}

#[tokio::test]
async fn the_bundled_sqlite_is_one_that_is_taken() {
    SqliteStore::in_memory().await.unwrap();
}
