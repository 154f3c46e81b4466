//! Ratios of the costs of this crate to those of the bare work underneath, measured side by side.
//!
//! `cargo bench -p auth-core`. Absolute times depend on the machine and its load. Ratios of interleaved
//! rounds are stable.

mod hashing;
mod ratio;
mod signatures;
mod steps;
mod tokens;

fn main() {
    // `cargo test --benches` only checks that this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let suites = [hashing::compare_all, signatures::compare_all, steps::compare_all, tokens::compare_all];
    if let Err(error) = suites.into_iter().try_for_each(|suite| suite()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
