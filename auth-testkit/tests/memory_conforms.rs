//! The store in memory passes the suite.

use std::sync::Arc;

use auth_core::MemoryStore;

auth_testkit::store_tests!(async {
    let store = MemoryStore::new();
    [Arc::new(store.clone()), Arc::new(store)]
});
