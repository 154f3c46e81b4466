#![doc = include_str!("../README.md")]

mod clock;
mod fault;
mod hashing;
pub mod samples;
pub mod suite;

pub use clock::FakeClock;
pub use fault::{Fault, Faulty};
pub use hashing::cheap_hashing;

/// What the macros of this crate name.
#[doc(hidden)]
pub mod __private {
    pub use auth_core::RateLimiter;
    pub use auth_core::store::{Outbox, Store, TokenStore, UserStore};
}
