//! What you need to test with `auth-core`: a conformance suite for stores, a clock that tests move,
//! and wrappers that fail on demand.
//!
//! # You wrote a store
//!
//! Give the suite a way to make it, in a file of your `tests/` folder. Each promise of the trait
//! becomes one test, named after the promise; those that concern concurrency are raced by 64 tasks
//! on several threads. It needs no other dependency and no attribute:
//!
//! ```
//! use std::sync::Arc;
//!
//! # use auth_core::MemoryStore as MyStore;
//! # async fn connect() -> MyStore { MyStore::new() }
//! /// The same database for all tests is fine: the suite makes its own users, sessions and mails.
//! async fn my_store() -> Arc<MyStore> {
//!     Arc::new(connect().await)
//! }
//!
//! auth_testkit::user_store_tests!(my_store());
//! auth_testkit::token_store_tests!(my_store());
//! auth_testkit::outbox_tests!(my_store());
//! // For one that is `JoinedStore` too:
//! auth_testkit::joined_store_tests!(my_store());
//! ```
//!
//! `limiter_tests!` is the same for a [`RateLimiter`](auth_core::RateLimiter).
//!
//! A failure names the promise and what was seen instead. See [`suite`] for what it asks of the
//! database, and for running it by program:
//!
//! ```
//! use std::sync::Arc;
//!
//! use auth_core::MemoryStore;
//! use auth_core::store::UserStore;
//! use auth_testkit::suite;
//!
//! # fn main() -> Result<(), suite::Violation> {
//! for case in suite::user::cases() {
//!     let store: Arc<dyn UserStore> = Arc::new(MemoryStore::new());
//!     suite::run(case.promise(), case.run(store))?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! That the suite sees what it claims to see is shown by the stores in [`broken`]: each has one
//! mistake that real stores make, and names the promises that must catch it.
//!
//! For what only your store can be tested for, such as a server that is killed, [`samples`] has records
//! that are named by a number.
//!
//! # You test your service
//!
//! Use [`FakeClock`] to let time pass, and [`Faulty`] around any store, mailer or limiter to see what
//! happens when it fails before or after its work, answers late, panics or never answers. With
//! [`MemoryStore`](auth_core::MemoryStore) and [`Mailbox`](auth_core::Mailbox) no test needs a
//! server.

pub mod broken;
mod clock;
mod fault;
mod hashing;
mod methods;
pub mod samples;
pub mod suite;

pub use clock::FakeClock;
pub use fault::{Fault, Faulty};
pub use hashing::cheap_hashing;

/// What the macros of this crate name.
#[doc(hidden)]
pub mod __private {
    pub use auth_core::RateLimiter;
    pub use auth_core::store::{JoinedStore, Outbox, TokenStore, UserStore};
}
