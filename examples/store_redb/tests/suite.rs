//! Every promise of the three traits, raced; and what was written is there when the file is opened again.

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

/// One file for all cases: the suite makes its own users, sessions and mails.
fn store() -> Ready<Arc<RedbStore>> {
    ready(Arc::clone(&STORE.1))
}

auth_testkit::user_store_tests!(store());
auth_testkit::token_store_tests!(store());
auth_testkit::outbox_tests!(store());
auth_testkit::joined_store_tests!(store());
