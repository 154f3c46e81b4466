//! Promised mails: those that wait, by when they are due, and the dead letters.

use async_trait::async_trait;
use auth_core::store::{ClaimedIntent, DeadLetter, Intent, Outbox, OutboxStats, Removal, Settlement};
use auth_core::{IntentId, StoreError};
use chrono::{DateTime, Utc};
use redb::{ReadableTable as _, ReadableTableMetadata as _, WriteTransaction};

use crate::row::{DeadRow, IntentRow};
use crate::{DEAD_LETTERS, Failed, INTENTS, INTENTS_DUE, Id, RedbStore, find_all, get, put};

/// Where an intent stands among those that wait.
fn place(id: Id, intent: &IntentRow) -> (i64, Id) {
    (intent.due_at.timestamp_micros(), id)
}

/// Takes an intent out, if this attempt still owns it: another worker's claim has another number.
fn take(transaction: &WriteTransaction, id: IntentId, attempt: u32) -> Result<Option<IntentRow>, Failed> {
    let mut intents = transaction.open_table(INTENTS)?;
    let intent = get::<IntentRow>(&intents, *id.as_bytes())?.filter(|intent| intent.attempt == attempt);
    if let Some(intent) = &intent {
        intents.remove(*id.as_bytes())?;
        transaction.open_table(INTENTS_DUE)?.remove(place(*id.as_bytes(), intent))?;
    }
    Ok(intent)
}

fn wait(transaction: &WriteTransaction, id: Id, intent: &IntentRow) -> Result<(), Failed> {
    put(&mut transaction.open_table(INTENTS)?, id, intent)?;
    transaction.open_table(INTENTS_DUE)?.insert(place(id, intent), ())?;
    Ok(())
}

#[async_trait]
impl Outbox for RedbStore {
    async fn insert_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        let (id, row) = (*intent.id.as_bytes(), IntentRow::from(intent));
        self.write(move |transaction| {
            let waits = transaction.open_table(INTENTS)?.get(id)?.is_some();
            let dead = transaction.open_table(DEAD_LETTERS)?.get(id)?.is_some();
            if waits || dead { Ok(()) } else { wait(transaction, id, &row) }
        })
        .await
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        self.write(move |transaction| {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            // Chosen before any is leased, so that a lease which is already over is not claimed twice.
            let mut due = Vec::new();
            for entry in
                transaction.open_table(INTENTS_DUE)?.range(..=(now.timestamp_micros(), [u8::MAX; 16]))?
            {
                if due.len() == limit {
                    break;
                }
                due.push(entry?.0.value());
            }
            let mut claimed = Vec::new();
            for place in due {
                let id = place.1;
                let Some(mut intent) = get::<IntentRow>(&transaction.open_table(INTENTS)?, id)? else {
                    continue;
                };
                transaction.open_table(INTENTS_DUE)?.remove(place)?;
                intent.attempt = intent.attempt.saturating_add(1);
                intent.due_at = lease_until;
                wait(transaction, id, &intent)?;
                claimed.push(ClaimedIntent { intent: intent.intent(id), attempt: intent.attempt });
            }
            Ok(claimed)
        })
        .await
    }

    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError> {
        self.write(move |transaction| {
            Ok(match take(transaction, id, attempt)? {
                Some(_) => Settlement::Settled,
                None => Settlement::LeaseLost,
            })
        })
        .await
    }

    async fn retry(
        &self,
        id: IntentId,
        attempt: u32,
        due_at: DateTime<Utc>,
    ) -> Result<Settlement, StoreError> {
        self.write(move |transaction| {
            let Some(mut intent) = take(transaction, id, attempt)? else { return Ok(Settlement::LeaseLost) };
            intent.due_at = due_at;
            wait(transaction, *id.as_bytes(), &intent)?;
            Ok(Settlement::Settled)
        })
        .await
    }

    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError> {
        let reason = reason.to_owned();
        self.write(move |transaction| {
            let Some(intent) = take(transaction, id, attempt)? else { return Ok(Settlement::LeaseLost) };
            let mut dead = transaction.open_table(DEAD_LETTERS)?;
            put(&mut dead, *id.as_bytes(), &intent.move_to_dead_letters(at, &reason))?;
            Ok(Settlement::Settled)
        })
        .await
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |transaction| {
            let all = find_all(&transaction.open_table(DEAD_LETTERS)?, u32::MAX, |_: &DeadRow| true)?;
            let mut letters: Vec<_> = all.into_iter().map(|(id, letter)| letter.into_letter(id)).collect();
            letters.sort_by_key(|letter| (letter.dead_lettered_at, letter.intent.id));
            letters.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(letters)
        })
        .await
    }

    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError> {
        self.read(move |transaction| {
            let letter = get::<DeadRow>(&transaction.open_table(DEAD_LETTERS)?, *id.as_bytes())?;
            Ok(letter.map(|letter| letter.into_letter(*id.as_bytes())))
        })
        .await
    }

    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError> {
        self.write(move |transaction| {
            let removed = transaction.open_table(DEAD_LETTERS)?.remove(*id.as_bytes())?.is_some();
            Ok(if removed { Removal::Removed } else { Removal::NotFound })
        })
        .await
    }

    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let mut dead = transaction.open_table(DEAD_LETTERS)?;
            let found = find_all(&dead, limit, |letter: &DeadRow| letter.dead_lettered_at < before)?;
            for (id, _) in &found {
                dead.remove(*id)?;
            }
            Ok(found.len() as u64)
        })
        .await
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        self.read(move |transaction| {
            let waiting = find_all(&transaction.open_table(INTENTS)?, u32::MAX, |_: &IntentRow| true)?;
            Ok(OutboxStats {
                queued: waiting.len() as u64,
                oldest_created_at: waiting.iter().map(|(_, intent)| intent.created_at).min(),
                dead: transaction.open_table(DEAD_LETTERS)?.len()?,
            })
        })
        .await
    }
}
