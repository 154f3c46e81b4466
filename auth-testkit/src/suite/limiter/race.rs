//! Cases of concurrent permits.

use std::sync::Arc;

use auth_core::RateLimiter;

use super::{bucket, failures, granted, hourly, permits};
use crate::suite::check::{Outcome, ensure, ensure_eq};
use crate::suite::race::{RACERS, race};

/// The number of calls of each racer.
const ASKS: usize = 4;

/// Fewer permits than calls.
const PERMITS: u32 = 100;

pub(super) async fn racing_callers_are_granted_exactly_what_the_rule_allows(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    for rule in [hourly(PERMITS), failures(PERMITS)] {
        let bucket = bucket("race");
        let won = race((0..RACERS).map(|_| {
            let limiter = Arc::clone(&limiter);
            async move {
                let mut won = 0;
                for _ in 0..ASKS {
                    won += u32::from(granted(&*limiter, &bucket, &rule).await?);
                }
                Ok(won)
            }
        }))
        .await?;
        ensure_eq!(
            won.iter().sum::<u32>(),
            PERMITS,
            "how many permits `acquire` granted {RACERS} callers by {rule:?}"
        );
    }
    Ok(())
}

pub(super) async fn racing_callers_that_release_leave_exactly_the_rest(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    for rule in [hourly(PERMITS), failures(PERMITS)] {
        let bucket = bucket("race_release");
        ensure!(granted(&*limiter, &bucket, &rule).await?, "`acquire` refused the first permit");
        let won = race((0..RACERS).map(|_| {
            let limiter = Arc::clone(&limiter);
            async move {
                let mut won = 0;
                for _ in 0..ASKS {
                    if granted(&*limiter, &bucket, &rule).await? {
                        limiter.release(&bucket, &rule).await?;
                        won += 1;
                    }
                }
                Ok(won)
            }
        }))
        .await?;
        // Each racer holds one permit at a time, so there is one for each.
        ensure_eq!(
            won.iter().sum::<usize>(),
            RACERS * ASKS,
            "how many got a permit of {rule:?}, one at a time"
        );
        let rest = permits(&*limiter, &bucket, &rule).await?;
        ensure_eq!(rest, PERMITS - 1, "how many of {rule:?} are left, all but one released");
    }
    Ok(())
}

/// The number of races between a reset and permits.
const RESETS: usize = 8;

pub(super) async fn a_permit_that_races_a_reset_is_counted_or_reset(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    for rule in [hourly(10), failures(10)] {
        for number in 0..RESETS {
            let bucket = bucket("race_reset");
            ensure_eq!(
                permits(&*limiter, &bucket, &rule).await?,
                10,
                "how many `acquire` granted by {rule:?}"
            );
            let won = race((0..RACERS).map(|racer| {
                let limiter = Arc::clone(&limiter);
                async move {
                    // The reset comes among the first, in the middle or among the last.
                    if racer == number * RACERS / RESETS {
                        limiter.reset(&bucket, &rule).await?;
                        return Ok(0);
                    }
                    let mut won = 0;
                    for _ in 0..ASKS {
                        won += u32::from(granted(&*limiter, &bucket, &rule).await?);
                    }
                    Ok(won)
                }
            }))
            .await?;
            let won = won.iter().sum::<u32>();
            let rest = permits(&*limiter, &bucket, &rule).await?;
            // None was free before the reset, so all that was granted came after it.
            ensure_eq!(won + rest, 10, "how many `acquire` granted by {rule:?} since `reset`");
        }
    }
    Ok(())
}
