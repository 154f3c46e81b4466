//! The suite can run over a store that others use, for example the suite itself.

use std::sync::Arc;

use auth_core::MemoryStore;
use auth_core::store::{Outbox, TokenStore, UserStore};
use auth_testkit::suite::{self, Case};
use tokio::task::JoinSet;

/// Starts every case as a task.
fn start<S: ?Sized + 'static>(
    runs: &mut JoinSet<Result<(), suite::Violation>>,
    cases: &[Case<S>],
    store: &Arc<S>,
) {
    for case in cases {
        runs.spawn(case.run(Arc::clone(store)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_suite_runs_in_parallel_with_itself_over_one_store() {
    let store = MemoryStore::new();
    let users: Arc<dyn UserStore> = Arc::new(store.clone());
    let tokens: Arc<dyn TokenStore> = Arc::new(store.clone());
    let outbox: Arc<dyn Outbox> = Arc::new(store);
    let mut runs = JoinSet::new();
    for _ in 0..3 {
        start(&mut runs, &suite::user::cases(), &users);
        start(&mut runs, &suite::token::cases(), &tokens);
        start(&mut runs, &suite::outbox::cases(), &outbox);
    }
    let violations: Vec<_> = runs.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}
