use std::sync::Arc;
use std::time::Instant;

use auth_core::{AcquireOutcome, RateLimiter, Rule};

use super::{Moment, PACE, bucket, granted, in_time, no_more_than, places, streak};
use crate::suite::check::{Broken, Outcome, ensure, ensure_eq};

pub(super) async fn a_streak_has_free_tries_and_then_one_every_so_often(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    let (bucket, rule) = (bucket("streak"), Rule::ConsecutiveFailures { failures: 3, then_every: PACE });
    let ((), mut taken) = Moment::of(async {}).await;
    for left in [2, 1, 0] {
        let (reservation, moment) = Moment::of(limiter.acquire(&bucket, &rule)).await;
        let AcquireOutcome::Granted { remaining, .. } = reservation? else {
            return Err(Broken("a free try was refused".to_owned()));
        };
        ensure_eq!(remaining, left, "how many free tries remain");
        taken = moment;
    }
    for _ in 0..4 {
        taken = in_time(&*limiter, &bucket, &rule, taken.plus(PACE)).await?;
    }
    Ok(())
}

pub(super) async fn waiting_neither_ends_a_streak_nor_saves_up_tries(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    let every = PACE / 2;
    let (bucket, rule) = (bucket("waiting"), Rule::ConsecutiveFailures { failures: 4, then_every: every });
    for _ in 0..4 {
        ensure!(granted(&*limiter, &bucket, &rule).await?, "a free try was refused");
    }
    tokio::time::sleep(every * 6).await;
    let since = Instant::now();
    no_more_than(places(&*limiter, &bucket, &rule).await?, 1, every, since)
}

pub(super) async fn a_streak_without_free_tries_still_grants_one(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let granted = places(&*limiter, &bucket("no_free_tries"), &streak(0)).await?;
    ensure_eq!(granted, 1, "how many were granted where none are free");
    Ok(())
}

pub(super) async fn a_try_past_the_free_ones_that_is_given_back_can_be_taken_again(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    let (bucket, rule) = (bucket("paced"), Rule::ConsecutiveFailures { failures: 1, then_every: PACE });
    let (first, taken) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
    ensure!(first?, "the free try was refused");
    let mut taken = in_time(&*limiter, &bucket, &rule, taken.plus(PACE)).await?;
    for _ in 0..10 {
        limiter.release(&bucket, &rule).await?;
        let (again, moment) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
        ensure!(again?, "a try that was given back was refused");
        taken = moment;
    }
    in_time(&*limiter, &bucket, &rule, taken.plus(PACE)).await?;
    Ok(())
}
