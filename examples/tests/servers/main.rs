//! The example servers as real processes over real sockets: the HTTP contract, which both keep, their
//! settings, and how they start and stop.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod answer;
mod contract;
mod cross_site_bytes;
mod database_server;
mod deploy;
mod every_answer;
mod fixture;
mod guide;
mod http;
mod instances;
mod kills;
mod leaks;
mod limit_headers;
mod lives;
mod log_lines;
mod lost_log;
mod metrics;
mod operator;
mod pages;
mod proxy;
mod relay;
mod restore;
mod server;
mod settings;
mod shapes;
mod slow_clients;
mod smtp;
