//! The outbox in SQL: runs the statements and turns affected rows into outcomes.

use async_trait::async_trait;
use auth_core::store::{ClaimedIntent, DeadLetter, Intent, OutboxStats, Removal, Settlement};
use auth_core::{IntentId, Outbox, StoreError};
use chrono::{DateTime, Utc};

use crate::statement::values;
use crate::{Database, Expired, Record, Row, SqlStore, Value, table};

/// Reads the intent of a record with its id, payload and time.
///
/// # Errors
///
/// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if a column cannot be read.
pub fn read_intent(record: &Record<'_>) -> Result<Intent, StoreError> {
    let id = IntentId::from_bytes(record.bytes("id")?);
    let created_at = record.time("created_at")?;
    Ok(Intent::from_stored(id, created_at, record.text("payload")?))
}

/// Reads intents that one statement claimed, in any order; returns them the longest due first.
///
/// Their columns are id, `payload`, `created_at`, the new `attempts`, and `was_due_at`: the value of
/// `due_at` before. An intent that cannot be read stays leased.
///
/// # Errors
///
/// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if none could be read.
pub fn read_claimed(rows: &[impl Row]) -> Result<Vec<ClaimedIntent>, StoreError> {
    let (mut claimed, mut corrupt) = (Vec::with_capacity(rows.len()), None);
    for row in rows {
        match read_one_claimed(row) {
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

/// A claimed intent, and when it was due.
fn read_one_claimed(row: &impl Row) -> Result<(DateTime<Utc>, ClaimedIntent), StoreError> {
    let record = Record::new(table::OUTBOX, row);
    let intent = read_intent(&record)?;
    Ok((record.time("was_due_at")?, ClaimedIntent { intent, attempt: record.number("attempts")? }))
}

fn read_dead_letter(row: &impl Row) -> Result<DeadLetter, StoreError> {
    let record = Record::new(table::OUTBOX, row);
    Ok(DeadLetter {
        intent: read_intent(&record)?,
        attempts: record.number("attempts")?,
        dead_lettered_at: record.time("dead_lettered_at")?,
        reason: record.text("reason")?.to_owned(),
    })
}

fn read_stats(row: &impl Row) -> Result<OutboxStats, StoreError> {
    let record = Record::new(table::OUTBOX, row);
    Ok(OutboxStats {
        queued: record.number("queued")?,
        oldest_created_at: record.optional_time("created_at")?,
        dead: record.number("dead")?,
    })
}

impl<D: Database> SqlStore<D> {
    async fn settle(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Settlement, StoreError> {
        let settled = self.write(sql, values).await?;
        Ok(if settled == 0 { Settlement::LeaseLost } else { Settlement::Settled })
    }
}

#[async_trait]
impl<D: Database> Outbox for SqlStore<D> {
    async fn insert_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        let payload = intent.payload();
        let values = values![intent.id, payload.as_str(), intent.created_at, intent.due_at()];
        // An intent is stored, whether this or an earlier call inserted it.
        self.write_own(D::OUTBOX.insert, &values, async { Ok(true) }).await.map(|_| ())
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        self.database.claim(now, lease_until, limit).await
    }

    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError> {
        self.settle(D::OUTBOX.complete, &values![id, attempt]).await
    }

    async fn retry(
        &self,
        id: IntentId,
        attempt: u32,
        due_at: DateTime<Utc>,
    ) -> Result<Settlement, StoreError> {
        self.settle(D::OUTBOX.retry, &values![due_at, id, attempt]).await
    }

    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError> {
        self.settle(D::OUTBOX.move_to_dead_letters, &values![at, reason, id, attempt]).await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.list(read_dead_letter, D::OUTBOX.dead_letters, &values![limit]).await
    }

    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError> {
        self.find(read_dead_letter, D::OUTBOX.find_dead_letter, &values![id]).await
    }

    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError> {
        let removed = self.write(D::OUTBOX.remove_dead_letter, &values![id]).await?;
        Ok(if removed == 0 { Removal::NotFound } else { Removal::Removed })
    }

    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.database.purge(Expired::DeadLetters, before, limit).await
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        Ok(self.find(read_stats, D::OUTBOX.stats, &[]).await?.unwrap_or_default())
    }
}
