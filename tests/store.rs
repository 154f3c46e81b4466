//! The store that a run of the proofs is for: memory, or what `AUTH_TEST_STORE` names.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use auth_core::{MemoryStore, Outbox, TokenStore, UserStore};
use auth_sqlite::SqliteStore;
use tokio::runtime;

/// Everything that is kept, in one place.
pub trait Store: UserStore + TokenStore + Outbox {}

impl<S: UserStore + TokenStore + Outbox> Store for S {}

/// A new, empty store of the kind that `AUTH_TEST_STORE` names: `memory` (the default) or `sqlite`.
pub fn new_store() -> Arc<dyn Store> {
    match env::var("AUTH_TEST_STORE").as_deref() {
        Err(_) | Ok("memory") => Arc::new(MemoryStore::new()),
        Ok("sqlite") => Arc::new(sqlite()),
        Ok(other) => panic!("AUTH_TEST_STORE is `{other}`, which is no store that the proofs know"),
    }
}

/// A file of its own, which many connections share, in the run's own folder.
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
