//! Deleting expired rows, in batches.

use auth_core::StoreError;
use auth_sql::{Expired, WriteOutcome};
use chrono::{DateTime, Utc};

use crate::pool::Pool;
use crate::row::statement;

/// Rows that one statement deletes: enough to be fast, few enough that it holds its locks for
/// milliseconds.
const BATCH: u32 = 500;

/// Deletes expired rows. Values: time, limit.
///
/// The selection locks its rows and looks at their newest versions, so a row that changed meanwhile is
/// not deleted. It skips rows that are locked: another instance deletes them, or a write changes them. As an
/// array, not as a join: the plan of a join may scan the table, because a prepared statement does not know its
/// limit.
pub(crate) const fn sql(expired: Expired) -> &'static str {
    match expired {
        Expired::UnverifiedUsers => {
            "DELETE FROM auth_users WHERE id = ANY (ARRAY (SELECT id FROM auth_users \
            WHERE email_verified_at IS NULL AND status = 'active' AND greatest(created_at, contested_at) < $1 \
            ORDER BY greatest(created_at, contested_at) LIMIT $2 FOR UPDATE SKIP LOCKED))"
        }
        // The hour of the end bounds the search, the end itself decides.
        Expired::Sessions => {
            "DELETE FROM auth_sessions WHERE id = ANY (ARRAY (SELECT id FROM auth_sessions \
            WHERE ends_in <= ($1 AT TIME ZONE 'UTC') AND least(idle_expires_at, expires_at) <= $1 \
            ORDER BY ends_in LIMIT $2 FOR UPDATE SKIP LOCKED))"
        }
        Expired::OneTimeTokens => {
            "DELETE FROM auth_one_time_tokens WHERE id = ANY (ARRAY (SELECT id FROM auth_one_time_tokens WHERE expires_at <= $1 \
            ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
        }
        Expired::DeadLetters => {
            "DELETE FROM auth_outbox WHERE id = ANY (ARRAY (SELECT id FROM auth_outbox WHERE dead_lettered_at < $1 \
            ORDER BY dead_lettered_at LIMIT $2 FOR UPDATE SKIP LOCKED))"
        }
    }
}

/// Deletes up to `limit` rows; fewer only if no more were found.
pub(crate) async fn purge(
    pool: &Pool,
    expired: Expired,
    at: DateTime<Utc>,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut left = limit;
    loop {
        let batch = left.min(BATCH);
        let values = [at.into(), batch.into()];
        let deleted = pool.server.write(|| statement(sql(expired), &values)).await;
        let deleted = deleted.and_then(WriteOutcome::affected)?;
        let deleted = u32::try_from(deleted).unwrap_or(u32::MAX);
        left = left.saturating_sub(deleted);
        if deleted < batch || left == 0 {
            return Ok(u64::from(limit - left));
        }
    }
}
