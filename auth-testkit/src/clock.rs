//! `FakeClock`: a clock that stands until it is moved.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth_core::Clock;
use chrono::{DateTime, TimeDelta, Utc};

/// A clock that stands still until a test moves it.
///
/// A clone shares its time with the original. Its default is 2026-01-01 12:00:00.123456 UTC: a time
/// with microseconds, because times without them hide what a store loses.
///
/// # Examples
///
/// ```
/// # use std::time::Duration;
/// # use auth_core::Clock;
/// # use auth_testkit::FakeClock;
/// let clock = FakeClock::default();
/// let start = clock.now();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!((clock.now() - start).num_seconds(), 60);
/// assert_eq!(clock.monotonic(), Duration::from_secs(60));
/// ```
#[derive(Debug, Clone)]
pub struct FakeClock {
    hands: Arc<Mutex<Hands>>,
}

#[derive(Debug)]
struct Hands {
    wall: DateTime<Utc>,
    monotonic: Duration,
}

impl FakeClock {
    /// A clock that shows this time.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { hands: Arc::new(Mutex::new(Hands { wall: at, monotonic: Duration::ZERO })) }
    }

    /// Lets time pass: both the wall clock and the monotonic clock move.
    pub fn advance(&self, duration: Duration) {
        let mut hands = self.hands();
        hands.wall = hands.wall.checked_add_signed(delta(duration)).unwrap_or(DateTime::<Utc>::MAX_UTC);
        hands.monotonic = hands.monotonic.saturating_add(duration);
    }

    /// Sets the wall clock, as an operator would; the monotonic clock does not notice.
    pub fn set(&self, at: DateTime<Utc>) {
        self.hands().wall = at;
    }

    /// Sets the wall clock back; the monotonic clock does not notice.
    pub fn rewind(&self, duration: Duration) {
        let mut hands = self.hands();
        hands.wall = hands.wall.checked_sub_signed(delta(duration)).unwrap_or(DateTime::<Utc>::MIN_UTC);
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::new(DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(1_767_268_800_123_456))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        self.hands().wall
    }

    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_date_that_the_docs_say() {
        assert_eq!(FakeClock::default().now().to_rfc3339(), "2026-01-01T12:00:00.123456+00:00");
    }

    #[test]
    fn only_advancing_moves_the_monotonic_clock() {
        let clock = FakeClock::default();
        let start = clock.now();
        clock.clone().advance(Duration::from_secs(10));
        clock.rewind(Duration::from_secs(40));
        assert_eq!(clock.now(), start - TimeDelta::seconds(30));
        clock.set(start);
        assert_eq!(clock.now(), start);
        assert_eq!(clock.monotonic(), Duration::from_secs(10));
    }

    #[test]
    fn moving_too_far_stops_at_the_end_of_time() {
        let clock = FakeClock::default();
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), DateTime::<Utc>::MAX_UTC);
        clock.set(DateTime::<Utc>::MIN_UTC);
        clock.rewind(Duration::MAX);
        assert_eq!(clock.now(), DateTime::<Utc>::MIN_UTC);
    }
}
