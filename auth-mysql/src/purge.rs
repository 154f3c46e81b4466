//! Deleting expired rows, in batches.

use std::iter::repeat_n;

use auth_core::StoreError;
use auth_sql::{Expired, Record, WriteOutcome, table};
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use crate::pool::Pool;
use crate::row::{Row, Statement, statement, to_column};

/// Rows that one statement deletes: enough to be fast, few enough that it holds its locks for
/// milliseconds.
const BATCH: usize = 200;

/// How expired rows are found and deleted.
///
/// The deletion is guarded by the time again. Its hint makes it find the rows by primary key: it
/// then takes its locks in the order of every other write, the row first and its index entries
/// afterwards.
struct PurgeSql {
    table: &'static str,
    /// Values: time, limit.
    find: &'static str,
    /// Values: time; the ids follow.
    delete: &'static str,
}

const fn sql(expired: Expired) -> PurgeSql {
    match expired {
        Expired::UnverifiedUsers => PurgeSql {
            table: table::USERS,
            find: "SELECT id FROM auth_users WHERE unverified_since < ? ORDER BY unverified_since LIMIT ?",
            delete: "DELETE auth_users FROM auth_users FORCE INDEX (PRIMARY) WHERE unverified_since < ?",
        },
        Expired::Sessions => PurgeSql {
            table: table::SESSIONS,
            find: "SELECT id FROM auth_sessions WHERE ends_at <= ? ORDER BY ends_at LIMIT ?",
            delete: "DELETE auth_sessions FROM auth_sessions FORCE INDEX (PRIMARY) WHERE ends_at <= ?",
        },
        Expired::OneTimeTokens => PurgeSql {
            table: table::ONE_TIME_TOKENS,
            find: "SELECT id FROM auth_one_time_tokens WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
            delete: "DELETE auth_one_time_tokens FROM auth_one_time_tokens FORCE INDEX (PRIMARY) \
                WHERE expires_at <= ?",
        },
        Expired::DeadLetters => PurgeSql {
            table: table::OUTBOX,
            find: "SELECT id FROM auth_outbox WHERE dead_lettered_at < ? ORDER BY dead_lettered_at LIMIT ?",
            delete: "DELETE auth_outbox FROM auth_outbox FORCE INDEX (PRIMARY) WHERE dead_lettered_at < ?",
        },
    }
}

/// The deletion of a full batch. One text for every number of ids, so that it is prepared once.
fn delete_batch(delete: &str) -> String {
    let marks = vec!["?"; BATCH].join(", ");
    format!("{delete} AND id IN ({marks})")
}

/// All statements by name, for the test that reads their query plans.
pub(crate) fn statements() -> Vec<(&'static str, String)> {
    let both = |sql: PurgeSql| [("find_expired", sql.find.to_owned()), ("purge", delete_batch(sql.delete))];
    Expired::ALL.map(sql).into_iter().flat_map(both).collect()
}

/// Deletes up to `limit` rows; fewer only if no more were found.
///
/// Several instances may purge at once: each then finds rows that another deletes first, and
/// deletes fewer than it may. So this looks again until nothing is left to find; else all instances
/// would stop while many rows are left.
pub(crate) async fn purge(
    pool: &Pool,
    expired: Expired,
    at: DateTime<Utc>,
    limit: u32,
) -> Result<u64, StoreError> {
    let PurgeSql { table, find, delete } = sql(expired);
    let read_id = |row: &Row| Record::new(table, row).bytes("id");
    let mut left = limit;
    loop {
        let rows = pool.server.read(|| statement(find, &[at.into(), left.into()])).await?;
        let ids: Vec<[u8; 16]> = rows.iter().map(read_id).collect::<Result<_, _>>()?;
        let deleted = delete_all(pool, delete, &ids, at).await?;
        let found_all = u32::try_from(ids.len()).unwrap_or(u32::MAX) < left;
        left = left.saturating_sub(u32::try_from(deleted).unwrap_or(u32::MAX));
        if found_all || left == 0 {
            return Ok(u64::from(limit - left));
        }
    }
}

async fn delete_all(
    pool: &Pool,
    delete: &'static str,
    ids: &[[u8; 16]],
    at: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let sql = delete_batch(delete);
    let mut deleted = 0;
    for batch in ids.chunks(BATCH) {
        let statement = || {
            let statement: Statement = sqlx::query(AssertSqlSafe(sql.clone())).bind(to_column(at));
            // The last id fills the rest of the batch.
            let ids = batch.iter().chain(repeat_n(batch.last(), BATCH - batch.len()).flatten());
            ids.fold(statement, |statement, id| statement.bind(id.as_slice()))
        };
        deleted += pool.server.write(statement).await.and_then(WriteOutcome::affected)?;
    }
    Ok(deleted)
}
