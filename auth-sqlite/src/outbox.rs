//! The statements of the outbox.

use auth_sql::{OutboxSql, dead_letter_columns};

pub(crate) const SQL: OutboxSql = OutboxSql {
    insert: "INSERT INTO auth_outbox (id, payload, created_at, due_at, was_due_at) \
        VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT (id) DO NOTHING",
    complete: "DELETE FROM auth_outbox WHERE id = ?1 AND attempts = ?2 AND dead_lettered_at IS NULL",
    retry: "UPDATE auth_outbox SET due_at = ?1 WHERE id = ?2 AND attempts = ?3 AND dead_lettered_at IS NULL",
    move_to_dead_letters: "UPDATE auth_outbox SET dead_lettered_at = ?1, reason = ?2 \
        WHERE id = ?3 AND attempts = ?4 AND dead_lettered_at IS NULL",
    dead_letters: concat!(
        "SELECT ",
        dead_letter_columns!(),
        " FROM auth_outbox WHERE dead_lettered_at IS NOT NULL ORDER BY dead_lettered_at, id LIMIT ?1"
    ),
    find_dead_letter: concat!(
        "SELECT ",
        dead_letter_columns!(),
        " FROM auth_outbox WHERE id = ?1 AND dead_lettered_at IS NOT NULL"
    ),
    remove_dead_letter: "DELETE FROM auth_outbox WHERE id = ?1 AND dead_lettered_at IS NOT NULL",
    stats: "SELECT (SELECT count(*) FROM auth_outbox WHERE dead_lettered_at IS NULL) AS queued, \
        (SELECT min(created_at) FROM auth_outbox WHERE dead_lettered_at IS NULL) AS created_at, \
        (SELECT count(*) FROM auth_outbox WHERE dead_lettered_at IS NOT NULL) AS dead",
};

/// Selects and leases due intents in one statement. Values: now, end of the lease, limit.
///
/// SQLite returns the rows in any order and with their new values, so `was_due_at` keeps the order.
pub(crate) const CLAIM: &str = "UPDATE auth_outbox \
    SET was_due_at = due_at, due_at = ?2, attempts = attempts + 1 \
    WHERE id IN (SELECT id FROM auth_outbox WHERE dead_lettered_at IS NULL AND due_at <= ?1 \
    ORDER BY due_at, id LIMIT ?3) \
    RETURNING id, payload, created_at, was_due_at, attempts";

/// Values: time, limit.
pub(crate) const PURGE_DEAD_LETTERS: &str = "DELETE FROM auth_outbox WHERE id IN (SELECT id FROM auth_outbox \
    WHERE dead_lettered_at IS NOT NULL AND dead_lettered_at < ?1 LIMIT ?2)";
