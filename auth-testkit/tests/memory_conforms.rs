//! The store in memory keeps every promise of the three storage traits.

use std::sync::Arc;

use auth_core::MemoryStore;

async fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}

auth_testkit::user_store_tests!(store());
auth_testkit::token_store_tests!(store());
auth_testkit::outbox_tests!(store());
