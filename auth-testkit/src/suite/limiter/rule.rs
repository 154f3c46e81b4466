//! Cases of changed rules.

use std::sync::Arc;
use std::time::Duration;

use auth_core::{AcquireOutcome, Bucket, RateLimiter, Rule};

use super::{HOUR, bucket, failures, granted, hourly, permits};
use crate::suite::check::{Outcome, ensure, ensure_eq};

pub(super) async fn buckets_are_counted_apart(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let one = bucket("apart");
    let (mut first, mut last) = (one.key, one.key);
    // One bit is enough for two keys to differ.
    first.iter_mut().take(1).for_each(|byte| *byte ^= 0x80);
    last.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
    let others = [
        (one, hourly(5)),
        (one, failures(5)),
        (Bucket { key: first, ..one }, hourly(5)),
        (Bucket { key: last, ..one }, hourly(5)),
        (Bucket { limit: "apart_too", ..one }, hourly(5)),
    ];
    for (other, rule) in others {
        ensure_eq!(
            permits(&*limiter, &other, &rule).await?,
            5,
            "how many of 5 `acquire` granted in another bucket"
        );
    }
    // Nor do `release` and `reset` change another.
    for (number, (bucket, rule)) in others.into_iter().enumerate() {
        if number.is_multiple_of(2) {
            limiter.reset(&bucket, &rule).await?;
        } else {
            limiter.release(&bucket, &rule).await?;
        }
        for (later, rule) in others.into_iter().skip(number + 1) {
            ensure!(
                !granted(&*limiter, &later, &rule).await?,
                "a permit became free in {later:?} by a call for {bucket:?}"
            );
        }
    }
    Ok(())
}

pub(super) async fn rules_with_a_zero_grant_nothing(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [
        Rule::Quota { count: 0, window: HOUR },
        Rule::Quota { count: 5, window: Duration::ZERO },
        Rule::ConsecutiveFailures { failures: 5, then_every: Duration::ZERO },
    ] {
        let bucket = bucket("zero");
        for _ in 0..2 {
            let answer = limiter.acquire(&bucket, &rule).await?;
            ensure!(
                matches!(answer, AcquireOutcome::Refused { retry_after } if !retry_after.is_zero()),
                "`acquire` by {rule:?} returned {answer:?}"
            );
            limiter.release(&bucket, &rule).await?;
            limiter.reset(&bucket, &rule).await?;
        }
    }
    Ok(())
}

pub(super) async fn the_largest_rules_are_counted(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for count in [1, 3, u32::MAX] {
        for time in [Duration::from_nanos(1), Duration::from_hours(24 * 365), Duration::MAX] {
            for rule in [
                Rule::Quota { count, window: time },
                Rule::ConsecutiveFailures { failures: count, then_every: time },
            ] {
                let bucket = bucket("large");
                ensure!(granted(&*limiter, &bucket, &rule).await?, "`acquire` by {rule:?} granted nothing");
                limiter.release(&bucket, &rule).await?;
                ensure!(
                    granted(&*limiter, &bucket, &rule).await?,
                    "`acquire` by {rule:?} refused a released permit"
                );
                if count == 1 && time > HOUR {
                    ensure!(!granted(&*limiter, &bucket, &rule).await?, "`acquire` by {rule:?} granted two");
                }
            }
        }
    }
    Ok(())
}
