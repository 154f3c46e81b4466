//! Refreshes at a fixed rate, with and without a clean-up beside them.

use std::env;
use std::time::{Duration, Instant};

use auth_core::CleanedUp;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::super::{Bounds, WINDOW, client, percentile};
use super::{Subject, Table};

/// Totals over windows of one kind.
#[derive(Default)]
struct Windows {
    /// Microseconds between the time that a refresh was due and its end.
    latencies: Vec<f64>,
    deleted: u64,
    took: Duration,
    /// The number of statements over 50 ms.
    slow: i64,
    /// The slowest statement in milliseconds.
    slowest: f64,
}

/// Alternates windows with and without clean-up until all expired sessions are deleted, or for
/// `WINDOWS` of each kind.
pub(super) async fn compare<T: Table>(subject: &mut Subject<T>, bounds: &mut Bounds) {
    let number = |name, default| env::var(name).map_or(default, |number| number.parse().expect(name));
    let (rate, windows) = (number("RATE", 200), number("WINDOWS", u32::MAX));
    let (mut quiet, mut cleaning) = (Windows::default(), Windows::default());
    for _ in 0..windows {
        quiet.run_window(subject, rate, false).await;
        if cleaning.run_window(subject, rate, true).await {
            break;
        }
    }
    println!("Of {} sessions, {rate} refreshed a second:\n", subject.table.users());
    println!(
        "| | refreshes | p50, us | p99, us | statements over 50 ms | slowest, ms |\n|---|---|---|---|---|---|"
    );
    let p99 = [("alone", &mut quiet), ("beside clean-up", &mut cleaning)].map(|(name, windows)| {
        let all = &mut windows.latencies;
        let (count, p50, p99) = (all.len(), percentile(all, 50), percentile(all, 99));
        println!("| {name} | {count} | {p50:.0} | {p99:.0} | {} | {:.0} |", windows.slow, windows.slowest);
        p99
    });
    println!("| ratio | | | {:.2} | | |", p99[1] / p99[0]);
    bounds.check(
        "p99 of refreshes beside clean-up, as a multiple of that without",
        p99[1] / p99[0],
        0.0..=1.5,
    );
    bounds.check("statements over 50 ms beside clean-up", cleaning.slow as f64, 0.0..=0.0);
    let Windows { deleted, took, .. } = cleaning;
    println!(
        "\n{deleted} sessions cleaned up in {took:.0?}, {:.0} a second",
        deleted as f64 / took.as_secs_f64()
    );
}

impl Windows {
    /// Runs one window; returns whether clean-up has finished.
    async fn run_window<T: Table>(&mut self, subject: &mut Subject<T>, rate: u32, cleaning: bool) -> bool {
        subject.table.forget_slow().await;
        let auth = subject.auth.clone();
        let cleaned = tokio::spawn(async move {
            let began = Instant::now();
            let cleaned = if cleaning { auth.clean_up().await.unwrap() } else { CleanedUp::default() };
            (cleaned, began.elapsed())
        });
        let mut refreshes = JoinSet::new();
        let (began, mut due) = (tokio::time::Instant::now(), interval(Duration::from_secs(1) / rate));
        while began.elapsed() < WINDOW {
            let due = due.tick().await;
            let ((number, token), auth) = (subject.next_session(), subject.auth.clone());
            refreshes.spawn(async move {
                let grant = auth.refresh(&token, &client()).await.unwrap();
                (number, grant.refresh_token.expose().to_string(), due.elapsed().as_secs_f64() * 1e6)
            });
        }
        for (number, token, latency) in refreshes.join_all().await {
            subject.tokens.insert(number, token);
            self.latencies.push(latency);
        }
        let (cleaned, took) = cleaned.await.unwrap();
        self.deleted += cleaned.sessions;
        self.took += took;
        let (slow, slowest) = subject.table.slow().await;
        self.slow += slow;
        self.slowest = self.slowest.max(slowest);
        cleaning && cleaned.finished
    }
}
