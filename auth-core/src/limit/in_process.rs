//! The limiter that lives in the memory of one process.

mod consecutive_failures;
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

/// How many buckets are kept if nothing else is said.
const DEFAULT_MAX_KEYS: NonZeroUsize = NonZeroUsize::new(250_000).unwrap();

/// What a rule that makes no sense answers: come back later, forever.
const NEVER: AcquireOutcome = AcquireOutcome::Refused { retry_after: Duration::from_mins(1) };

/// Counts requests in the memory of this process.
///
/// [`Rule::Quota`] is the GCRA of the crate `governor`, to the nanosecond; [`Rule::ConsecutiveFailures`] a counter.
/// Every operation takes the lock of one of 16 shards for 0.1 microseconds, or 2 where a bucket must
/// go for a new one; it waits for nothing else and never fails.
///
/// - A place given back before anything else was taken leaves no trace. Otherwise the part of it that
///   time had freed already is freed again: no more than for how long it was held, and never more
///   places than the rule has.
/// - A streak's wait starts with its last free try: the first try after `failures` is granted
///   `then_every` later. `reset_after` of a granted one is how long until the next would be granted,
///   since only [`reset`](RateLimiter::reset) makes a streak fresh again.
/// - A rule with a `count`, `window` or `then_every` of zero grants nothing.
///
/// Counts are not shared between processes and are lost at a restart. Where several servers stand
/// behind one balancer each allows the whole limit: implement [`RateLimiter`] over something shared.
///
/// # Memory
///
/// At most `max_keys` buckets are kept (250,000 by default), a quarter of them for streaks. One takes
/// up to 240 bytes (counted; 195 with the default), so the default is 48 MB when full; nothing is taken in advance. Buckets
/// that say nothing any more are dropped as new ones come, two looked at for each.
///
/// # Security
///
/// Who makes more buckets than fit makes the limiter forget some: of eight drawn at random the lightest,
/// which is the quota with the fewest places taken or the shortest streak. So a flood of buckets that
/// were used once evicts itself, and what is exhausted stays. A bucket goes only among eight that all
/// weigh as much: even with half of the table filled by requests enough for that, about 16 times
/// `max_keys` more buckets must be made to lose a given one, and the burst of that one is won. Streaks
/// have a table of their own, where no number of quotas evicts one.
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
    /// A limiter that keeps at most 250,000 buckets.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(clock, DEFAULT_MAX_KEYS)
    }

    /// A limiter that keeps at most `max_keys` buckets, and at least one of each kind.
    pub fn with_capacity(clock: Arc<dyn Clock>, max_keys: NonZeroUsize) -> Self {
        let failures = max_keys.get() / 4;
        Self { clock, quotas: Table::new(max_keys.get() - failures), failures: Table::new(failures) }
    }

    /// How many buckets are kept now.
    pub fn len(&self) -> usize {
        self.quotas.len() + self.failures.len()
    }

    /// Whether no bucket is kept.
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
