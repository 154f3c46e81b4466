//! Samples the state of the hashing queue and the outbox.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use auth_core::store::StoreError;
use auth_core::{Auth, HashingStats};
use metrics::{counter, gauge};

use crate::list::{
    HASHING_HASHES, HASHING_JOBS, HASHING_QUEUE, HASHING_REFUSALS, HASHING_WAIT, OUTBOX_DEAD_LETTERS,
    OUTBOX_OLDEST, OUTBOX_QUEUED,
};

/// Samples what no event reports: the wait of passwords to be hashed, and the outbox.
#[derive(Debug)]
pub struct Sampler {
    auth: Auth,
    before: Mutex<Option<HashingStats>>,
}

impl Sampler {
    /// Creates the sampler of one `Auth`.
    ///
    /// One is enough: each sampler reports the mean wait since its own last sample.
    pub const fn new(auth: Auth) -> Self {
        Self { auth, before: Mutex::new(None) }
    }

    /// Takes one sample, before each scrape or every few seconds.
    ///
    /// It counts the outbox, which costs the store one read.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] if the outbox cannot be read. The outbox gauges then stay as they are.
    pub async fn sample(&self) -> Result<(), StoreError> {
        self.sample_hashing();
        let outbox = self.auth.outbox_stats().await?;
        let age = outbox.oldest_created_at.map(|at| (self.auth.now() - at).to_std().unwrap_or_default());
        gauge!(OUTBOX_QUEUED).set(approximate(outbox.queued));
        gauge!(OUTBOX_DEAD_LETTERS).set(approximate(outbox.dead));
        gauge!(OUTBOX_OLDEST).set(age.unwrap_or_default());
        Ok(())
    }

    fn sample_hashing(&self) {
        let stats = self.auth.hashing().stats();
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).replace(stats);
        let (jobs, waited) = before.map_or((0, Duration::ZERO), |before| (before.jobs, before.waited));
        let jobs = u32::try_from(stats.jobs.saturating_sub(jobs)).unwrap_or(u32::MAX);
        let mean = stats.waited.saturating_sub(waited).checked_div(jobs).unwrap_or_default();
        gauge!(HASHING_QUEUE).set(approximate(stats.queued as u64));
        gauge!(HASHING_WAIT).set(mean);
        counter!(HASHING_JOBS.name).absolute(stats.jobs);
        counter!(HASHING_HASHES.name).absolute(stats.hashes);
        counter!(HASHING_REFUSALS.name).absolute(stats.refused);
    }
}

/// Converts a count to the number of a gauge, exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no queue is that long")]
const fn approximate(count: u64) -> f64 {
    count as f64
}
