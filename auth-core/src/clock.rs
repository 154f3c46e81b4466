//! Where time comes from: the only file that reads the wall clock.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A source of time.
///
/// Every decision is made with one time, read once. Stores never read a clock.
pub trait Clock: Debug + Send + Sync {
    /// The current UTC time. May jump when the machine's clock is set.
    ///
    /// # Atomicity
    ///
    /// None. Servers should keep their clocks within a second of each other: a reuse leeway and
    /// the lifetimes are as exact as that.
    fn now(&self) -> DateTime<Utc>;

    /// Time since a fixed but arbitrary point. Never goes back; used where only differences matter
    /// (rate limits, caches, budgets).
    ///
    /// # Atomicity
    ///
    /// A reading that began after another ended is not smaller, on any threads.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may read the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// Cuts a time to whole microseconds, the precision that every store must keep, so that a value
/// read back equals the value written.
pub(crate) fn to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

/// Converts a configured duration. Policies are validated to at most 400 days, far below the limit.
pub(crate) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

/// `time + duration`, saturating at the end of representable time.
pub(crate) fn after(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    time.checked_add_signed(delta(duration)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// `time - duration`, saturating at the beginning of representable time.
pub(crate) fn before(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    time.checked_sub_signed(delta(duration)).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// How long after `earlier` the time `later` is; zero when the clock went back between them.
pub(crate) fn elapsed(earlier: DateTime<Utc>, later: DateTime<Utc>) -> Duration {
    (later - earlier).to_std().unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_panicking() {
        let max = DateTime::<Utc>::MAX_UTC;
        let min = DateTime::<Utc>::MIN_UTC;
        assert_eq!(after(max, Duration::MAX), max);
        assert_eq!(before(min, Duration::MAX), min);
        assert_eq!(elapsed(max, min), Duration::ZERO);
    }
}
