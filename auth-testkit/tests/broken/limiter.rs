use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use auth_core::store::StoreError;
use auth_core::{AcquireOutcome, Bucket, InProcessLimiter, RateLimiter, Rule, SystemClock};

use self::LimiterDefect as D;
use crate::{defects, delay, lock};

defects! {
    /// A defect of a rate limiter.
    LimiterDefect {
        /// One more is granted than the rule says.
        OneTooMany => [
            a_burst_is_granted_and_one_more_is_refused,
            racing_callers_are_granted_exactly_what_the_rule_allows,
        ],
        /// `remaining` is the count, whatever was taken.
        RemainingIsTheCount => [a_burst_is_granted_and_one_more_is_refused],
        /// A refusal has no `retry_after`.
        RefusesWithoutATime => [a_burst_is_granted_and_one_more_is_refused],
        /// Whether a permit is free is read before it is taken.
        AcquiresInTwoSteps => [racing_callers_are_granted_exactly_what_the_rule_allows],
        /// Permits are counted in windows, at whose end all are free at once.
        FixedWindow => [a_permit_is_free_again_at_its_time],
        /// A refusal restarts the wait.
        RefusalsTakeAPermit => [a_refusal_takes_no_permit],
        /// Permits that became free between calls are added to the burst.
        WaitingSavesUp => [waiting_saves_up_no_more_than_a_burst],
        /// Limits of one key share a bucket.
        LimitsAreMixedUp => [buckets_are_counted_apart],
        /// The last byte of a key is ignored.
        KeysAreCut => [buckets_are_counted_apart],
        /// A reset of one bucket resets all.
        ResetTakesAll => [buckets_are_counted_apart],
        /// A zero in a rule switches the limit off.
        ZeroMeansUnlimited => [rules_with_a_zero_grant_nothing],
        /// Times of more than a century fail.
        LargeRulesFail => [the_largest_rules_are_counted],
        /// After one refusal, consecutive failures are refused until the reset.
        FailuresLockForGood => [consecutive_failures_have_free_tries_and_then_a_pace],
        /// Consecutive failures are reset after a wait without a try.
        WaitingResetsFailures => [waiting_resets_no_failures_and_saves_up_no_tries],
        /// A rule without free tries refuses all.
        NoFreeTriesGrantNone => [a_rule_without_free_tries_grants_one],
        /// A released try of consecutive failures is lost.
        ReleasedTriesAreLost => [
            a_released_try_past_the_free_ones_is_granted_again,
            a_released_permit_is_granted_again,
        ],
        /// One release frees all permits.
        ReleaseResets => [a_released_permit_is_granted_again],
        /// Released permits that were never taken are saved up.
        ReleaseSavesUp => [releasing_never_frees_more_than_was_taken],
        /// Of concurrent releases one counts.
        ReleaseReadsThenWrites => [racing_callers_that_release_leave_exactly_the_rest],
        /// A reset does nothing.
        ResetKeepsAll => [a_reset_bucket_is_empty],
        /// A bucket is reset twice, and others take permits in between.
        ResetsInTwoSteps => [a_permit_that_races_a_reset_is_counted_or_reset],
    }
}

/// A [`RateLimiter`] with one defect.
#[derive(Debug)]
pub(crate) struct BrokenLimiter {
    defect: LimiterDefect,
    inner: Mutex<Arc<InProcessLimiter>>,
    /// By bucket, a time and a number of permits that the defect uses.
    times: Mutex<HashMap<Bucket, (Instant, u32)>>,
    marked: Mutex<HashSet<Bucket>>,
}

fn inner() -> Arc<InProcessLimiter> {
    Arc::new(InProcessLimiter::new(Arc::new(SystemClock)))
}

const CENTURY: Duration = Duration::from_hours(100 * 365 * 24);
const HOUR: Duration = Duration::from_hours(1);

impl BrokenLimiter {
    /// A limiter with this defect, in which nothing was counted yet.
    pub(crate) fn new(defect: LimiterDefect) -> Self {
        Self { defect, inner: Mutex::new(inner()), times: Mutex::default(), marked: Mutex::default() }
    }

