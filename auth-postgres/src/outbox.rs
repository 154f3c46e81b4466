//! The statements of the outbox.

use auth_sql::{OutboxSql, dead_letter_columns};

pub(crate) const SQL: OutboxSql = OutboxSql {
    insert: "INSERT INTO auth_outbox (id, payload, created_at, due_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (id) DO NOTHING",
    complete: "DELETE FROM auth_outbox WHERE id = $1 AND attempts = $2 AND dead_lettered_at IS NULL",
    retry: "UPDATE auth_outbox SET due_at = $1 WHERE id = $2 AND attempts = $3 AND dead_lettered_at IS NULL",
    move_to_dead_letters: "UPDATE auth_outbox SET dead_lettered_at = $1, reason = $2 \
        WHERE id = $3 AND attempts = $4 AND dead_lettered_at IS NULL",
    dead_letters: concat!(
        "SELECT ",
        dead_letter_columns!(),
        " FROM auth_outbox WHERE dead_lettered_at IS NOT NULL ORDER BY dead_lettered_at, id LIMIT $1"
    ),
    find_dead_letter: concat!(
        "SELECT ",
        dead_letter_columns!(),
        " FROM auth_outbox WHERE id = $1 AND dead_lettered_at IS NOT NULL"
    ),
    remove_dead_letter: "DELETE FROM auth_outbox WHERE id = $1 AND dead_lettered_at IS NOT NULL",
    stats: "SELECT (SELECT count(*) FROM auth_outbox WHERE dead_lettered_at IS NULL) AS queued, \
        (SELECT min(created_at) FROM auth_outbox WHERE dead_lettered_at IS NULL) AS created_at, \
        (SELECT count(*) FROM auth_outbox WHERE dead_lettered_at IS NOT NULL) AS dead",
};

/// Selects and leases due intents in one statement. Values: now, end of the lease, limit.
///
/// Workers skip what another one claims at this moment. `MATERIALIZED` makes the selection run once, so
/// that no more than the limit are leased, and the array makes the update find its rows by their keys.
pub(crate) const CLAIM: &str = "WITH due AS MATERIALIZED (SELECT id, due_at AS was_due_at FROM auth_outbox \
    WHERE dead_lettered_at IS NULL AND due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED), \
    leased AS (UPDATE auth_outbox SET due_at = $2, attempts = attempts + 1 \
    WHERE id = ANY (ARRAY (SELECT id FROM due)) RETURNING id, payload, created_at, attempts) \
    SELECT id, payload, created_at, attempts, was_due_at FROM leased JOIN due USING (id)";
