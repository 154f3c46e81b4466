//! The store that a run of the proofs is for: memory, or what `AUTH_TEST_STORE` names.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use std::time::Duration;

use auth_core::MemoryStore;
use auth_core::store::Store;
use auth_mysql::MySqlStore;
use auth_postgres::PgStore;
use auth_sqlite::SqliteStore;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::runtime;

use crate::Database;

/// A new, empty store of the kind that `AUTH_TEST_STORE` names: `memory` (the default), `sqlite`, or
/// `mysql` or `postgres` on the server of [`Database`].
pub fn new_store() -> Arc<dyn Store> {
    match env::var("AUTH_TEST_STORE").as_deref() {
        Err(_) | Ok("memory") => Arc::new(MemoryStore::new()),
        Ok("sqlite") => Arc::new(sqlite()),
        Ok("mysql") => Arc::new(mysql()),
        Ok("postgres") => Arc::new(postgres()),
        Ok(other) => panic!("AUTH_TEST_STORE is `{other}`, which is no store that the proofs know"),
    }
}

/// A new file in the run's folder, which many connections share.
fn sqlite() -> SqliteStore {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let file = format!("{}-{}.db", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = env::temp_dir().join("auth-proofs").join(file);
    // Not a task of the caller's runtime, which may have no thread to spare.
    std::thread::spawn(move || {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(SqliteStore::open(&path)).unwrap()
    })
    .join()
    .unwrap()
}

/// A new database, which lives as long as the pool.
fn mysql() -> MySqlStore {
    let database = Database::empty();
    let options: MySqlConnectOptions = database.url().parse().unwrap();
    let pool = MySqlPoolOptions::new()
        // A race of many tasks on a busy machine takes its time.
        .acquire_timeout(Duration::from_mins(1))
        .after_connect(move |connection, _| {
            let held = Arc::clone(&database);
            Box::pin(async move {
                MySqlStore::prepare(connection).await?;
                drop(held);
                Ok(())
            })
        })
        .connect_lazy_with(options.timezone(Some("+00:00".to_owned())));
    MySqlStore::from_pool(pool)
}

/// A new database, which lives as long as the pool.
fn postgres() -> PgStore {
    let database = Database::empty();
    let options: PgConnectOptions = database.url().parse().unwrap();
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_mins(1))
        .after_connect(move |connection, _| {
            let held = Arc::clone(&database);
            Box::pin(async move {
                PgStore::prepare(connection).await?;
                drop(held);
                Ok(())
            })
        })
        .connect_lazy_with(options);
    PgStore::from_pool(pool)
}
