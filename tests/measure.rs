//! What CI counts, measured on a machine that does nothing else: `scripts/prove-timing` and
//! `scripts/prove-exhaustion` run it.
//!
//! `timing` is promise 10: whether the time of an answer tells what an address is. In process and over
//! loopback HTTP, every class of account in a new random order each round; Welch's t and Mann-Whitney's U against
//! the unknown account, and the gap of the medians. Two controls must be noticed: an unknown account that is not
//! hashed for, and one millisecond more. `exhaustion` is promise 13, of a running server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be made must fail"
)]

#[path = "measure/burst.rs"]
mod burst;
#[path = "measure/connection.rs"]
mod connection;
#[path = "measure/in_process.rs"]
mod in_process;
#[path = "measure/over_http.rs"]
mod over_http;
#[path = "measure/overload.rs"]
mod overload;
#[path = "measure/rounds.rs"]
mod rounds;
#[path = "measure/server.rs"]
mod server;
#[path = "measure/verdict.rs"]
mod verdict;

use std::process::ExitCode;

fn main() -> ExitCode {
    let holds = match std::env::args().nth(1).as_deref() {
        Some("timing") => timing(),
        Some("exhaustion") => overload::measure(),
        other => panic!("measure what? `timing` or `exhaustion`, not {other:?}"),
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn timing() -> bool {
    let rounds = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (slow, fast) = (rounds("TIMING_ROUNDS", 1000), rounds("TIMING_FAST_ROUNDS", 5000));
    let mut report = verdict::Report::default();
    in_process::measure(&mut report, slow, fast);
    over_http::measure(&mut report, slow, fast);
    report.print();
    report.holds()
}
