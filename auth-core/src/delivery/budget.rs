//! The budget of mails of one process.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::limit::{AcquireOutcome, Bucket, InProcessLimiter, RateLimiter as _, Rule};

/// The only bucket of the budget's limiter.
const BUCKET: Bucket = Bucket { limit: "mails", key: [0; 16] };

/// Counts mails as a rate limit does: a burst of a minute's mails, then one after another at the same rate.
pub(super) struct Budget {
    limiter: InProcessLimiter,
    rule: Option<Rule>,
}

impl Budget {
    pub(super) fn new(per_minute: Option<NonZeroU32>, clock: Arc<dyn Clock>) -> Self {
        let rule = per_minute.map(|count| Rule::Quota { count: count.get(), window: Duration::from_mins(1) });
        Self { limiter: InProcessLimiter::new(clock), rule }
    }

    /// Takes up to `wanted` mails out of the budget. Returns how many it has.
    pub(super) async fn take(&self, wanted: u32) -> u32 {
        let Some(rule) = &self.rule else { return wanted };
        for taken in 0..wanted {
            // The limiter in memory never fails.
            if !matches!(self.limiter.acquire(&BUCKET, rule).await, Ok(AcquireOutcome::Granted { .. })) {
                return taken;
            }
        }
        wanted
    }

    /// Puts mails back that were not there to be sent.
    pub(super) async fn put_back(&self, count: u32) {
        if let Some(rule) = &self.rule {
            for _ in 0..count {
                let _ = self.limiter.release(&BUCKET, rule).await;
            }
        }
    }
}
