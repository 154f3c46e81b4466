//! The HTTP contract, proved in process: each request goes through the whole router.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a proof that cannot be set up must fail"
)]

mod accounts;
mod bodies;
mod configuration;
mod cross_site;
mod document;
mod extractors;
mod headers;
mod limits;
mod links;
mod panics;
mod sessions;
mod support;
