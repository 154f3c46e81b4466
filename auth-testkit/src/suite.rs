//! The conformance suite: every promise of the storage traits and of the rate limiter, as a
//! function that tries to break it.
//!
//! A promise is a plain function such as
//! [`user::racing_inserts_of_one_address_have_one_winner`], listed by `cases()` of its module. The
//! macros [`user_store_tests!`](crate::user_store_tests), [`token_store_tests!`](crate::token_store_tests),
//! [`outbox_tests!`](crate::outbox_tests), [`joined_store_tests!`](crate::joined_store_tests) and
//! [`limiter_tests!`](crate::limiter_tests) turn each into a test.
//!
//! # What the store may hold already
//!
//! Anything real. Each run makes its own users, sessions and intents, with fresh ids and addresses,
//! and looks at no others. Purges and claims reach every record of a database, so the cases that
//! call them
//!
//! - keep to dates between 1995 and 2000, before anything real, and clear those years first;
//! - take turns within one process. Two *processes* must not run the suite over one database at a
//!   time: with `cargo nextest`, give each test its own database or put them into a test group of
//!   one thread.
//!
//! The races need a multi-thread runtime; [`run`] makes one.

mod check;
mod fresh;
mod race;
mod row;

pub mod joined;
pub mod limiter;
pub mod outbox;
pub mod token;
pub mod user;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long one case may take before it counts as stuck, the wait for its turn included.
const PATIENCE: Duration = Duration::from_mins(5);

/// A promise that a store did not keep.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise, by the name of the function that tried to break it.
    pub promise: &'static str,
    /// What was seen instead.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not hold: {}", self.promise, self.detail)
    }
}

/// Reads like [`Display`](fmt::Display), because the test harness prints failures by `Debug`.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

type Run<S> = fn(Arc<S>) -> Pin<Box<dyn Future<Output = Result<(), Violation>> + Send>>;

/// One promise, to be run by a program. `S` is `dyn UserStore`, `dyn TokenStore`, `dyn Outbox`,
/// `dyn Store` or `dyn RateLimiter`.
pub struct Case<S: ?Sized> {
    promise: &'static str,
    run: Run<S>,
}

impl<S: ?Sized> Case<S> {
    /// The promise's name.
    pub const fn promise(&self) -> &'static str {
        self.promise
    }

    /// Puts a store to the promise. To be called on a multi-thread runtime.
    ///
    /// # Errors
    ///
    /// - [`Violation`] when the store does not keep it, or fails while it is tried.
    pub fn run(&self, store: Arc<S>) -> impl Future<Output = Result<(), Violation>> + Send + use<S> {
        (self.run)(store)
    }
}

impl<S: ?Sized> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.promise).finish()
    }
}

/// Runs one case, such as `user::an_unknown_user_is_not_found(store)`, on a multi-thread runtime of its own, and calls it broken when it hangs.
///
/// # Errors
///
/// - [`Violation`], as `case` gives it, or when it did not end within five minutes.
pub fn run(
    promise: &'static str,
    case: impl Future<Output = Result<(), Violation>>,
) -> Result<(), Violation> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .map_err(|error| Violation { promise, detail: format!("no runtime to run it on: {error}") })?;
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, case).await.unwrap_or_else(|_| {
            Err(Violation { promise, detail: format!("no answer after {} s", PATIENCE.as_secs()) })
        })
    })
}

/// Turns the list of a trait's promises into its public functions and `cases()`.
macro_rules! define_promises {
    ($store:ty; $($(#[$doc:meta])* $module:ident::$promise:ident,)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// - [`Violation`](crate::suite::Violation) when the store does not keep this promise.
            pub async fn $promise(store: std::sync::Arc<$store>) -> Result<(), crate::suite::Violation> {
                $module::$promise(store).await.map_err(|broken| broken.promise(stringify!($promise)))
            }
        )*

        /// Every promise of the trait.
        pub fn cases() -> Vec<crate::suite::Case<$store>> {
            vec![$(crate::suite::Case {
                promise: stringify!($promise),
                run: |store| Box::pin($promise(store)),
            }),*]
        }
    };
}
use define_promises;

/// Turns the list of a trait's promises into tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    ($trait:ident, $suite:ident, $store:expr; $($(#[$doc:meta])* $module:ident::$promise:ident,)*) => {
        $(
            #[test]
            fn $promise() -> ::std::result::Result<(), $crate::suite::Violation> {
                $crate::suite::run(::std::stringify!($promise), async {
                    let store: ::std::sync::Arc<dyn $crate::__private::$trait> = $store.await;
                    $crate::suite::$suite::$promise(store).await
                })
            }
        )*
    };
}
