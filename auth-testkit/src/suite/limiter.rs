//! The cases of [`auth_core::RateLimiter`].

mod consecutive_failures;
mod quota;
mod race;
mod release;
mod rule;

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
        /// A quota grants its count, returns how many permits are left, and refuses one more.
        quota::a_burst_is_granted_and_one_more_is_refused,
        /// After a burst one permit becomes free every `window / count`, no sooner and no later.
        quota::a_permit_is_free_again_at_its_time,
        /// A refusal takes no permit.
        quota::a_refusal_takes_no_permit,
        /// After any time without a call, at most a burst is granted at once.
        quota::waiting_saves_up_no_more_than_a_burst,
        /// A bucket of another limit, key or kind of rule is another bucket.
        rule::buckets_are_counted_apart,
        /// A rule with a zero grants nothing, and no call fails.
        rule::rules_with_a_zero_grant_nothing,
        /// The largest counts and times are counted.
        rule::the_largest_rules_are_counted,
        /// A rule of consecutive failures grants its free tries, and then one in each period until the reset.
        consecutive_failures::consecutive_failures_have_free_tries_and_then_a_pace,
        /// Waiting neither resets consecutive failures nor saves up tries.
        consecutive_failures::waiting_resets_no_failures_and_saves_up_no_tries,
        /// A rule of consecutive failures without free tries grants one at once.
        consecutive_failures::a_rule_without_free_tries_grants_one,
        /// A released try past the free ones is granted again at once.
        consecutive_failures::a_released_try_past_the_free_ones_is_granted_again,
        /// A released permit is granted again, once.
        release::a_released_permit_is_granted_again,
        /// Releasing never frees more permits than were taken.
        release::releasing_never_frees_more_than_was_taken,
        /// A bucket is empty after a reset.
        release::a_reset_bucket_is_empty,
        /// Concurrent callers are granted exactly what the rule allows.
        race::racing_callers_are_granted_exactly_what_the_rule_allows,
        /// Concurrent callers that release their permits leave exactly the rest.
        race::racing_callers_that_release_leave_exactly_the_rest,
        /// A permit that races a reset is either counted or reset.
        race::a_permit_that_races_a_reset_is_counted_or_reset,
    } };
}

__limiter_cases! { [super::define_cases] dyn RateLimiter }

/// Makes a test of every case of [`RateLimiter`](auth_core::RateLimiter).
///
/// The expression is evaluated for each test, on the runtime of that test, and gives a future of an `Arc` of
/// the limiter. All tests may share its counts: the suite has its own buckets.
///
/// The cases about time wait for it, a second per test, because a limiter may count by the clock of another
/// machine.
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

/// The pace of a rule where a case waits for a permit.
const PACE: Duration = Duration::from_millis(200);

/// Limits by how much two clocks may differ after a second.
const SLACK: Duration = Duration::from_millis(10);

/// A quota of which no permit becomes free while a case runs: one an hour.
const fn hourly(count: u32) -> Rule {
    Rule::Quota { count, window: Duration::from_hours(count as u64) }
}

/// A rule that grants nothing past its free tries while a case runs.
const fn failures(failures: u32) -> Rule {
    Rule::ConsecutiveFailures { failures, then_every: HOUR }
}

/// A bucket that no other case has.
fn bucket(limit: &'static str) -> Bucket {
    Bucket { limit, key: fresh::key() }
}

async fn granted(limiter: &dyn RateLimiter, bucket: &Bucket, rule: &Rule) -> Result<bool, StoreError> {
    Ok(matches!(limiter.acquire(bucket, rule).await?, AcquireOutcome::Granted { .. }))
}

/// Returns how many permits are granted until one is refused. An endless number ends the case.
async fn permits(limiter: &dyn RateLimiter, bucket: &Bucket, rule: &Rule) -> Outcome<u32> {
    let mut permits = 0;
    while granted(limiter, bucket, rule).await? {
        permits += 1;
        ensure!(permits < 10_000, "`acquire` by {rule:?} has granted {permits} in a row");
    }
    Ok(permits)
}

/// When a limiter decided, on any machine: a time between two others.
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

/// Asks for a permit until it is granted, and returns when; it must be granted by the first call after it is
/// due, and not before.
async fn in_time(limiter: &dyn RateLimiter, bucket: &Bucket, rule: &Rule, due: Moment) -> Outcome<Moment> {
    loop {
        let (outcome, asked) = Moment::of(limiter.acquire(bucket, rule)).await;
        match outcome? {
            AcquireOutcome::Granted { .. } => {
                let early = due.from.saturating_duration_since(asked.to);
                ensure!(early <= SLACK, "`acquire` granted a permit {early:?} before it was due");
                return Ok(asked);
            }
            AcquireOutcome::Refused { retry_after } => {
                let late = asked.from.saturating_duration_since(due.to);
                ensure!(late <= SLACK, "`acquire` granted no permit {late:?} after it was due");
                let wait = due.to.saturating_duration_since(asked.from) + SLACK;
                ensure!(
                    !retry_after.is_zero() && retry_after <= wait,
                    "`retry_after` is {retry_after:?}, and a permit is due in {wait:?}"
                );
            }
        }
        tokio::time::sleep(SLACK).await;
    }
}

/// Checks how many permits were granted since this instant, when a burst was free, and more at this pace.
fn no_more_than(permits: u32, burst: u32, every: Duration, since: Instant) -> Outcome {
    let pace = u32::try_from(since.elapsed().as_nanos() / every.as_nanos()).unwrap_or(u32::MAX);
    ensure!(permits >= 1, "`acquire` granted nothing after the wait");
    ensure!(permits <= burst.saturating_add(pace), "`acquire` granted {permits} at once, and not {burst}");
    Ok(())
}
