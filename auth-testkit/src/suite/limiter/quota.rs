use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::{AcquireOutcome, RateLimiter, Rule};

use super::{HOUR, Moment, PACE, bucket, granted, hourly, in_time, no_more_than, places};
use crate::suite::check::{Broken, Outcome, ensure, ensure_eq};

/// How long a case may take between two calls, where it compares what they say of the future.
const MINUTE: Duration = Duration::from_mins(1);

pub(super) async fn a_burst_is_granted_and_one_more_is_refused(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (bucket, rule) = (bucket("burst"), hourly(5));
    for taken in 1..=5 {
        let AcquireOutcome::Granted { remaining, reset_after } = limiter.acquire(&bucket, &rule).await?
        else {
            return Err(Broken(format!("the place number {taken} of 5 was refused")));
        };
        ensure_eq!(remaining, 5 - taken, "how many remain after {taken} of 5");
        let all = HOUR * taken;
        ensure!(
            reset_after <= all && reset_after + MINUTE > all,
            "with {taken} taken all are said to be free in {reset_after:?} and not {all:?}"
        );
    }
    let AcquireOutcome::Refused { retry_after } = limiter.acquire(&bucket, &rule).await? else {
        return Err(Broken("the sixth place of 5 was granted".to_owned()));
    };
    ensure!(
        retry_after <= HOUR && retry_after + MINUTE > HOUR,
        "told to come back in {retry_after:?}, and one place becomes free each hour"
    );
    Ok(())
}

pub(super) async fn a_place_is_free_again_when_its_time_has_come(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (bucket, rule) = (bucket("pace"), Rule::Quota { count: 3, window: PACE * 3 });
    // When all places are free again, which is what GCRA keeps.
    let (first, mut all_free) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
    ensure!(first?, "the first place was refused");
    all_free = all_free.plus(PACE);
    for place in 2..=7 {
        let taken = if place <= 3 {
            let (burst, taken) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
            ensure!(burst?, "place number {place} of a burst of 3 was refused");
            taken
        } else {
            in_time(&*limiter, &bucket, &rule, all_free.minus(PACE * 2)).await?
        };
        all_free = all_free.or_later(taken).plus(PACE);
    }
    Ok(())
}

pub(super) async fn a_refusal_takes_nothing(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (one, rule) = (bucket("refusal"), Rule::Quota { count: 1, window: PACE });
    let (first, mut taken) = Moment::of(granted(&*limiter, &one, &rule)).await;
    ensure!(first?, "the first place was refused");
    for _ in 0..3 {
        // It is refused all the while.
        taken = in_time(&*limiter, &one, &rule, taken.plus(PACE)).await?;
    }
    let (many, rule) = (bucket("refusals"), hourly(2));
    ensure_eq!(places(&*limiter, &many, &rule).await?, 2, "how many of 2 were granted");
    for _ in 0..100 {
        ensure!(!granted(&*limiter, &many, &rule).await?, "a third of 2 was granted");
    }
    limiter.release(&many, &rule).await?;
    ensure_eq!(places(&*limiter, &many, &rule).await?, 1, "how many are free after one was given back");
    Ok(())
}

pub(super) async fn waiting_saves_up_no_more_than_a_burst(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (bucket, rule) = (bucket("saved"), Rule::Quota { count: 2, window: PACE });
    ensure!(granted(&*limiter, &bucket, &rule).await?, "the first place was refused");
    tokio::time::sleep(PACE * 4).await;
    let since = Instant::now();
    no_more_than(places(&*limiter, &bucket, &rule).await?, 2, PACE / 2, since)
}
