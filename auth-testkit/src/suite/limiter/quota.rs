//! Cases of quotas.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::{AcquireOutcome, RateLimiter, Rule};

use super::{HOUR, Moment, PACE, bucket, granted, hourly, in_time, no_more_than, permits};
use crate::suite::check::{Broken, Outcome, ensure, ensure_eq};

/// Limits the time between two calls whose answers about the future are compared.
const MINUTE: Duration = Duration::from_mins(1);

pub(super) async fn a_burst_is_granted_and_one_more_is_refused(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (bucket, rule) = (bucket("burst"), hourly(5));
    for taken in 1..=5 {
        let AcquireOutcome::Granted { remaining, reset_after } = limiter.acquire(&bucket, &rule).await?
        else {
            return Err(Broken(format!("`acquire` refused permit {taken} of 5")));
        };
        ensure_eq!(remaining, 5 - taken, "`remaining` after {taken} of 5");
        let all = HOUR * taken;
        ensure!(
            reset_after <= all && reset_after + MINUTE > all,
            "`reset_after` with {taken} taken is {reset_after:?} and not {all:?}"
        );
    }
    let AcquireOutcome::Refused { retry_after } = limiter.acquire(&bucket, &rule).await? else {
        return Err(Broken("`acquire` granted a sixth permit of 5".to_owned()));
    };
    ensure!(
        retry_after <= HOUR && retry_after + MINUTE > HOUR,
        "`retry_after` is {retry_after:?}, and one permit becomes free each hour"
    );
    Ok(())
}

pub(super) async fn a_permit_is_free_again_at_its_time(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (bucket, rule) = (bucket("pace"), Rule::Quota { count: 3, window: PACE * 3 });
    // When all permits are free again, which is what GCRA stores.
    let (first, mut all_free) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
    ensure!(first?, "`acquire` refused the first permit");
    all_free = all_free.plus(PACE);
    for permit in 2..=7 {
        let taken = if permit <= 3 {
            let (burst, taken) = Moment::of(granted(&*limiter, &bucket, &rule)).await;
            ensure!(burst?, "`acquire` refused permit {permit} of a burst of 3");
            taken
        } else {
            in_time(&*limiter, &bucket, &rule, all_free.minus(PACE * 2)).await?
        };
        all_free = all_free.or_later(taken).plus(PACE);
    }
    Ok(())
}

pub(super) async fn a_refusal_takes_no_permit(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (one, rule) = (bucket("refusal"), Rule::Quota { count: 1, window: PACE });
    let (first, mut taken) = Moment::of(granted(&*limiter, &one, &rule)).await;
    ensure!(first?, "`acquire` refused the first permit");
    for _ in 0..3 {
        // Each call before the time is refused.
        taken = in_time(&*limiter, &one, &rule, taken.plus(PACE)).await?;
    }
    let (many, rule) = (bucket("refusals"), hourly(2));
    ensure_eq!(permits(&*limiter, &many, &rule).await?, 2, "how many of 2 `acquire` granted");
    for _ in 0..100 {
        ensure!(!granted(&*limiter, &many, &rule).await?, "`acquire` granted a third of 2");
    }
    limiter.release(&many, &rule).await?;
    ensure_eq!(permits(&*limiter, &many, &rule).await?, 1, "how many are free after one `release`");
    Ok(())
}

pub(super) async fn waiting_saves_up_no_more_than_a_burst(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let (bucket, rule) = (bucket("saved"), Rule::Quota { count: 2, window: PACE });
    ensure!(granted(&*limiter, &bucket, &rule).await?, "`acquire` refused the first permit");
    tokio::time::sleep(PACE * 4).await;
    let since = Instant::now();
    no_more_than(permits(&*limiter, &bucket, &rule).await?, 2, PACE / 2, since)
}
