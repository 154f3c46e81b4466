//! Cases of consecutive failures.

use std::sync::Arc;
use std::time::Instant;

use auth_core::{AcquireOutcome, RateLimiter, Rule};

use super::{Moment, PACE, bucket, failures, granted, in_time, no_more_than, permits};
use crate::suite::check::{Broken, Outcome, ensure, ensure_eq};

pub(super) async fn consecutive_failures_have_free_tries_and_then_a_pace(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    let (bucket, rule) = (bucket("failures"), Rule::ConsecutiveFailures { failures: 3, then_every: PACE });
    let ((), mut taken) = Moment::of(async {}).await;
    for left in [2, 1, 0] {
        let (outcome, moment) = Moment::of(limiter.acquire(&bucket, &rule)).await;
        let AcquireOutcome::Granted { remaining, .. } = outcome? else {
            return Err(Broken("`acquire` refused a free try".to_owned()));
        };
        ensure_eq!(remaining, left, "how many free tries remain");
        taken = moment;
    }
    for _ in 0..4 {
        taken = in_time(&*limiter, &bucket, &rule, taken.plus(PACE)).await?;
    }
    Ok(())
}

pub(super) async fn waiting_resets_no_failures_and_saves_up_no_tries(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    let every = PACE / 2;
    let (bucket, rule) = (bucket("waiting"), Rule::ConsecutiveFailures { failures: 4, then_every: every });
    for _ in 0..4 {
        ensure!(granted(&*limiter, &bucket, &rule).await?, "`acquire` refused a free try");
    }
    tokio::time::sleep(every * 6).await;
    let since = Instant::now();
    no_more_than(permits(&*limiter, &bucket, &rule).await?, 1, every, since)
}

pub(super) async fn a_rule_without_free_tries_grants_one(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let granted = permits(&*limiter, &bucket("no_free_tries"), &failures(0)).await?;
    ensure_eq!(granted, 1, "how many `acquire` granted without free tries");
    Ok(())
}

pub(super) async fn a_released_try_past_the_free_ones_is_granted_again(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    let (bucket, rule) = (bucket("paced"), Rule::ConsecutiveFailures { failures: 1, then_every: PACE });
    let (first, taken) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
    ensure!(first?, "`acquire` refused the free try");
    let mut taken = in_time(&*limiter, &bucket, &rule, taken.plus(PACE)).await?;
    for _ in 0..10 {
        limiter.release(&bucket, &rule).await?;
        let (again, moment) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
        ensure!(again?, "`acquire` refused a released try");
        taken = moment;
    }
    in_time(&*limiter, &bucket, &rule, taken.plus(PACE)).await?;
    Ok(())
}
