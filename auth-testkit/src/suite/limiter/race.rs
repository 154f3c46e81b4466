use std::sync::Arc;

use auth_core::RateLimiter;

use super::{bucket, granted, hourly, places, streak};
use crate::suite::check::{Outcome, ensure, ensure_eq};
use crate::suite::race::{RACERS, race};

/// How often each racer asks.
const ASKS: usize = 4;

/// Fewer places than are asked for.
const PLACES: u32 = 100;

pub(super) async fn racing_callers_are_granted_exactly_what_the_rule_allows(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    for rule in [hourly(PLACES), streak(PLACES)] {
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
            PLACES,
            "how many places of {rule:?} {RACERS} callers were granted"
        );
    }
    Ok(())
}

pub(super) async fn racing_callers_that_give_back_leave_exactly_the_rest(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    for rule in [hourly(PLACES), streak(PLACES)] {
        let bucket = bucket("race_back");
        ensure!(granted(&*limiter, &bucket, &rule).await?, "the first place was refused");
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
        // Each racer holds one place at a time, so there is one for everybody.
        ensure_eq!(
            won.iter().sum::<usize>(),
            RACERS * ASKS,
            "how many got a place of {rule:?}, one at a time"
        );
        let rest = places(&*limiter, &bucket, &rule).await?;
        ensure_eq!(rest, PLACES - 1, "how many of {rule:?} are left, all but one given back");
    }
    Ok(())
}

/// How often a clearing meets reservations.
const CLEARINGS: usize = 8;

pub(super) async fn a_reservation_that_races_a_clearing_is_forgotten_or_counted(
    limiter: Arc<dyn RateLimiter>,
) -> Outcome {
    for rule in [hourly(10), streak(10)] {
        for clearing in 0..CLEARINGS {
            let bucket = bucket("race_clear");
            ensure_eq!(places(&*limiter, &bucket, &rule).await?, 10, "how many of {rule:?} were granted");
            let won = race((0..RACERS).map(|racer| {
                let limiter = Arc::clone(&limiter);
                async move {
                    // The clearing comes among the first, in the middle or among the last.
                    if racer == clearing * RACERS / CLEARINGS {
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
            let rest = places(&*limiter, &bucket, &rule).await?;
            // None was free before the clearing, so all that was granted came after it.
            ensure_eq!(won + rest, 10, "how many of {rule:?} were granted since it was cleared");
        }
    }
    Ok(())
}
