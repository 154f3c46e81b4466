//! The shared parts of the example servers: everything except the HTTP stack.

pub mod access_log;
mod logging;
mod mailbox;
mod metrics;
pub mod pages;
mod service;
pub mod settings;
pub mod store;

pub use mailbox::DevMailbox;
pub use service::{Service, run};

/// The guides whose code runs here.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../docs/mailing.md")]
    struct Mailing;

    #[doc = include_str!("../../docs/migrating.md")]
    struct Migrating;
}
