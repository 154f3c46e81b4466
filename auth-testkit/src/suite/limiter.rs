//! The cases of [`auth_core::RateLimiter`].

mod back;
mod quota;
mod race;
mod rule;
mod streak;

use std::future::Future;
use std::time::{Duration, Instant};

use auth_core::store::StoreError;
use auth_core::{AcquireOutcome, Bucket, RateLimiter, Rule};

use super::check::{Outcome, ensure};
use super::fresh;

/// Lists the cases; all else is made from this list.
#[doc(hidden)]
#[macro_export]
macro_rules! __limiter_cases {
    ([$($then:tt)*] $($arguments:tt)*) => { $($then)*! { $($arguments)*;
        /// A quota grants as many as its count, says how many are left and refuses one more.
        quota::a_burst_is_granted_and_one_more_is_refused,
        /// After a burst one place becomes free every `window / count`, no sooner and no later.
        quota::a_place_is_free_again_when_its_time_has_come,
        /// To be refused costs nothing.
        quota::a_refusal_takes_nothing,
        /// However long nobody asks, no more than a burst is granted at once.
        quota::waiting_saves_up_no_more_than_a_burst,
        /// A bucket of another limit, key or kind of rule is another bucket.
        rule::buckets_are_counted_apart,
        /// A rule with a zero grants nothing, and nothing about it fails.
        rule::rules_without_sense_grant_nothing,
        /// The largest counts and times are counted.
        rule::the_largest_rules_are_counted,
        /// A streak grants its free tries, and then one every so often for as long as it lasts.
        streak::a_streak_has_free_tries_and_then_one_every_so_often,
        /// Neither does waiting end a streak, nor does it save up tries.
        streak::waiting_neither_ends_a_streak_nor_saves_up_tries,
        /// A streak without free tries still grants one at once.
        streak::a_streak_without_free_tries_still_grants_one,
        /// What was given back of the tries past the free ones can be taken again at once.
        streak::a_try_past_the_free_ones_that_is_given_back_can_be_taken_again,
        /// A place that was given back can be taken again, once.
        back::a_place_given_back_can_be_taken_again,
        /// Giving back never frees more than was taken.
        back::giving_back_never_frees_more_than_was_taken,
        /// A bucket that was cleared is as good as new.
        back::a_cleared_bucket_is_fresh,
        /// Concurrent callers are granted exactly what the rule allows.
        race::racing_callers_are_granted_exactly_what_the_rule_allows,
        /// Concurrent callers that give back what they took leave exactly the rest.
        race::racing_callers_that_give_back_leave_exactly_the_rest,
        /// A reservation that races a clearing is either forgotten or counted anew.
        race::a_reservation_that_races_a_clearing_is_forgotten_or_counted,
    } };
}

__limiter_cases! { [super::define_cases] dyn RateLimiter }

/// Makes a test of every case of [`RateLimiter`](auth_core::RateLimiter).
///
/// The expression is evaluated for each test, on the runtime of that test, and gives a future of an `Arc` of
/// the limiter. All tests may share its counts: the suite counts in buckets of its own.
///
/// What takes time is seen by waiting for it, a second per test, because a limiter may count by the clock
/// of another machine.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use auth_core::{InProcessLimiter, SystemClock};
///
/// auth_testkit::limiter_tests!(async { Arc::new(InProcessLimiter::new(Arc::new(SystemClock))) });
/// ```
#[macro_export]
macro_rules! limiter_tests {
    ($limiter:expr) => {
        $crate::__limiter_cases! { [$crate::__case_tests] RateLimiter, limiter, async {
            let limiter: ::std::sync::Arc<dyn $crate::__private::RateLimiter> = $limiter.await;
            limiter
        } }
    };
}

const HOUR: Duration = Duration::from_hours(1);

/// How often a place becomes free where a case waits for it.
const PACE: Duration = Duration::from_millis(200);

/// By how much two clocks may disagree about a second.
const SLACK: Duration = Duration::from_millis(10);

/// A quota of which no place becomes free while a case runs: one an hour.
const fn hourly(count: u32) -> Rule {
    Rule::Quota { count, window: Duration::from_hours(count as u64) }
}

/// A streak that grants nothing past its free tries while a case runs.
const fn streak(failures: u32) -> Rule {
    Rule::ConsecutiveFailures { failures, then_every: HOUR }
}

/// A bucket that nobody else has.
fn bucket(limit: &'static str) -> Bucket {
    Bucket { limit, key: fresh::key() }
}

async fn granted(limiter: &dyn RateLimiter, bucket: &Bucket, rule: &Rule) -> Result<bool, StoreError> {
    Ok(matches!(limiter.acquire(bucket, rule).await?, AcquireOutcome::Granted { .. }))
}

/// How many places are granted until one is refused. More than there can be end the case.
async fn places(limiter: &dyn RateLimiter, bucket: &Bucket, rule: &Rule) -> Outcome<u32> {
    let mut places = 0;
    while granted(limiter, bucket, rule).await? {
        places += 1;
        ensure!(places < 10_000, "{rule:?} has granted {places} in a row");
    }
    Ok(places)
}

/// A time known no better than to lie between two others: when a limiter decided, wherever that was.
#[derive(Debug, Clone, Copy)]
struct Moment {
    from: Instant,
    to: Instant,
}

impl Moment {
    /// Waits for a decision.
    async fn of<T>(decision: impl Future<Output = T>) -> (T, Self) {
        let from = Instant::now();
        let decided = decision.await;
        (decided, Self { from, to: Instant::now() })
    }

    fn plus(self, time: Duration) -> Self {
        Self { from: self.from + time, to: self.to + time }
    }

    fn minus(self, time: Duration) -> Self {
        let earlier = |instant: Instant| instant.checked_sub(time).unwrap_or(instant);
        Self { from: earlier(self.from), to: earlier(self.to) }
    }

    fn or_later(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.max(other.to) }
    }
}

/// Asks again and again for a place that is due at some moment; says when it was granted. That must not be
/// sooner, and no later than the first who asks in time.
async fn in_time(limiter: &dyn RateLimiter, bucket: &Bucket, rule: &Rule, due: Moment) -> Outcome<Moment> {
    loop {
        let (reservation, asked) = Moment::of(limiter.acquire(bucket, rule)).await;
        match reservation? {
            AcquireOutcome::Granted { .. } => {
                let early = due.from.saturating_duration_since(asked.to);
                ensure!(early <= SLACK, "a place was granted {early:?} before it was due");
                return Ok(asked);
            }
            AcquireOutcome::Refused { retry_after } => {
                let late = asked.from.saturating_duration_since(due.to);
                ensure!(late <= SLACK, "no place was granted {late:?} after it was due");
                let wait = due.to.saturating_duration_since(asked.from) + SLACK;
                ensure!(
                    !retry_after.is_zero() && retry_after <= wait,
                    "told to come back in {retry_after:?} for what is due in {wait:?}"
                );
            }
        }
        tokio::time::sleep(SLACK).await;
    }
}

/// Checks how many were granted since this instant, where a burst was free then and more every so often.
fn no_more_than(places: u32, burst: u32, every: Duration, since: Instant) -> Outcome {
    let pace = u32::try_from(since.elapsed().as_nanos() / every.as_nanos()).unwrap_or(u32::MAX);
    ensure!(places >= 1, "nothing was granted to whom had waited");
    ensure!(places <= burst.saturating_add(pace), "{places} were granted at once, and not {burst}");
    Ok(())
}
