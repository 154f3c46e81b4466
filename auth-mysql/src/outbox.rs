//! The statements of the outbox, and how intents are claimed.

use auth_core::StoreError;
use auth_core::store::{ClaimedIntent, Intent};
use auth_sql::{OutboxSql, Record, Value, WriteOutcome, dead_letter_columns, read_intent, table};
use chrono::{DateTime, Utc};

use crate::pool::Pool;
use crate::row::{Row, statement};

pub(crate) const SQL: OutboxSql = OutboxSql {
    insert: "INSERT INTO auth_outbox (id, payload, created_at, due_at) VALUES (?, ?, ?, ?)",
    complete: "DELETE FROM auth_outbox WHERE id = ? AND attempts = ? AND dead_lettered_at IS NULL",
    retry: "UPDATE auth_outbox SET due_at = ? WHERE id = ? AND attempts = ? AND dead_lettered_at IS NULL",
    move_to_dead_letters: "UPDATE auth_outbox SET dead_lettered_at = ?, reason = ? \
        WHERE id = ? AND attempts = ? AND dead_lettered_at IS NULL",
    dead_letters: concat!(
        "SELECT ",
        dead_letter_columns!(),
        " FROM auth_outbox WHERE dead_lettered_at IS NOT NULL ORDER BY dead_lettered_at, id LIMIT ?"
    ),
    find_dead_letter: concat!(
        "SELECT ",
        dead_letter_columns!(),
        " FROM auth_outbox WHERE id = ? AND dead_lettered_at IS NOT NULL"
    ),
    remove_dead_letter: "DELETE FROM auth_outbox WHERE id = ? AND dead_lettered_at IS NOT NULL",
    // `count` is signed; a cast makes it a number of the kind that all other columns hold.
    stats: "SELECT (SELECT CAST(count(*) AS UNSIGNED) FROM auth_outbox \
        WHERE dead_lettered_at IS NULL) AS queued, \
        (SELECT min(created_at) FROM auth_outbox WHERE dead_lettered_at IS NULL) AS created_at, \
        (SELECT CAST(count(*) AS UNSIGNED) FROM auth_outbox \
        WHERE dead_lettered_at IS NOT NULL) AS dead",
};

/// Selects due intents. Values: now, limit.
pub(crate) const FIND_DUE: &str = "SELECT id, payload, created_at, attempts FROM auth_outbox \
    WHERE dead_lettered_at IS NULL AND due_at <= ? ORDER BY due_at, id LIMIT ?";

/// Leases an intent that nobody else has leased since it was read. Values: end of the lease, id,
/// `attempts`, now.
pub(crate) const LEASE: &str = "UPDATE auth_outbox SET due_at = ?, attempts = attempts + 1 \
    WHERE id = ? AND attempts = ? AND due_at <= ? AND dead_lettered_at IS NULL";

/// How often a claim selects again if other workers leased everything that it selected.
const CLAIM_ROUNDS: usize = 4;

/// An intent that is due, and how often it was claimed.
struct Due {
    id: [u8; 16],
    attempts: u32,
    intent: Result<Intent, StoreError>,
}

fn read_due(row: &Row) -> Result<Due, StoreError> {
    let record = Record::new(table::OUTBOX, row);
    Ok(Due { id: record.bytes("id")?, attempts: record.number("attempts")?, intent: read_intent(&record) })
}

/// Leases due intents one by one: MySQL's `UPDATE` cannot return the rows that it changed.
pub(crate) async fn claim(
    pool: &Pool,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<ClaimedIntent>, StoreError> {
    let (mut claimed, mut failed) = (Vec::new(), None);
    for _ in 0..CLAIM_ROUNDS {
        let rows = pool.server.read(|| statement(FIND_DUE, &[now.into(), limit.into()])).await?;
        for row in &rows {
            let Due { id, attempts, intent } = read_due(row)?;
            let values = [lease_until.into(), Value::Id(id), attempts.into(), now.into()];
            // If the outcome is unknown, the intent may be leased; that lease ends by itself.
            let leased =
                pool.server.write(|| statement(LEASE, &values)).await.and_then(WriteOutcome::affected);
            match (leased, intent) {
                (Ok(0), _) => {}
                (Ok(_), Ok(intent)) => claimed.push(ClaimedIntent { intent, attempt: attempts + 1 }),
                (Ok(_), Err(error)) | (Err(error), _) => failed = Some(error),
            }
        }
        if rows.is_empty() || !claimed.is_empty() || failed.is_some() {
            break;
        }
    }
    match failed {
        Some(error) if claimed.is_empty() => Err(error),
        _ => Ok(claimed),
    }
}
