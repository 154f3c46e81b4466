//! A check must be seen to fail: the suite rejects each store and limiter that is wrong on purpose, by the
//! promise that it breaks, and every promise is broken by one of them.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use auth_core::RateLimiter;
use auth_core::store::{Outbox, Store, TokenStore, UserStore};
use auth_testkit::broken::{
    BrokenJoinedStore, BrokenLimiter, BrokenOutbox, BrokenTokenStore, BrokenUserStore, JoinedDefect,
    LimiterDefect, OutboxDefect, TokenDefect, UserDefect,
};
use auth_testkit::suite::{self, Case};
use tokio::task::JoinSet;

/// Runs all cases over a fresh store for each, and says which promises are broken.
async fn broken_promises<S: Send + Sync + ?Sized>(
    cases: &[Case<S>],
    store: impl Fn() -> Arc<S> + Send,
    defect: &(dyn Debug + Sync),
) -> BTreeSet<&'static str> {
    let mut broken = BTreeSet::new();
    for case in cases {
        if let Err(violation) = case.run(store()).await {
            assert_eq!(violation.promise, case.promise());
            println!("{defect:?}: {violation}");
            broken.insert(violation.promise);
        }
    }
    broken
}

/// Every defect is caught by the promises it names, and every promise is named.
async fn all_are_caught<S: Send + Sync + ?Sized, D: Debug + Copy + Send + Sync>(
    cases: &[Case<S>],
    defects: &[D],
    caught_by: fn(D) -> &'static [&'static str],
    store: impl Fn(D) -> Arc<S> + Send + Sync,
) {
    let mut found = Vec::new();
    for defect in defects {
        found.push((*defect, broken_promises(cases, || store(*defect), defect).await));
    }
    judge(cases, &found, caught_by);
}

fn judge<S: ?Sized, D: Debug + Copy>(
    cases: &[Case<S>],
    found: &[(D, BTreeSet<&'static str>)],
    caught_by: fn(D) -> &'static [&'static str],
) {
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut missed = Vec::new();
    for (defect, broken) in found {
        println!("{defect:?} breaks {} of {} promises: {broken:?}", broken.len(), cases.len());
        for promise in caught_by(*defect) {
            named.insert(promise);
            if !broken.contains(promise) {
                missed.push(format!("{defect:?} is not caught by {promise}, but by {broken:?}"));
            }
        }
    }
    let all: BTreeSet<&str> = cases.iter().map(Case::promise).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    assert_eq!(named, all, "the promises that some defect must break, and those there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_user_stores_are_rejected() {
    let store = |defect| Arc::new(BrokenUserStore::new(defect)) as Arc<dyn UserStore>;
    all_are_caught(&suite::user::cases(), UserDefect::ALL, UserDefect::caught_by, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_token_stores_are_rejected() {
    let store = |defect| Arc::new(BrokenTokenStore::new(defect)) as Arc<dyn TokenStore>;
    all_are_caught(&suite::token::cases(), TokenDefect::ALL, TokenDefect::caught_by, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_joined_stores_are_rejected() {
    let store = |defect| Arc::new(BrokenJoinedStore::new(defect)) as Arc<dyn Store>;
    all_are_caught(&suite::joined::cases(), JoinedDefect::ALL, JoinedDefect::caught_by, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_outboxes_are_rejected() {
    let store = |defect| Arc::new(BrokenOutbox::new(defect)) as Arc<dyn Outbox>;
    all_are_caught(&suite::outbox::cases(), OutboxDefect::ALL, OutboxDefect::caught_by, store).await;
}

/// The cases for limiters wait for most of their time, so all run at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_limiters_are_rejected() {
    let cases = suite::limiter::cases();
    let mut runs = JoinSet::new();
    for (number, defect) in LimiterDefect::ALL.iter().enumerate() {
        for case in &cases {
            let run = case.run(Arc::new(BrokenLimiter::new(*defect)) as Arc<dyn RateLimiter>);
            runs.spawn(async move { (number, run.await.err()) });
        }
    }
    let mut found: Vec<_> = LimiterDefect::ALL.iter().map(|defect| (*defect, BTreeSet::new())).collect();
    for (number, violation) in runs.join_all().await {
        let (defect, broken) = &mut found[number];
        if let Some(violation) = violation {
            println!("{defect:?}: {violation}");
            broken.insert(violation.promise);
        }
    }
    judge(&cases, &found, LimiterDefect::caught_by);
}
