//! What CI counts, measured on an idle machine: `scripts/soak/timing` and `scripts/soak/exhaustion` run it.
//!
//! `timing` is guarantee 10: whether the time of an answer reveals what an address is. In process and over
//! loopback HTTP, each request draws its class of account at random; Welch's t and Mann-Whitney's U against
//! the unknown account, and the gap of the medians. `timing-control` is its negative control: a millisecond
//! is added to the times of one class, which must then be distinguishable. `exhaustion` is guarantee 13, of a
//! running server.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot be made must fail"
)]
mod burst;
mod classes;
mod connection;
mod in_process;
mod over_http;
mod overload;
mod rounds;
mod server;
mod verdict;

use std::process::ExitCode;

use crate::classes::{CONTROLS, Classes, MEASURED};
use crate::verdict::{Expected, Report};

fn main() -> ExitCode {
    let holds = match std::env::args().nth(1).as_deref() {
        Some("timing") => timing(&MEASURED, Expected::Alike),
        Some("timing-control") => timing(&CONTROLS, Expected::Noticed),
        Some("exhaustion") => overload::measure(),
        other => panic!("measure what? `timing`, `timing-control` or `exhaustion`, not {other:?}"),
    };
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A number that the environment sets, or what it usually is.
fn number(name: &str, usually: usize) -> usize {
    std::env::var(name).map_or(usually, |text| text.parse().unwrap())
}

fn timing(classes: &Classes, expected: Expected) -> bool {
    let (slow, fast) = (number("TIMING_ROUNDS", 1000), number("TIMING_FAST_ROUNDS", 5000));
    let mut report = Report::new(expected);
    in_process::measure(&mut report, classes, slow, fast);
    over_http::measure(&mut report, classes, slow, fast / 5);
    report.print()
}
