//! Cases of released permits.

use std::sync::Arc;

use auth_core::RateLimiter;

use super::{bucket, failures, granted, hourly, permits};
use crate::suite::check::{Outcome, ensure, ensure_eq};

pub(super) async fn a_released_permit_is_granted_again(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [hourly(5), failures(5)] {
        let bucket = bucket("release");
        ensure_eq!(permits(&*limiter, &bucket, &rule).await?, 5, "how many `acquire` granted by {rule:?}");
        for released in [1, 2, 5] {
            for _ in 0..released {
                limiter.release(&bucket, &rule).await?;
            }
            let free = permits(&*limiter, &bucket, &rule).await?;
            ensure_eq!(free, released, "how many of {rule:?} are free after that many calls of `release`");
        }
    }
    Ok(())
}

pub(super) async fn releasing_never_frees_more_than_was_taken(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [hourly(5), failures(5)] {
        for taken in [0, 1, 5] {
            let bucket = bucket("too_much");
            for _ in 0..taken {
                ensure!(
                    granted(&*limiter, &bucket, &rule).await?,
                    "`acquire` refused a free permit of {rule:?}"
                );
            }
            for _ in 0..10 {
                limiter.release(&bucket, &rule).await?;
            }
            let free = permits(&*limiter, &bucket, &rule).await?;
            ensure_eq!(free, 5, "how many of {rule:?} are free after {taken} were taken and 10 released");
        }
    }
    Ok(())
}

pub(super) async fn a_reset_bucket_is_empty(limiter: Arc<dyn RateLimiter>) -> Outcome {
    for rule in [hourly(5), failures(5)] {
        let bucket = bucket("reset");
        for _ in 0..3 {
            ensure_eq!(
                permits(&*limiter, &bucket, &rule).await?,
                5,
                "how many `acquire` granted by {rule:?}"
            );
            limiter.reset(&bucket, &rule).await?;
            // A second reset changes nothing.
            limiter.reset(&bucket, &rule).await?;
        }
    }
    Ok(())
}
