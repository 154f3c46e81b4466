//! Shows that the suite rejects each store and limiter that is broken on purpose.
//!
//! Each wraps what `auth-core` ships and has one defect, a mistake that real stores make. A defect names
//! the cases that must reject it, and every case of the suite is named by a defect.

mod limiter;
mod outbox;
mod remembering;
mod store;
mod token;
mod user;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth_core::store::{Outbox, Store, TokenStore, UserStore};
use auth_core::{RateLimiter, methods_of};
use auth_testkit::suite::{self, Case, Handles};
use chrono::{DateTime, SubsecRound, Utc};
use tokio::task::JoinSet;

use limiter::{BrokenLimiter, LimiterDefect};
use outbox::{BrokenOutbox, OutboxDefect};
use remembering::Remembering;
use store::{BrokenStore, StoreDefect};
use token::{BrokenTokenStore, TokenDefect};
use user::{BrokenUserStore, UserDefect};

/// Lists defects, with the cases that must reject each.
macro_rules! defects {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$defect_doc:meta])* $defect:ident => [$($case:ident),+ $(,)?],)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub(crate) enum $name {
            $($(#[$defect_doc])* $defect,)+
        }

        impl $name {
            /// Every defect.
            pub(crate) const ALL: &[Self] = &[$(Self::$defect),+];

            /// The cases that must reject this defect; others may, too.
            pub(crate) const fn rejected_by(self) -> &'static [&'static str] {
                match self {
                    $(Self::$defect => &[$(stringify!($case)),+],)+
                }
            }
        }
    };
}
use defects;

/// Lets other tasks in between a read and the write that relies on it: as long as a database round
/// trip takes, so that the defect shows every time.
async fn delay() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

/// Purges as a database does that skips what another caller has locked: while one call is at work, the others
/// find nothing.
async fn skip_the_busy<T>(busy: &AtomicBool, purge: impl Future<Output = Result<u64, T>>) -> Result<u64, T> {
    if busy.swap(true, Ordering::SeqCst) {
        return Ok(0);
    }
    delay().await;
    let purged = purge.await;
    busy.store(false, Ordering::SeqCst);
    purged
}

/// Cuts a text as a column does that is too short.
fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn lock<T>(data: &Mutex<T>) -> MutexGuard<'_, T> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

fn whole_seconds(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(0)
}

/// What a column that knows no Unicode makes of a text.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

/// Lists the methods of a trait.
trait Methods {
    const NAMES: &[&str];
}

macro_rules! names {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Methods for dyn $trait {
            const NAMES: &[&str] = &[$(concat!("`", stringify!($method), "`")),*];
        }
    };
}

methods_of! { UserStore => names }
methods_of! { TokenStore => names }
methods_of! { Outbox => names }
methods_of! { Store => names }

/// Whether a message names a method; a call that failed has the message of the store.
fn names_a_method(detail: &str) -> bool {
    let traits = [<dyn UserStore>::NAMES, <dyn TokenStore>::NAMES, <dyn Outbox>::NAMES, <dyn Store>::NAMES];
    detail.starts_with("a call failed: ") || traits.concat().iter().any(|method| detail.contains(method))
}

/// Checks that the cases that each defect names reject it, with a message that names a method, and that a
/// defect names every case.
async fn all_are_rejected<S: Send + Sync + ?Sized, D: Debug + Copy + Send + Sync>(
    cases: &[Case<S>],
    defects: &[D],
    rejected_by: fn(D) -> &'static [&'static str],
    store: impl Fn(D) -> Handles<S> + Send + Sync,
) {
    let mut found = Vec::new();
    for defect in defects {
        let mut rejecting = BTreeSet::new();
        for case in cases.iter().filter(|case| rejected_by(*defect).contains(&case.name())) {
            if let Err(violation) = case.run(store(*defect)).await {
                assert_eq!(violation.case, case.name());
                println!("{defect:?}: {violation}");
                assert!(names_a_method(&violation.detail), "{violation}");
                rejecting.insert(violation.case);
            }
        }
        found.push((*defect, rejecting));
    }
    judge(cases, &found, rejected_by);
}

fn judge<S: ?Sized, D: Debug + Copy>(
    cases: &[Case<S>],
    found: &[(D, BTreeSet<&'static str>)],
    rejected_by: fn(D) -> &'static [&'static str],
) {
    let mut named: BTreeSet<&str> = BTreeSet::new();
    let mut missed = Vec::new();
    for (defect, broken) in found {
        for case in rejected_by(*defect) {
            named.insert(case);
            if !broken.contains(case) {
                missed.push(format!("{defect:?} is not rejected by {case}, but by {broken:?}"));
            }
        }
    }
    let all: BTreeSet<&str> = cases.iter().map(Case::name).collect();
    assert!(missed.is_empty(), "{missed:#?}");
    assert_eq!(named, all, "the cases that some defect must break, and those there are");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_user_stores_are_rejected() {
    let store = |defect| match defect {
        UserDefect::RemembersReads => Handles::from(Remembering::handles()),
        _ => Handles::from(Arc::new(BrokenUserStore::new(defect)) as Arc<dyn UserStore>),
    };
    all_are_rejected(&suite::user::cases(), UserDefect::ALL, UserDefect::rejected_by, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_token_stores_are_rejected() {
    let store = |defect| match defect {
        TokenDefect::RemembersReads => Handles::from(Remembering::handles()),
        _ => Handles::from(Arc::new(BrokenTokenStore::new(defect)) as Arc<dyn TokenStore>),
    };
    all_are_rejected(&suite::token::cases(), TokenDefect::ALL, TokenDefect::rejected_by, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_combined_reads_are_rejected() {
    let store = |defect| match defect {
        StoreDefect::RemembersReads => Handles::from(Remembering::handles()),
        _ => Handles::from(Arc::new(BrokenStore::new(defect)) as Arc<dyn Store>),
    };
    all_are_rejected(&suite::store::cases(), StoreDefect::ALL, StoreDefect::rejected_by, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn broken_outboxes_are_rejected() {
    let store = |defect| match defect {
        OutboxDefect::RemembersReads => Handles::from(Remembering::handles()),
        _ => Handles::from(Arc::new(BrokenOutbox::new(defect)) as Arc<dyn Outbox>),
    };
    all_are_rejected(&suite::outbox::cases(), OutboxDefect::ALL, OutboxDefect::rejected_by, store).await;
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
            broken.insert(violation.case);
        }
    }
    judge(&cases, &found, LimiterDefect::rejected_by);
}
