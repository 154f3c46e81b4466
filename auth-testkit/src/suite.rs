//! The conformance suite: for each guarantee of the storage traits and of the rate limiter, a case that
//! tries to break it.
//!
//! A case is a function such as [`user::racing_inserts_of_one_address_have_one_winner`], listed by
//! `cases()` of its module. The macros [`store_tests!`](crate::store_tests),
//! [`user_store_tests!`](crate::user_store_tests), [`token_store_tests!`](crate::token_store_tests),
//! [`outbox_tests!`](crate::outbox_tests) and [`limiter_tests!`](crate::limiter_tests) turn each case into a
//! test.
//!
//! # Runtimes
//!
//! Each generated test makes a private multi-thread runtime, by [`run`], and drops it at its end. A
//! connection pool lives no longer than its runtime: open the store in the expression that the macro
//! takes, not in a `static`.
//!
//! # What the store may contain already
//!
//! Any real data. Each case makes its own users, sessions and intents, with fresh ids and addresses, and
//! reads no others. Purges and claims reach every record of a database, so the cases that call them
//!
//! - use dates between 1995 and 2000, before any real record, and first delete what those years contain;
//! - take turns within one process. Two *processes* must not run the suite over one database at the same
//!   time: with `cargo nextest`, give each test its own database or put them into a test group of one
//!   thread.

mod check;
mod fresh;
mod handles;
mod race;
mod row;

pub mod limiter;
pub mod outbox;
pub mod store;
pub mod token;
pub mod user;

pub use handles::Handles;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// Limits the time of one case, in which it also waits for its turn; slow databases take a minute.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a case saw that the contract forbids.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the case.
    pub case: &'static str,
    /// The method that was called, and what was seen.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` failed: {}", self.case, self.detail)
    }
}

/// Reads like [`Display`](fmt::Display), because the test harness prints failures by `Debug`.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

type Run<S> = fn(Handles<S>) -> Pin<Box<dyn Future<Output = Result<(), Violation>> + Send>>;

/// One case, to be run by a program.
///
/// `S` is `dyn UserStore`, `dyn TokenStore`, `dyn Outbox`, `dyn Store` or `dyn RateLimiter`.
pub struct Case<S: ?Sized> {
    name: &'static str,
    run: Run<S>,
}

impl<S: ?Sized> Case<S> {
    /// The name of the case.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case over a store. Needs a multi-thread runtime.
    ///
    /// Given one handle, the case uses it for both of [`Handles`].
    ///
    /// # Errors
    ///
    /// - [`Violation`] if the store breaks the guarantee, or if a call fails.
    pub fn run(
        &self,
        store: impl Into<Handles<S>>,
    ) -> impl Future<Output = Result<(), Violation>> + Send + 'static {
        (self.run)(store.into())
    }
}

impl<S: ?Sized> fmt::Debug for Case<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// Runs one case on a private multi-thread runtime, for at most five minutes.
///
/// # Errors
///
/// - [`Violation`] of the case, or if it did not end in time.
pub fn run(name: &'static str, case: impl Future<Output = Result<(), Violation>>) -> Result<(), Violation> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .map_err(|error| Violation { case: name, detail: format!("no runtime to run it on: {error}") })?;
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, case).await.unwrap_or_else(|_| {
            Err(Violation { case: name, detail: format!("no end after {} s", PATIENCE.as_secs()) })
        })
    })
}

/// Turns the list of a trait's cases into its public functions and `cases()`.
macro_rules! define_cases {
    ($store:ty; $($(#[$doc:meta])* $module:ident::$case:ident,)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// - [`Violation`](crate::suite::Violation) if the store breaks this guarantee.
            pub async fn $case(
                store: impl Into<crate::suite::Handles<$store>>,
            ) -> Result<(), crate::suite::Violation> {
                let handles: crate::suite::Handles<$store> = store.into();
                $module::$case(handles.into()).await.map_err(|broken| broken.of(stringify!($case)))
            }
        )*

        /// Every case of the trait.
        pub fn cases() -> Vec<crate::suite::Case<$store>> {
            vec![$(crate::suite::Case {
                name: stringify!($case),
                run: |handles| Box::pin($case(handles)),
            }),*]
        }
    };
}
use define_cases;

/// Turns the list of a trait's cases into tests.
#[doc(hidden)]
#[macro_export]
macro_rules! __case_tests {
    ($trait:ident, $suite:ident, $handles:expr; $($(#[$doc:meta])* $module:ident::$case:ident,)*) => {
        $(
            #[test]
            fn $case() -> ::std::result::Result<(), $crate::suite::Violation> {
                $crate::suite::run(::std::stringify!($case), async {
                    let handles: $crate::suite::Handles<dyn $crate::__private::$trait> = $handles.await.into();
                    $crate::suite::$suite::$case(handles).await
                })
            }
        )*
    };
}
