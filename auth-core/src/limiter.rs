//! Rate limits: what a limiter must do. The limits themselves are [`RateLimits`](crate::RateLimits).

mod in_process;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

pub use self::in_process::InProcessLimiter;
use crate::store::StoreError;

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// So many in a row, after which one place is free again every `window / count` (GCRA, the
    /// leaky bucket as a meter): a burst of `count` is allowed, and `count` per `window` on average.
    /// 5 per 15 minutes are 5 at once and then one more every 3 minutes. A burst and what becomes free
    /// after it may fall into one `window`, which then sees up to twice `count`.
    Quota {
        /// How many, at least 1.
        count: u32,
        /// In how long.
        window: Duration,
    },
    /// So many failures in a row, after which one try is allowed every so often, until
    /// [`RateLimiter::clear`]. Never a lock for good.
    ConsecutiveFailures {
        /// How many failures are free.
        failures: u32,
        /// How often one more try is allowed afterwards.
        then_every: Duration,
    },
}

/// What is counted: a named limit and a keyed hash of whom it is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// The limit's name, such as `log_in_account`.
    pub limit: &'static str,
    /// A keyed hash of the identifiers, so that a limiter never learns addresses.
    pub key: [u8; 16],
}

/// Whether there was a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "without a place the work must not be done"]
pub enum Reservation {
    /// One place was taken.
    Granted {
        /// How many more would be granted now.
        remaining: u32,
        /// When all places are free again, if nothing more is taken.
        reset_after: Duration,
    },
    /// There was none; nothing was taken.
    Refused {
        /// When to try again.
        retry_after: Duration,
    },
}

/// The state of one rate limit after a request was counted, for response headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// The limit's name.
    pub name: &'static str,
    /// How many are allowed.
    pub count: u32,
    /// In how long.
    pub window: Duration,
    /// How many more would be granted now.
    pub remaining: u32,
    /// When the limit is fresh again; for a refused request, when to try again.
    pub reset_after: Duration,
}

/// Counts requests.
///
/// A place is reserved before the work and given back where the work turns out not to count, so that
/// concurrent requests cannot overshoot.
#[async_trait]
pub trait RateLimiter: Debug + Send + Sync {
    /// Takes one place if there is one.
    ///
    /// # Atomicity
    ///
    /// Test and count are one step: of any number of concurrent callers no more than the rule
    /// allows get [`Reservation::Granted`].
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the limiter cannot count. The flows then refuse: they fail closed.
    async fn reserve(&self, bucket: &Bucket, rule: &Rule) -> Result<Reservation, StoreError>;

    /// What [`reserve`](Self::reserve) would answer now. Takes nothing: for telling how a limit stands.
    ///
    /// # Atomicity
    ///
    /// One read: others may take the place before this caller does.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the limiter cannot tell.
    async fn look(&self, bucket: &Bucket, rule: &Rule) -> Result<Reservation, StoreError>;

    /// Gives one reserved place back.
    ///
    /// # Atomicity
    ///
    /// One step; never frees more than was taken.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the limiter cannot count.
    async fn give_back(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;

    /// Forgets everything counted in a bucket.
    ///
    /// # Atomicity
    ///
    /// One step: a concurrent reservation is either forgotten too or the first one counted anew.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the limiter cannot count.
    async fn clear(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
}
