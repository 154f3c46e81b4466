//! The example server under load, on each database: the cost of an operation, against its floor in
//! the same run; and the effect of a flood of log-ins on other requests, and of one account on others.
//!
//! `scripts/bench/all` starts the databases and reports the result in `target/reports/performance.md`. By
//! hand:
//! `cargo bench -p auth-examples --bench servers`, which leaves out MariaDB and MySQL unless
//! `BENCH_MARIADB_URL`, `BENCH_MYSQL_URL` and `BENCH_POSTGRES_URL` name databases that may be filled. Linux only: processor time is
//! read from `/proc`.

mod fairness;
mod fixture;
mod floors;
mod http;
mod isolation;
mod load;
mod operations;
mod process;
mod results;

use fixture::Fixture;
use floors::Floors;
use process::Server;
use results::Failure;

/// The server's database and its name in the report.
const STORES: [(&str, &str); 5] = [
    ("memory", "memory:"),
    ("SQLite", "sqlite://auth.db"),
    ("MariaDB", "BENCH_MARIADB_URL"),
    ("MySQL", "BENCH_MYSQL_URL"),
    ("PostgreSQL", "BENCH_POSTGRES_URL"),
];

fn main() {
    // `cargo test --benches` only checks that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if let Err(error) = run() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Failure> {
    floors::template()?;
    for (name, place) in STORES {
        let url = if place.contains(':') { Some(place.to_owned()) } else { std::env::var(place).ok() };
        let Some(url) = url else {
            eprintln!("{place} is not set: {name} is left out");
            continue;
        };
        let server = Server::start(&url)?;
        let fixture = Fixture::set(&server, name)?;
        let floors = Floors::measure(name, &url)?;
        operations::measure(name, &server, &fixture, &floors)?;
        if matches!(name, "memory" | "MariaDB") {
            fairness::measure(name, &server, &fixture, &floors)?;
            isolation::measure(name, &server, &fixture)?;
        }
    }
    Ok(())
}
