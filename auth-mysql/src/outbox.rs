use async_trait::async_trait;
use auth_core::store::{ClaimedIntent, DeadLetter, Intent, OutboxStats, Removal, Settlement};
use auth_core::{IntentId, Outbox, StoreError};
use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlRow;
use sqlx::query;

use crate::MySqlStore;
use crate::pool::Statement;
use crate::purge::Purge;
use crate::row::{Record, kept, statements};

const TABLE: &str = "auth_outbox";

statements! {
    INSERT = "INSERT INTO auth_outbox (id, payload, created_at, due_at) VALUES (?, ?, ?, ?)";
    FIND_DUE = "SELECT id, payload, created_at, attempts FROM auth_outbox \
        WHERE dead_at IS NULL AND due_at <= ? ORDER BY due_at, id LIMIT ?";
    LEASE = "UPDATE auth_outbox SET due_at = ?, attempts = attempts + 1 \
        WHERE id = ? AND attempts = ? AND due_at <= ? AND dead_at IS NULL";
    COMPLETE = "DELETE FROM auth_outbox WHERE id = ? AND attempts = ? AND dead_at IS NULL";
    RETRY = "UPDATE auth_outbox SET due_at = ? WHERE id = ? AND attempts = ? AND dead_at IS NULL";
    BURY = "UPDATE auth_outbox SET dead_at = ?, reason = ? \
        WHERE id = ? AND attempts = ? AND dead_at IS NULL";
    DEAD_LETTERS = "SELECT id, payload, created_at, attempts, dead_at, reason FROM auth_outbox \
        WHERE dead_at IS NOT NULL ORDER BY dead_at, id LIMIT ?";
    FIND_DEAD_LETTER = "SELECT id, payload, created_at, attempts, dead_at, reason FROM auth_outbox \
        WHERE id = ? AND dead_at IS NOT NULL";
    REMOVE_DEAD_LETTER = "DELETE FROM auth_outbox WHERE id = ? AND dead_at IS NOT NULL";
    FIND_OLD_DEAD_LETTERS = "SELECT id FROM auth_outbox WHERE dead_at < ? ORDER BY dead_at LIMIT ?";
    /// The keys follow.
    PURGE_DEAD_LETTERS = "DELETE auth_outbox FROM auth_outbox FORCE INDEX (PRIMARY) WHERE dead_at < ?";
    STATS = "SELECT (SELECT count(*) FROM auth_outbox WHERE dead_at IS NULL) AS queued, \
        (SELECT min(created_at) FROM auth_outbox WHERE dead_at IS NULL) AS created_at, \
        (SELECT count(*) FROM auth_outbox WHERE dead_at IS NOT NULL) AS dead";
}

fn read_intent(record: &Record<'_>) -> Result<Intent, StoreError> {
    let id = IntentId::from_bytes(record.bytes("id")?);
    let created_at = record.time("created_at")?;
    Ok(Intent::from_stored(id, created_at, record.text("payload")?))
}

/// What a claim found due: its key, how often it was claimed, and the intent.
struct Due {
    id: Vec<u8>,
    attempts: u32,
    intent: Result<Intent, StoreError>,
}

fn read_due(row: &MySqlRow) -> Result<Due, StoreError> {
    let record = Record::new(TABLE, row);
    Ok(Due { id: read_id(row)?, attempts: record.unsigned("attempts")?, intent: read_intent(&record) })
}

fn read_id(row: &MySqlRow) -> Result<Vec<u8>, StoreError> {
    Record::new(TABLE, row).blob("id").map(<[u8]>::to_vec)
}

fn read_dead_letter(row: &MySqlRow) -> Result<DeadLetter, StoreError> {
    let record = Record::new(TABLE, row);
    Ok(DeadLetter {
        intent: read_intent(&record)?,
        attempts: record.unsigned("attempts")?,
        dead_lettered_at: record.time("dead_at")?,
        reason: record.text("reason")?.to_owned(),
    })
}

fn read_stats(row: &MySqlRow) -> Result<OutboxStats, StoreError> {
    let record = Record::new(TABLE, row);
    Ok(OutboxStats {
        queued: record.count("queued")?,
        oldest_created_at: record.maybe_time("created_at")?,
        dead: record.count("dead")?,
    })
}

impl MySqlStore {
    async fn settle(&self, statement: impl Fn() -> Statement + Send) -> Result<Settlement, StoreError> {
        let settled = self.write(statement).await?;
        Ok(if settled == 0 { Settlement::LeaseLost } else { Settlement::Settled })
    }
}

/// How often a claim looks again when others took everything it saw.
const CLAIM_ROUNDS: usize = 4;

#[async_trait]
impl Outbox for MySqlStore {
    async fn insert(&self, intent: &Intent) -> Result<(), StoreError> {
        let payload = intent.payload();
        let statement = || {
            query(INSERT)
                .bind(intent.id.as_bytes().as_slice())
                .bind(payload.as_str())
                .bind(kept(intent.created_at))
                .bind(kept(intent.created_at))
        };
        // Whoever wrote it: it is there.
        self.write_ours(statement, async { Ok(true) }).await.map(|_| ())
    }

    /// A record that makes no sense does not keep the others waiting: it is leased like them, and the
    /// call fails only when it has nothing else to give.
    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        let (mut claimed, mut failed) = (Vec::new(), None);
        for _ in 0..CLAIM_ROUNDS {
            let due = self.list(read_due, || query(FIND_DUE).bind(kept(now)).bind(limit)).await?;
            let seen = due.len();
            for Due { id, attempts, intent } in due {
                let leased = self.write(|| {
                    query(LEASE).bind(kept(lease_until)).bind(id.clone()).bind(attempts).bind(kept(now))
                });
                // A lease whose outcome is unknown ends by itself.
                match (leased.await, intent) {
                    (Ok(0), _) => {}
                    (Ok(_), Ok(intent)) => claimed.push(ClaimedIntent { intent, attempt: attempts + 1 }),
                    (Ok(_), Err(error)) | (Err(error), _) => failed = Some(error),
                }
            }
            if seen == 0 || !claimed.is_empty() || failed.is_some() {
                break;
            }
        }
        match failed {
            Some(error) if claimed.is_empty() => Err(error),
            _ => Ok(claimed),
        }
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
        self.settle(|| query(RETRY).bind(kept(due_at)).bind(id.as_bytes().as_slice()).bind(attempt)).await
    }

    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError> {
        self.settle(|| query(BURY).bind(kept(at)).bind(reason).bind(id.as_bytes().as_slice()).bind(attempt))
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
        let purge = Purge { find: FIND_OLD_DEAD_LETTERS, delete: PURGE_DEAD_LETTERS, read_id };
        self.purge(&purge, kept(before), limit).await
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        Ok(self.find(read_stats, || query(STATS)).await?.unwrap_or_default())
    }
}