    fn is(&self, defect: LimiterDefect) -> bool {
        self.defect == defect
    }

    fn inner(&self) -> Arc<InProcessLimiter> {
        Arc::clone(&lock(&self.inner))
    }

    fn bucket(&self, bucket: &Bucket) -> Bucket {
        let mut bucket = *bucket;
        match self.defect {
            D::LimitsAreMixedUp => bucket.limit = "any",
            D::KeysAreCut => bucket.key[15] = 0,
            _ => {}
        }
        bucket
    }

    fn rule(&self, rule: &Rule) -> Rule {
        match *rule {
            Rule::Quota { count, window } if self.is(D::OneTooMany) && count > 0 => {
                // At the same pace.
                let place = window / count;
                Rule::Quota { count: count.saturating_add(1), window: window.saturating_add(place) }
            }
            rule => rule,
        }
    }

    /// What the defect answers instead of the limiter, if it does.
    fn instead(&self, bucket: &Bucket, rule: &Rule) -> Option<AcquireOutcome> {
        let refused = |retry_after| Some(AcquireOutcome::Refused { retry_after });
        let granted = Some(AcquireOutcome::Granted { remaining: 0, reset_after: Duration::ZERO });
        let now = Instant::now();
        let mut times = lock(&self.times);
        match (self.defect, *rule) {
            (
                D::ZeroMeansUnlimited,
                Rule::Quota { count: 0, .. }
                | Rule::Quota { window: Duration::ZERO, .. }
                | Rule::ConsecutiveFailures { then_every: Duration::ZERO, .. },
            ) => granted,
            (D::NoFreeTriesGrantNone, Rule::ConsecutiveFailures { failures: 0, .. }) => refused(HOUR),
            (D::FailuresLockForGood, Rule::ConsecutiveFailures { then_every, .. }) => lock(&self.marked)
                .contains(bucket)
                .then_some(AcquireOutcome::Refused { retry_after: then_every }),
            (D::FixedWindow, Rule::Quota { count, window }) => {
                let (began, taken) = times.entry(*bucket).or_insert((now, 0));
                if now.duration_since(*began) >= window {
                    (*began, *taken) = (now, 0);
                }
                *taken = taken.saturating_add(1);
                if *taken <= count { granted } else { refused(window.saturating_sub(began.elapsed())) }
            }
            (D::RefusalsTakeAPermit, Rule::Quota { .. }) => {
                let (until, _) = times.get(bucket).filter(|(until, _)| *until > now)?;
                refused(until.duration_since(now))
            }
            (D::WaitingSavesUp, Rule::Quota { count, window }) => {
                let place = window.checked_div(count).filter(|place| !place.is_zero())?;
                let (last, saved) = times.entry(*bucket).or_insert((now, 0));
                let free =
                    u32::try_from(now.duration_since(*last).as_nanos() / place.as_nanos()).unwrap_or(0);
                (*last, *saved) = (now, saved.saturating_add(free));
                *saved = saved.checked_sub(1)?;
                granted
            }
            (D::ReleaseSavesUp, _) => {
                let (_, saved) = times.get_mut(bucket)?;
                *saved = saved.checked_sub(1)?;
                granted
            }
            _ => None,
        }
    }

    /// Notes what the defect goes by later.
    fn note(&self, bucket: &Bucket, rule: &Rule, answer: AcquireOutcome) {
        let now = Instant::now();
        match (self.defect, *rule, answer) {
            (D::RefusalsTakeAPermit, Rule::Quota { count, window }, AcquireOutcome::Refused { .. }) => {
                let until = window.checked_div(count).and_then(|place| now.checked_add(place));
                lock(&self.times).extend(until.map(|until| (*bucket, (until, 0))));
            }
            (D::FailuresLockForGood, Rule::ConsecutiveFailures { .. }, AcquireOutcome::Refused { .. }) => {
                lock(&self.marked).insert(*bucket);
            }
            (D::WaitingResetsFailures, Rule::ConsecutiveFailures { .. }, AcquireOutcome::Granted { .. }) => {
                lock(&self.times).insert(*bucket, (now, 0));
            }
            _ => {}
        }
    }

