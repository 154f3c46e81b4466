//! Quotas: the crate `governor` decides, over a state that lies in our table.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{NotKeyed, StateStore};
use governor::{Quota, RateLimiter};

use super::nanos;
use super::table::Entry;
use crate::limit::AcquireOutcome;

/// Windows are cut to this, 146 years: governor multiplies and adds without checking, and with half
/// of the representable time no sum of it can overflow.
const LONGEST_WINDOW: u64 = 1 << 62;

/// A quota in governor's terms; none where `count` or `window` is zero.
///
/// One place becomes free every `window / count`, cut to whole nanoseconds (at least one), which is
/// governor's own unit: so a place weighs exactly the same when it is taken and when it is given back.
pub(super) fn quota(count: u32, window: Duration) -> Option<Quota> {
    let burst = NonZeroU32::new(count)?;
    let window = nanos(window).min(LONGEST_WINDOW);
    if window == 0 {
        return None;
    }
    let interval = (window / u64::from(count)).max(1);
    Some(Quota::with_period(Duration::from_nanos(interval))?.allow_burst(burst))
}

/// In how long one place becomes free, in nanoseconds.
fn interval(quota: Quota) -> u64 {
    nanos(quota.replenish_interval())
}

/// The state of a quota, in nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrival {
    /// The theoretical arrival time of GCRA: when all places are free again, by the limiter's clock.
    at: u64,
    /// In how long one place becomes free.
    interval: u64,
}

impl Entry for Arrival {
    /// The number of taken permits, which is the number of requests made: to evict this bucket, an attacker
    /// pays as many requests for each bucket of a flood, whatever the window.
    fn weight(&self, now: u64) -> u64 {
        self.at.saturating_sub(now).div_ceil(self.interval.max(1))
    }
}

impl Arrival {
    /// Takes one permit if one is free.
    pub(super) fn take(self, now: u64, quota: Quota) -> (Self, AcquireOutcome) {
        let owed = Owed(Cell::new(Nanos::new(self.at.saturating_sub(now))));
        let limiter: RateLimiter<_, _, _, StateInformationMiddleware> =
            RateLimiter::new(quota, owed, FromNow);
        match limiter.check() {
            Ok(state) => {
                let owed = limiter.into_state_store().0.get().as_u64();
                let granted = AcquireOutcome::Granted {
                    remaining: state.remaining_burst_capacity(),
                    reset_after: Duration::from_nanos(owed),
                };
                (Self { at: now.saturating_add(owed), interval: interval(quota) }, granted)
            }
            Err(refused) => (self, AcquireOutcome::Refused { retry_after: refused.wait_time_from(NOW) }),
        }
    }

    /// Releases one permit. The table drops a result that is not after now: there are never more permits
    /// than the quota has.
    pub(super) fn release(self, quota: Quota) -> Self {
        Self { at: self.at.saturating_sub(interval(quota)), ..self }
    }
}

const NOW: Nanos = Nanos::new(0);

/// A clock on which it is always now. A governor limiter counts from the moment it was made; times that
/// are kept relative to now let one be made for every decision, and no two disagree about the start.
#[derive(Debug)]
struct FromNow;

impl governor::clock::Clock for FromNow {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        NOW
    }
}

/// One bucket's state as governor sees it: how far its arrival time lies ahead of now. An arrival time
/// in the past is to GCRA the same as now. The table's lock is held around the decision.
#[derive(Debug)]
struct Owed(Cell<Nanos>);

impl StateStore for Owed {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, next) = decide(Some(self.0.get()))?;
        self.0.set(next);
        Ok(outcome)
    }
}
