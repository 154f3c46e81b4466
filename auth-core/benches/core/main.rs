//! Costs that matter, as ratios of this crate to the bare work underneath, measured side by side.
//!
//! `cargo bench -p auth-core`. Absolute times move with the machine and its load; ratios of
//! interleaved rounds hold.

mod hashing;
mod ratio;
mod tokens;

fn main() {
    // `cargo test --benches` only asks whether this starts.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if let Err(error) = hashing::compare().and_then(|()| tokens::compare()) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
