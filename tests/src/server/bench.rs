//! Benchmarks of stores on a database server: a service with cheap hashes and no limits, and bounds of figures.

pub mod growth;
pub mod refresh;

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

use auth_core::store::Store;
use auth_core::{Auth, Client, Mailbox, Policy};
use auth_testkit::cheap_hashing;

use crate::SECRET;

/// The time budget of one clean-up.
pub const WINDOW: Duration = Duration::from_secs(5);

/// The client of every request.
pub fn client() -> Client {
    Client::new("192.0.2.7".parse().ok(), Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0"))
}

/// A service over this store.
pub fn service(store: impl Store + 'static) -> Auth {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    policy.clean_up.budget = WINDOW;
    let limits = &mut policy.limits;
    (limits.refresh_client, limits.refresh_session, limits.log_in_client) = (None, None, None);
    Auth::builder(store, Mailbox::new()).secret(SECRET).policy(policy).build().unwrap()
}

/// The value below which this number of hundredths lie.
pub fn percentile(values: &mut [f64], hundredths: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[(values.len() * hundredths / 100).min(values.len() - 1)]
}

/// Figures and their bounds.
#[derive(Debug, Default)]
pub struct Bounds {
    rows: Vec<String>,
    failed: usize,
}

impl Bounds {
    /// Adds a figure and the range that it must be in.
    pub fn check(&mut self, what: impl Display, measured: f64, range: RangeInclusive<f64>) {
        let (holds, (least, most)) = (range.contains(&measured), range.into_inner());
        self.failed += usize::from(!holds);
        let bound = if most.is_finite() { format!("at most {most}") } else { format!("at least {least}") };
        let holds = if holds { "yes" } else { "NO" };
        self.rows.push(format!("| {what} | {measured:.2} | {bound} | {holds} |"));
    }

    /// Prints all figures; fails if one is outside its range.
    pub fn judge(self) -> ExitCode {
        println!("\n| figure | measured | bound | holds |\n|---|---|---|---|\n{}", self.rows.join("\n"));
        if self.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
