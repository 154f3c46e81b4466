//! The store passes the suite.

use std::sync::Arc;

use store_map::MapStore;

#[expect(clippy::unused_async, reason = "opening a store usually waits")]
async fn handles() -> [Arc<MapStore>; 2] {
    let store = Arc::new(MapStore::default());
    [Arc::clone(&store), store]
}

auth_testkit::store_tests!(handles());
