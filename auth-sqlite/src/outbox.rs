use async_trait::async_trait;
use auth_core::store::{ClaimedIntent, DeadLetter, Intent, OutboxStats, Removal, Settlement};
use auth_core::{IntentId, Outbox, StoreError};
use chrono::{DateTime, Utc};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::pool::Statement;
use crate::row::{Record, micros, statements};

const TABLE: &str = "auth_outbox";

statements! {
    INSERT = "INSERT INTO auth_outbox (id, payload, created_at, due_at, was_due_at) \
        VALUES (?1, ?2, ?3, ?3, ?3) ON CONFLICT (id) DO NOTHING";
    /// Chooses and leases in one statement. The order is told by `was_due_at`, because SQLite
    /// returns rows in any order and knows only their new values.
    CLAIM = "UPDATE auth_outbox SET was_due_at = due_at, due_at = ?2, attempts = attempts + 1 \
        WHERE id IN (SELECT id FROM auth_outbox WHERE dead_at IS NULL AND due_at <= ?1 \
        ORDER BY due_at, id LIMIT ?3) \
        RETURNING id, payload, created_at, was_due_at, attempts";
    COMPLETE = "DELETE FROM auth_outbox WHERE id = ?1 AND attempts = ?2 AND dead_at IS NULL";
    RETRY = "UPDATE auth_outbox SET due_at = ?3 WHERE id = ?1 AND attempts = ?2 AND dead_at IS NULL";
    BURY = "UPDATE auth_outbox SET dead_at = ?3, reason = ?4 \
        WHERE id = ?1 AND attempts = ?2 AND dead_at IS NULL";
    DEAD_LETTERS = "SELECT id, payload, created_at, attempts, dead_at, reason FROM auth_outbox \
        WHERE dead_at IS NOT NULL ORDER BY dead_at, id LIMIT ?1";
    FIND_DEAD_LETTER = "SELECT id, payload, created_at, attempts, dead_at, reason FROM auth_outbox \
        WHERE id = ?1 AND dead_at IS NOT NULL";
    REMOVE_DEAD_LETTER = "DELETE FROM auth_outbox WHERE id = ?1 AND dead_at IS NOT NULL";
    PURGE_DEAD_LETTERS = "DELETE FROM auth_outbox WHERE id IN (SELECT id FROM auth_outbox \
        WHERE dead_at IS NOT NULL AND dead_at < ?1 LIMIT ?2)";
    STATS = "SELECT (SELECT count(*) FROM auth_outbox WHERE dead_at IS NULL) AS queued, \
        (SELECT min(created_at) FROM auth_outbox WHERE dead_at IS NULL) AS created_at, \
        (SELECT count(*) FROM auth_outbox WHERE dead_at IS NOT NULL) AS dead";
}

fn read_intent(record: &Record<'_>) -> Result<Intent, StoreError> {
    let id = IntentId::from_bytes(record.bytes("id")?);
    let created_at = record.time("created_at")?;
    Ok(Intent::from_stored(id, created_at, record.text("payload")?))
}

/// A claimed intent, and when it was due.
fn read_claimed(row: &SqliteRow) -> Result<(DateTime<Utc>, ClaimedIntent), StoreError> {
    let record = Record::new(TABLE, row);
    let intent = read_intent(&record)?;
    Ok((record.time("was_due_at")?, ClaimedIntent { intent, attempt: record.integer("attempts")? }))
}

fn read_dead_letter(row: &SqliteRow) -> Result<DeadLetter, StoreError> {
    let record = Record::new(TABLE, row);
    Ok(DeadLetter {
        intent: read_intent(&record)?,
        attempts: record.integer("attempts")?,
        dead_lettered_at: record.time("dead_at")?,
        reason: record.text("reason")?.to_owned(),
    })
}

fn read_stats(row: &SqliteRow) -> Result<OutboxStats, StoreError> {
    let record = Record::new(TABLE, row);
    Ok(OutboxStats {
        queued: record.integer("queued")?,
        oldest_created_at: record.maybe_time("created_at")?,
        dead: record.integer("dead")?,
    })
}

impl SqliteStore {
    async fn settle(&self, statement: impl Fn() -> Statement + Send) -> Result<Settlement, StoreError> {
        let settled = self.write(statement).await?;
        Ok(if settled == 0 { Settlement::LeaseLost } else { Settlement::Settled })
    }
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn insert(&self, intent: &Intent) -> Result<(), StoreError> {
        let payload = intent.payload();
        let statement = || {
            query(INSERT)
                .bind(intent.id.as_bytes().as_slice())
                .bind(payload.as_str())
                .bind(micros(intent.created_at))
        };
        self.write(statement).await.map(|_| ())
    }

    /// A record that makes no sense does not keep the others waiting: it is leased like them, and the
    /// call fails only when it has nothing else to give.
    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        let statement = || query(CLAIM).bind(micros(now)).bind(micros(lease_until)).bind(limit);
        let rows = self.write_returning(statement).await?;
        let (mut claimed, mut corrupt) = (Vec::with_capacity(rows.len()), None);
        for row in &rows {
            match read_claimed(row) {
                Ok(one) => claimed.push(one),
                Err(error) => corrupt = Some(error),
            }
        }
        if let (true, Some(error)) = (claimed.is_empty(), corrupt) {
            return Err(error);
        }
        claimed.sort_unstable_by_key(|(was_due_at, claimed)| (*was_due_at, claimed.intent.id));
        Ok(claimed.into_iter().map(|(_, claimed)| claimed).collect())
    }

    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError> {
        self.settle(|| query(COMPLETE).bind(id.as_bytes().as_slice()).bind(attempt)).await
    }

    async fn retry(
        &self,
        id: IntentId,
        attempt: u32,
        due_at: DateTime<Utc>,
    ) -> Result<Settlement, StoreError> {
        self.settle(|| query(RETRY).bind(id.as_bytes().as_slice()).bind(attempt).bind(micros(due_at))).await
    }

    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError> {
        self.settle(|| query(BURY).bind(id.as_bytes().as_slice()).bind(attempt).bind(micros(at)).bind(reason))
            .await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.list(read_dead_letter, || query(DEAD_LETTERS).bind(limit)).await
    }

    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError> {
        self.find(read_dead_letter, || query(FIND_DEAD_LETTER).bind(id.as_bytes().as_slice())).await
    }

    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError> {
        let statement = || query(REMOVE_DEAD_LETTER).bind(id.as_bytes().as_slice());
        let removed = self.write(statement).await?;
        Ok(if removed == 0 { Removal::NotFound } else { Removal::Removed })
    }

    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(|| query(PURGE_DEAD_LETTERS).bind(micros(before)).bind(limit)).await
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        Ok(self.find(read_stats, || query(STATS)).await?.unwrap_or_default())
    }
}
