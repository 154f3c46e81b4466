//! The store in memory passes the suite.

use std::sync::Arc;

use auth_core::MemoryStore;

#[expect(clippy::unused_async, reason = "opening a store usually waits")]
async fn handles() -> [Arc<MemoryStore>; 2] {
    let store = MemoryStore::new();
    [Arc::new(store.clone()), Arc::new(store)]
}

auth_testkit::store_tests!(handles());
