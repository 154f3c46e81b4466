//! The store passes the suite.

use std::sync::Arc;

use store_map::MapStore;

auth_testkit::store_tests!(async {
    let store = Arc::new(MapStore::default());
    [Arc::clone(&store), store]
});
