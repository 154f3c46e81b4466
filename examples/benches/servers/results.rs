//! The results: for people on the terminal, for `scripts/bench/all` in a file.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;

/// The reason why nothing could be measured.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints a result, and appends it to the file that `BENCH_RESULTS` names.
pub(crate) fn record(result: &Value) -> Result<(), Failure> {
    println!("{result}");
    if let Some(path) = std::env::var_os("BENCH_RESULTS") {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{result}")?;
    }
    Ok(())
}

/// Milliseconds, to the microsecond.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// How long each measurement of load takes.
pub(crate) fn window() -> Duration {
    let millis = std::env::var("BENCH_WINDOW_MS").ok().and_then(|text| text.parse().ok());
    Duration::from_millis(millis.unwrap_or(2_000))
}
