use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use auth_core::store::StoreError;
use auth_core::{Auth, HashingStats};
use metrics::{counter, gauge};

/// Reads what no event tells: how long passwords wait to be hashed, and what the outbox holds.
#[derive(Debug)]
pub struct Sampler {
    auth: Auth,
    before: Mutex<Option<HashingStats>>,
}

impl Sampler {
    /// A sampler of one `Auth`. One is enough: each tells the mean wait since its own last sample.
    pub const fn new(auth: Auth) -> Self {
        Self { auth, before: Mutex::new(None) }
    }

    /// Takes one sample: call it before each scrape, or every few seconds. It counts the outbox, which
    /// costs the store one read.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the outbox cannot be read; its gauges then keep their last values.
    pub async fn sample(&self) -> Result<(), StoreError> {
        self.sample_hashing();
        let outbox = self.auth.outbox_stats().await?;
        let age = outbox.oldest_created_at.map(|at| (self.auth.now() - at).to_std().unwrap_or_default());
        gauge!("auth_outbox_queued").set(approximate(outbox.queued));
        gauge!("auth_outbox_dead").set(approximate(outbox.dead));
        gauge!("auth_outbox_oldest_seconds").set(age.unwrap_or_default());
        Ok(())
    }

    fn sample_hashing(&self) {
        let stats = self.auth.hashing().stats();
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).replace(stats);
        let (jobs, waited) = before.map_or((0, Duration::ZERO), |before| (before.jobs, before.waited));
        let jobs = u32::try_from(stats.jobs.saturating_sub(jobs)).unwrap_or(u32::MAX);
        let mean = stats.waited.saturating_sub(waited).checked_div(jobs).unwrap_or_default();
        gauge!("auth_hashing_queue").set(approximate(stats.queued as u64));
        gauge!("auth_hashing_wait_seconds").set(mean);
        counter!("auth_hashing_jobs_total").absolute(stats.jobs);
        counter!("auth_hashing_hashes_total").absolute(stats.hashes);
        counter!("auth_hashing_refusals_total").absolute(stats.refused);
    }
}

/// A count as a gauge keeps it: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no queue is that long")]
const fn approximate(count: u64) -> f64 {
    count as f64
}
