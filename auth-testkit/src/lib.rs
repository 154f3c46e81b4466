//! Proves stores.

pub mod broken;
mod clock;
mod fault;
pub mod suite;

pub use clock::FakeClock;
pub use fault::{Fault, Faulty};

/// What the macros of this crate name.
#[doc(hidden)]
pub mod __private {
    pub use auth_core::store::{Outbox, TokenStore, UserStore};
}
