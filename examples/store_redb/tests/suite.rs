//! The store passes the suite.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::future::{Ready, ready};
use std::sync::{Arc, LazyLock};

use example_store_redb::RedbStore;
use tempfile::TempDir;

static STORE: LazyLock<(TempDir, Arc<RedbStore>)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(directory.path().join("auth.redb")).unwrap();
    (directory, Arc::new(store))
});

/// One file for all cases, and one handle: one process has the file open at a time.
fn handles() -> Ready<[Arc<RedbStore>; 2]> {
    ready([Arc::clone(&STORE.1), Arc::clone(&STORE.1)])
}

auth_testkit::store_tests!(handles());
