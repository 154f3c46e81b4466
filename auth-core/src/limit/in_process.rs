//! A rate limiter in the memory of one process.

mod consecutive_failures;
#[cfg(all(test, shuttle))]
mod interleavings;
mod quota;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::consecutive_failures::ConsecutiveFailures;
use self::quota::{Arrival, quota};
use self::table::Table;
use super::{AcquireOutcome, Bucket, RateLimiter, Rule};
use crate::clock::Clock;
use crate::error::StoreError;

/// Default of the most buckets stored: about 48 MB when full.
const DEFAULT_MAX_KEYS: NonZeroUsize = NonZeroUsize::new(250_000).unwrap();

/// The answer for a rule with a zero in it, which grants nothing.
const NEVER: AcquireOutcome = AcquireOutcome::Refused { retry_after: Duration::from_mins(1) };

/// Counts requests in the memory of this process.
///
/// [`Rule::Quota`] is the GCRA of the crate `governor`, to the nanosecond; [`Rule::ConsecutiveFailures`] a counter.
/// Every operation takes the lock of one of 16 shards for 0.1 microseconds, or 2 when a bucket is
/// evicted. It waits for nothing else and never fails.
///
/// - A permit that is released before another is taken leaves no trace. Otherwise the part that time
///   had already freed is freed again: at most the time for which the permit was held, and never more
///   permits than the rule has.
/// - The wait after consecutive failures starts with the last free try: the first try after `failures`
///   is granted `then_every` later. `reset_after` of a granted try is the time until the next try would
///   be granted, since only [`reset`](RateLimiter::reset) clears the count.
/// - A rule with a `count`, `window` or `then_every` of zero grants nothing.
///
/// Counts are not shared between processes and are lost at a restart. Several servers behind one
/// balancer each allow the whole limit; use a shared [`RateLimiter`] there.
///
/// # Memory
///
/// At most `max_keys` buckets are stored (250,000 by default), a quarter of them for consecutive
/// failures. A bucket takes up to 240 bytes (measured; 195 with the default), so the default is 48 MB
/// when full. Nothing is allocated in advance. Each new bucket checks two others and drops those that
/// have expired.
///
/// # Security
///
/// When the table is full, a new bucket evicts the lightest of eight drawn at random: the quota with the
/// fewest permits taken, or the fewest failures. So a flood of buckets that are used once evicts itself,
/// and exhausted buckets stay. A bucket is evicted only among eight of the same weight. Even if half of
/// the table is filled by enough requests for that, an attacker must make about 16 times `max_keys` more
/// buckets to evict a given one, and gains one burst. Consecutive failures have a separate table, in
/// which no quota evicts them.
///
/// # Examples
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use auth_core::{Bucket, InProcessLimiter, RateLimiter, AcquireOutcome, Rule, SystemClock};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let limiter = InProcessLimiter::new(Arc::new(SystemClock));
/// let bucket = Bucket { limit: "log_in", key: [7; 16] };
/// let rule = Rule::Quota { count: 1, window: Duration::from_mins(15) };
/// assert!(matches!(limiter.acquire(&bucket, &rule).await?, AcquireOutcome::Granted { .. }));
/// assert!(matches!(limiter.acquire(&bucket, &rule).await?, AcquireOutcome::Refused { .. }));
/// # Ok::<_, auth_core::store::StoreError>(()) }).unwrap();
/// ```
pub struct InProcessLimiter {
    clock: Arc<dyn Clock>,
    quotas: Table<Arrival>,
    failures: Table<ConsecutiveFailures>,
}

impl InProcessLimiter {
    /// Makes a limiter that stores at most 250,000 buckets.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(clock, DEFAULT_MAX_KEYS)
    }

    /// Makes a limiter that stores at most `max_keys` buckets, and at least one of each kind.
    pub fn with_capacity(clock: Arc<dyn Clock>, max_keys: NonZeroUsize) -> Self {
        let failures = max_keys.get() / 4;
        Self { clock, quotas: Table::new(max_keys.get() - failures), failures: Table::new(failures) }
    }

    /// Returns the number of stored buckets.
    pub fn len(&self) -> usize {
        self.quotas.len() + self.failures.len()
    }

    /// Returns whether no bucket is stored.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn now(&self) -> u64 {
        nanos(self.clock.monotonic())
    }

    fn take(&self, bucket: &Bucket, rule: &Rule) -> AcquireOutcome {
        match *rule {
            Rule::Quota { count, window } => quota(count, window).map_or(NEVER, |quota| {
                let now = self.now();
                self.quotas.update(bucket, now, |arrival| arrival.take(now, quota))
            }),
            Rule::ConsecutiveFailures { then_every: Duration::ZERO, .. } => NEVER,
            Rule::ConsecutiveFailures { failures, then_every } => {
                let now = self.now();
                self.failures.update(bucket, now, |counted| counted.take(now, failures, then_every))
            }
        }
    }

    fn free(&self, bucket: &Bucket, rule: &Rule) {
        match *rule {
            Rule::Quota { count, window } => {
                if let Some(quota) = quota(count, window) {
                    self.quotas.update(bucket, self.now(), |arrival| (arrival.release(quota), ()));
                }
            }
            Rule::ConsecutiveFailures { failures, .. } => {
                self.failures.update(bucket, self.now(), |counted| (counted.release(failures), ()));
            }
        }
    }
}

impl fmt::Debug for InProcessLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessLimiter")
            .field("quotas", &self.quotas.len())
            .field("failures", &self.failures.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl RateLimiter for InProcessLimiter {
    async fn acquire(&self, bucket: &Bucket, rule: &Rule) -> Result<AcquireOutcome, StoreError> {
        Ok(self.take(bucket, rule))
    }

    async fn release(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError> {
        self.free(bucket, rule);
        Ok(())
    }

    async fn reset(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError> {
        match rule {
            Rule::Quota { .. } => self.quotas.remove(bucket),
            Rule::ConsecutiveFailures { .. } => self.failures.remove(bucket),
        }
        Ok(())
    }
}

/// Whole nanoseconds, at most 584 years of them.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
