use std::sync::Arc;

use auth_core::RateLimiter;

use super::{bucket, granted, hourly, places, streak};
use crate::suite::check::{Outcome, ensure, ensure_eq};

pub(super) async fn a_place_given_back_can_be_taken_again(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [hourly(5), streak(5)] {
        let bucket = bucket("back");
        ensure_eq!(places(&*limiter, &bucket, &rule).await?, 5, "how many of {rule:?} were granted");
        for given_back in [1, 2, 5] {
            for _ in 0..given_back {
                limiter.release(&bucket, &rule).await?;
            }
            let free = places(&*limiter, &bucket, &rule).await?;
            ensure_eq!(free, given_back, "how many of {rule:?} are free after that many were given back");
        }
    }
    Ok(())
}

pub(super) async fn giving_back_never_frees_more_than_was_taken(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [hourly(5), streak(5)] {
        for taken in [0, 1, 5] {
            let bucket = bucket("too_much");
            for _ in 0..taken {
                ensure!(granted(&*limiter, &bucket, &rule).await?, "a free place of {rule:?} was refused");
            }
            for _ in 0..10 {
                limiter.release(&bucket, &rule).await?;
            }
            let free = places(&*limiter, &bucket, &rule).await?;
            ensure_eq!(free, 5, "how many of {rule:?} were free after 10 were given back of {taken}");
        }
    }
    Ok(())
}

pub(super) async fn a_cleared_bucket_is_fresh(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [hourly(5), streak(5)] {
        let bucket = bucket("clear");
        for _ in 0..3 {
            ensure_eq!(places(&*limiter, &bucket, &rule).await?, 5, "how many of {rule:?} were granted");
            limiter.reset(&bucket, &rule).await?;
            // Once more makes no difference.
            limiter.reset(&bucket, &rule).await?;
        }
    }
    Ok(())
}
