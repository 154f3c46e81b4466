//! Rate limits: the list of limits, and what a limiter must do.

mod challenge;
mod in_process;
mod limits;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

pub use self::challenge::{Challenge, ChallengeError, ChallengeRequest};
pub use self::in_process::InProcessLimiter;
pub use self::limits::{Limit, LimitScope, Protects, RateLimits};
use crate::error::StoreError;

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Allows a burst of `count`, then one more every `window / count` (GCRA, the leaky bucket as a
    /// meter), which is `count` per `window` on average.
    ///
    /// 5 per 15 minutes are 5 at once and then one more every 3 minutes. A burst and the permits that
    /// become free after it may fall into one `window`, which then sees up to twice `count`.
    Quota {
        /// How many requests, at least 1.
        count: u32,
        /// In what time.
        window: Duration,
    },
    /// Allows `failures` failures in a row, then one try per `then_every`, until
    /// [`RateLimiter::reset`]. Never a permanent lock.
    ConsecutiveFailures {
        /// How many failures are free.
        failures: u32,
        /// The time between two tries afterwards.
        then_every: Duration,
    },
}

impl Rule {
    /// The time after which one permit of a quota becomes free; zero for consecutive failures.
    pub fn interval(&self) -> Duration {
        match self {
            Self::Quota { count, window } => window.checked_div(*count).unwrap_or_default(),
            Self::ConsecutiveFailures { .. } => Duration::ZERO,
        }
    }
}

/// What is counted: a named limit, and a keyed hash of what it counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The limit's name: [`Limit::name`], or a name of the service's own limits.
    pub limit: &'static str,
    /// A keyed hash of the identifiers, so that a limiter never learns addresses.
    pub key: [u8; 16],
}

/// The answer of [`RateLimiter::acquire`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "without a permit the work must not be done"]
pub enum AcquireOutcome {
    /// One permit was taken.
    Granted {
        /// How many more would be granted now.
        remaining: u32,
        /// The time until all permits are free again, if no more are taken.
        reset_after: Duration,
    },
    /// No permit was free; nothing was counted.
    Refused {
        /// The time to wait before the next try.
        retry_after: Duration,
    },
}

/// The state of one rate limit after a request was counted, for response headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// The limit.
    pub limit: Limit,
    /// How many requests are allowed in `window`.
    pub count: u32,
    /// In what time.
    pub window: Duration,
    /// How many more would be granted now.
    pub remaining: u32,
    /// The time until all permits are free again; for a refused request, the time to wait.
    pub reset_after: Duration,
}

/// A rate limit refused the request. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests")]
pub struct RateLimited {
    /// The time to wait before the next try.
    pub retry_after: Duration,
    /// Whether it was refused only for want of the solution of a [`Challenge`].
    pub needs_challenge: bool,
}

/// Counts requests.
///
/// A permit is acquired before the work and released when the work turns out not to count, so that
/// concurrent requests cannot exceed a limit.
#[async_trait]
pub trait RateLimiter: Debug + Send + Sync {
    /// Takes one permit if one is free.
    ///
    /// # Atomicity
    ///
    /// Test and count are one step: of any number of concurrent callers no more than the rule
    /// allows get [`AcquireOutcome::Granted`].
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the limiter cannot count. The flows then refuse: they fail closed.
    async fn acquire(&self, bucket: &Bucket, rule: &Rule) -> Result<AcquireOutcome, StoreError>;

    /// Returns one permit.
    ///
    /// # Atomicity
    ///
    /// One step; never frees more than was taken.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the limiter cannot count.
    async fn release(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;

    /// Forgets everything counted in a bucket.
    ///
    /// # Atomicity
    ///
    /// One step: a concurrent [`acquire`](Self::acquire) is either forgotten too, or is the first to
    /// be counted again.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the limiter cannot count.
    async fn reset(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
}
