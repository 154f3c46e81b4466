//! Consecutive failures: some tries are free, then one is granted per interval.

use std::time::Duration;

use super::nanos;
use super::table::Entry;
use crate::limit::AcquireOutcome;

/// The tries in a row on one bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ConsecutiveFailures {
    tries: u32,
    /// When the next is granted, once the free ones are used up; nanoseconds of the limiter's clock.
    next_at: u64,
}

impl Entry for ConsecutiveFailures {
    /// The number of tries: they do not expire.
    fn weight(&self, _now: u64) -> u64 {
        u64::from(self.tries)
    }
}

impl ConsecutiveFailures {
    /// Takes one try if there is one.
    pub(super) fn take(self, now: u64, failures: u32, then_every: Duration) -> (Self, AcquireOutcome) {
        if self.tries >= failures && now < self.next_at {
            let retry_after = Duration::from_nanos(self.next_at - now);
            return (self, AcquireOutcome::Refused { retry_after });
        }
        let tries = self.tries.saturating_add(1);
        let remaining = failures.saturating_sub(tries);
        let wait = if remaining > 0 { 0 } else { nanos(then_every) };
        let granted = AcquireOutcome::Granted { remaining, reset_after: Duration::from_nanos(wait) };
        (Self { tries, next_at: now.saturating_add(wait) }, granted)
    }

    /// Releases one try. A try past the free ones was granted because its time had come, so after its
    /// release the next is granted at once.
    pub(super) fn release(self, failures: u32) -> Self {
        let next_at = if self.tries > failures { 0 } else { self.next_at };
        Self { tries: self.tries.saturating_sub(1), next_at }
    }
}
