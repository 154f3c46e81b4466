use std::sync::Arc;
use std::time::Duration;

use auth_core::{Bucket, RateLimiter, Reservation, Rule};

use super::{HOUR, bucket, granted, hourly, places, streak};
use crate::suite::check::{Outcome, ensure, ensure_eq};

pub(super) async fn buckets_are_counted_apart(limiter: Arc<dyn RateLimiter>) -> Outcome {
    let one = bucket("apart");
    let (mut first, mut last) = (one.key, one.key);
    // Keys are even in all their bits, so one bit is all that two need to differ by.
    first.iter_mut().take(1).for_each(|byte| *byte ^= 0x80);
    last.iter_mut().rev().take(1).for_each(|byte| *byte ^= 1);
    let others = [
        (one, hourly(5)),
        (one, streak(5)),
        (Bucket { key: first, ..one }, hourly(5)),
        (Bucket { key: last, ..one }, hourly(5)),
        (Bucket { limit: "apart_too", ..one }, hourly(5)),
    ];
    for (other, rule) in others {
        ensure_eq!(
            places(&*limiter, &other, &rule).await?,
            5,
            "how many of 5 were granted in another bucket"
        );
    }
    // Nor is given back or cleared in another.
    for (number, (bucket, rule)) in others.into_iter().enumerate() {
        if number.is_multiple_of(2) {
            limiter.clear(&bucket, &rule).await?;
        } else {
            limiter.give_back(&bucket, &rule).await?;
        }
        for (later, rule) in others.into_iter().skip(number + 1) {
            ensure!(
                !granted(&*limiter, &later, &rule).await?,
                "a place became free in {later:?} by what was done to {bucket:?}"
            );
        }
    }
    Ok(())
}

pub(super) async fn looking_tells_what_a_reservation_would_and_takes_nothing(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    for rule in [hourly(4), streak(4)] {
        let bucket = bucket("look");
        for _ in 0..5 {
            let seen = [limiter.look(&bucket, &rule).await?, limiter.look(&bucket, &rule).await?];
            let reserved = limiter.reserve(&bucket, &rule).await?;
            for seen in seen {
                ensure!(alike(seen, reserved), "looking told {seen:?}, and the reservation {reserved:?}");
            }
        }
        limiter.clear(&bucket, &rule).await?;
        let fresh = limiter.look(&bucket, &rule).await?;
        ensure!(matches!(fresh, Reservation::Granted { remaining: 3, .. }), "a fresh bucket told {fresh:?}");
    }
    Ok(())
}

/// Whether two say the same, but for the time between them.
fn alike(one: Reservation, other: Reservation) -> bool {
    let close = |one: Duration, other: Duration| one.abs_diff(other) < Duration::from_mins(1);
    match (one, other) {
        (
            Reservation::Granted { remaining: one, reset_after: soon },
            Reservation::Granted { remaining: other, reset_after: late },
        ) => one == other && close(soon, late),
        (Reservation::Refused { retry_after: one }, Reservation::Refused { retry_after: other }) => {
            close(one, other)
        }
        _ => false,
    }
}

pub(super) async fn rules_without_sense_grant_nothing(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [
        Rule::Quota { count: 0, window: HOUR },
        Rule::Quota { count: 5, window: Duration::ZERO },
        Rule::ConsecutiveFailures { failures: 5, then_every: Duration::ZERO },
    ] {
        let bucket = bucket("senseless");
        for _ in 0..2 {
            let answers = [limiter.look(&bucket, &rule).await?, limiter.reserve(&bucket, &rule).await?];
            for answer in answers {
                ensure!(
                    matches!(answer, Reservation::Refused { retry_after } if !retry_after.is_zero()),
                    "{rule:?} told {answer:?}"
                );
            }
            limiter.give_back(&bucket, &rule).await?;
            limiter.clear(&bucket, &rule).await?;
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
                ensure!(granted(&*limiter, &bucket, &rule).await?, "{rule:?} granted nothing");
                limiter.give_back(&bucket, &rule).await?;
                ensure!(granted(&*limiter, &bucket, &rule).await?, "{rule:?} kept what was given back");
                if count == 1 && time > HOUR {
                    ensure!(!granted(&*limiter, &bucket, &rule).await?, "{rule:?} granted two");
                }
            }
        }
    }
    Ok(())
}
