//! The store in memory keeps every promise of the storage traits.

use std::sync::Arc;

use auth_core::MemoryStore;

auth_testkit::user_store_tests!(async { Arc::new(MemoryStore::new()) });
auth_testkit::token_store_tests!(async { Arc::new(MemoryStore::new()) });
auth_testkit::outbox_tests!(async { Arc::new(MemoryStore::new()) });
auth_testkit::joined_store_tests!(async { Arc::new(MemoryStore::new()) });
