//! The example servers as real processes over real sockets: their settings, their lives, and the HTTP
//! contract, which both keep.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod client;
mod guide;
mod lives;
mod metrics;
mod server;
mod settings;
mod smtp;
