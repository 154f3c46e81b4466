//! Deletes expired records. No decision changes: an expired record is already refused.

use std::sync::Arc;
use std::time::Duration;

use crate::shutdown::Shutdown;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::{before, elapsed};
use crate::context::Context;
use crate::error::error_chain;
use crate::event::EventKind;
use crate::policy::schedule;
use crate::store::StoreError;

/// Longest sleep before the clock is read again, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Minimum interval between the starts of two full batches. Each batch commit delays concurrent
/// commits, so their rate is limited. `docs/scale.md` has the measurements.
const PACE: Duration = Duration::from_millis(100);

/// After each full batch, clean-up sleeps at least this multiple of the batch's duration, so that a
/// slow database stays available to requests.
const REST: u32 = 5;

/// Counts the records that a clean-up deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanedUp {
    /// Expired sessions.
    pub sessions: u64,
    /// Expired one-time tokens.
    pub one_time_tokens: u64,
    /// Users who did not verify their address in time.
    pub unverified_users: u64,
    /// Old dead letters.
    pub dead_letters: u64,
    /// Whether every expired record was deleted before the time budget ended.
    pub finished: bool,
}

/// The kinds of records, in the order in which they are deleted.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Sessions,
    OneTimeTokens,
    UnverifiedUsers,
    DeadLetters,
}

/// Deletes until no expired record is left or the time budget ends.
pub(crate) async fn clean_up(ctx: &Context) -> Result<CleanedUp, StoreError> {
    let policy = &ctx.policy.clean_up;
    let ends_at = ctx.clock.monotonic().saturating_add(policy.budget);
    let mut cleaned = CleanedUp { finished: true, ..CleanedUp::default() };
    let mut failed = None;
    let mut left = vec![Kind::Sessions, Kind::OneTimeTokens, Kind::UnverifiedUsers, Kind::DeadLetters];
    // One batch of each kind in turn, so that a failing or a large kind does not starve the others.
    while !left.is_empty() {
        for kind in std::mem::take(&mut left) {
            if ctx.clock.monotonic() >= ends_at {
                cleaned.finished = false;
                continue;
            }
            let began = Instant::now();
            match delete_batch(ctx, kind, &mut cleaned).await {
                Ok(deleted) if deleted < u64::from(policy.batch.get()) => {}
                Ok(_) => {
                    left.push(kind);
                    sleep_until((began + PACE).max(Instant::now() + began.elapsed() * REST)).await;
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let CleanedUp { sessions, one_time_tokens, unverified_users, dead_letters, finished } = cleaned;
    ctx.emit_own(EventKind::CleanedUp {
        sessions,
        one_time_tokens,
        unverified_users,
        dead_letters,
        finished,
    });
    Ok(cleaned)
}

async fn delete_batch(ctx: &Context, kind: Kind, cleaned: &mut CleanedUp) -> Result<u64, StoreError> {
    let (policy, now) = (&ctx.policy.clean_up, ctx.now());
    let limit = policy.batch.get();
    let (deleted, counter) = match kind {
        Kind::Sessions => (ctx.store.purge_sessions(now, limit).await?, &mut cleaned.sessions),
        Kind::OneTimeTokens => (ctx.store.purge_one_time(now, limit).await?, &mut cleaned.one_time_tokens),
        Kind::UnverifiedUsers => {
            let before = before(now, policy.unverified_user_lifetime);
            (ctx.store.purge_unverified(before, limit).await?, &mut cleaned.unverified_users)
        }
        Kind::DeadLetters => {
            let before = before(now, policy.dead_letter_lifetime);
            (ctx.store.purge_dead_letters(before, limit).await?, &mut cleaned.dead_letters)
        }
    };
    *counter += deleted;
    Ok(deleted)
}

/// Cleans up on schedule until stopped.
pub(crate) async fn run(ctx: Arc<Context>, mut shutdown: Shutdown) {
    // Checked when `Auth` was built.
    let Some(schedule) = schedule(&ctx.policy.clean_up.schedule) else { return };
    let mut due_at = schedule.find_next_occurrence(&ctx.now(), false).ok();
    while let Some(at) = due_at {
        let wait = elapsed(ctx.now(), at).min(LONGEST_SLEEP);
        tokio::select! {
            () = shutdown.requested() => return,
            () = sleep(wait) => {}
        }
        if ctx.now() >= at {
            // Each deletion is one statement, so stopping between any two is safe.
            let cleaned = tokio::select! {
                () = shutdown.requested() => return,
                cleaned = clean_up(&ctx) => cleaned,
            };
            if let Err(error) = cleaned {
                ctx.emit_own(EventKind::CleanUpFailed { error: error_chain(&error) });
            }
            due_at = schedule.find_next_occurrence(&ctx.now(), false).ok();
        }
    }
    shutdown.requested().await;
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    #[test]
    fn the_default_schedule_is_six_in_the_morning_utc() {
        let now: DateTime<Utc> = "2026-03-29T06:00:00Z".parse().unwrap();
        let next = schedule("0 6 * * *").unwrap().find_next_occurrence(&now, false).unwrap();
        assert_eq!(next, "2026-03-30T06:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }

    #[test]
    fn only_five_cron_fields_are_a_schedule() {
        for text in [
            "",
            "daily",
            "@daily",
            "0 6 * *",
            "0 0 6 * * *",
            "61 6 * * *",
            "0 25 * * *",
            "0 6 * * * \0",
            "0 0 30 2 *",
        ] {
            assert!(schedule(text).is_none(), "{text:?}");
        }
        for text in ["*/5 * * * *", "0 0 1 1 *", "30 2 * * 1-5"] {
            assert!(schedule(text).is_some(), "{text:?}");
        }
    }
}
