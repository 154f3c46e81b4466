//! The conformance suite, over each way to open a store.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use auth_sqlite::SqliteStore;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};

use crate::scratch::Scratch;

/// The folder of this run. Files of earlier runs are deleted.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
});

/// One file for all cases, as several processes share one: each case has its own connections, and
/// only SQLite coordinates cases that run at the same time.
mod on_one_file {
    use super::*;

    async fn store() -> Arc<SqliteStore> {
        Arc::new(SqliteStore::open(FOLDER.join("auth.db")).await.unwrap())
    }

    async fn handles() -> [Arc<SqliteStore>; 2] {
        [store().await, store().await]
    }

    auth_testkit::store_tests!(handles());
}

mod in_memory {
    use super::*;

    async fn handles() -> [Arc<SqliteStore>; 2] {
        let store = SqliteStore::in_memory().await.unwrap();
        [Arc::new(store.clone()), Arc::new(store)]
    }

    auth_testkit::store_tests!(handles());
}

/// sqlx's defaults, including a rollback journal, with which readers and writers exclude each
/// other. Only the waits for the disk are turned off: four per write.
mod over_a_shared_pool {
    use super::*;

    async fn store() -> Arc<SqliteStore> {
        let options = SqliteConnectOptions::new()
            .filename(FOLDER.join("service.db"))
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Off);
        let store = SqliteStore::from_pool(SqlitePoolOptions::new().connect_with(options).await.unwrap());
        store.migrate().await.unwrap();
        Arc::new(store)
    }

    async fn handles() -> [Arc<SqliteStore>; 2] {
        [store().await, store().await]
    }

    auth_testkit::store_tests!(handles());
}

#[tokio::test]
async fn times_are_stored_up_to_the_ends_of_the_calendar() {
    use auth_core::UserStore as _;
    use chrono::{DateTime, SubsecRound as _, Utc};

    let scratch = Scratch::new();
    let store = SqliteStore::open(scratch.file("auth.db")).await.unwrap();
    let times = [DateTime::<Utc>::MIN_UTC, DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC.trunc_subsecs(6)];
    for (number, time) in (0..).zip(times) {
        let user = auth_core::User { created_at: time, ..auth_testkit::samples::user(number) };
        assert_eq!(store.insert_user(&user).await.unwrap(), auth_core::store::UserInsert::Inserted);
        assert_eq!(store.find_by_id(user.id).await.unwrap().unwrap().created_at, time);
    }
}