    fn shown(&self, rule: &Rule, answer: AcquireOutcome) -> AcquireOutcome {
        match (self.defect, *rule, answer) {
            (
                D::RemainingIsTheCount,
                Rule::Quota { count, .. },
                AcquireOutcome::Granted { reset_after, .. },
            ) => AcquireOutcome::Granted { remaining: count, reset_after },
            (D::RefusesWithoutATime, _, AcquireOutcome::Refused { .. }) => {
                AcquireOutcome::Refused { retry_after: Duration::ZERO }
            }
            _ => answer,
        }
    }
}

#[async_trait]
impl RateLimiter for BrokenLimiter {
    async fn acquire(&self, bucket: &Bucket, rule: &Rule) -> Result<AcquireOutcome, StoreError> {
        let (bucket, rule) = (&self.bucket(bucket), &self.rule(rule));
        if let Some(answer) = self.instead(bucket, rule) {
            return Ok(answer);
        }
        if let (
            D::LargeRulesFail,
            Rule::Quota { window: time, .. } | Rule::ConsecutiveFailures { then_every: time, .. },
        ) = (self.defect, *rule)
            && time > CENTURY
        {
            return Err(StoreError::unavailable("a number is too large"));
        }
        if let (D::WaitingResetsFailures, Rule::ConsecutiveFailures { then_every, .. }) = (self.defect, *rule)
        {
            let last = lock(&self.times).get(bucket).map(|(last, _)| *last);
            if last.is_some_and(|last| last.elapsed() > then_every) {
                self.inner().reset(bucket, rule).await?;
            }
        }
        if self.is(D::AcquiresInTwoSteps) {
            let seen = peek(&self.inner(), bucket, rule).await?;
            delay().await;
            let _taken = self.inner().acquire(bucket, rule).await?;
            return Ok(seen);
        }
        let answer = self.inner().acquire(bucket, rule).await?;
        self.note(bucket, rule, answer);
        Ok(self.shown(rule, answer))
    }

    async fn release(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError> {
        let (bucket, rule) = (&self.bucket(bucket), &self.rule(rule));
        match (self.defect, rule) {
            (D::ReleasedTriesAreLost, Rule::ConsecutiveFailures { .. }) => return Ok(()),
            (D::ReleaseResets, _) => return self.inner().reset(bucket, rule).await,
            (D::ReleaseSavesUp, _) => {
                let fresh = peek(&inner(), bucket, rule).await?;
                if peek(&self.inner(), bucket, rule).await? == fresh {
                    let mut times = lock(&self.times);
                    let (_, saved) = times.entry(*bucket).or_insert((Instant::now(), 0));
                    *saved = saved.saturating_add(1);
                }
            }
            (D::ReleaseReadsThenWrites, _) => {
                if !lock(&self.marked).insert(*bucket) {
                    return Ok(());
                }
                delay().await;
                lock(&self.marked).remove(bucket);
            }
            _ => {}
        }
        self.inner().release(bucket, rule).await
    }

    async fn reset(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError> {
        let (bucket, rule) = (&self.bucket(bucket), &self.rule(rule));
        match self.defect {
            D::ResetKeepsAll => return Ok(()),
            D::ResetTakesAll => *lock(&self.inner) = inner(),
            D::ResetsInTwoSteps => {
                self.inner().reset(bucket, rule).await?;
                delay().await;
            }
            _ => {}
        }
        self.inner().reset(bucket, rule).await
    }
}

/// The answer that `acquire` would give now.
async fn peek(
    limiter: &InProcessLimiter,
    bucket: &Bucket,
    rule: &Rule,
) -> Result<AcquireOutcome, StoreError> {
    let seen = limiter.acquire(bucket, rule).await?;
    if matches!(seen, AcquireOutcome::Granted { .. }) {
        limiter.release(bucket, rule).await?;
    }
    Ok(seen)
}
