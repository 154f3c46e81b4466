use async_trait::async_trait;
use auth_core::store::{
    ClaimedIntent, DeadLetter, Intent, IntentId, Outbox, OutboxStats, Removal, Settlement, StoreError,
};
use chrono::{DateTime, Utc};

use crate::{Data, MapStore};

/// An intent that is not settled.
pub(crate) struct Queued {
    intent: Intent,
    attempt: u32,
    due_at: DateTime<Utc>,
}

/// Takes an intent out of the queue if it is at this attempt.
fn take(data: &mut Data, id: IntentId, attempt: u32) -> Option<Queued> {
    data.intents.get(&id).filter(|queued| queued.attempt == attempt)?;
    data.intents.remove(&id)
}

#[async_trait]
impl Outbox for MapStore {
    async fn insert_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        self.transaction(|data| {
            if !data.dead_letters.contains_key(&intent.id) {
                let queued = Queued { intent: intent.clone(), attempt: 0, due_at: intent.due_at() };
                data.intents.entry(intent.id).or_insert(queued);
            }
        });
        Ok(())
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        Ok(self.transaction(|data| {
            let due = data.intents.values_mut().filter(|queued| queued.due_at <= now);
            let mut due: Vec<&mut Queued> = due.collect();
            due.sort_by_key(|queued| queued.due_at);
            let lease = |(queued, _): (&mut Queued, u32)| {
                queued.attempt = queued.attempt.saturating_add(1);
                queued.due_at = lease_until;
                ClaimedIntent { intent: queued.intent.clone(), attempt: queued.attempt }
            };
            due.into_iter().zip(0..limit).map(lease).collect()
        }))
    }

    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError> {
        Ok(match self.transaction(|data| take(data, id, attempt)) {
            Some(_) => Settlement::Settled,
            None => Settlement::LeaseLost,
        })
    }

    async fn retry(
        &self,
        id: IntentId,
        attempt: u32,
        due_at: DateTime<Utc>,
    ) -> Result<Settlement, StoreError> {
        Ok(self.transaction(|data| match data.intents.get_mut(&id) {
            Some(queued) if queued.attempt == attempt => {
                queued.due_at = due_at;
                Settlement::Settled
            }
            _ => Settlement::LeaseLost,
        }))
    }

    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError> {
        Ok(self.transaction(|data| {
            let Some(Queued { intent, .. }) = take(data, id, attempt) else { return Settlement::LeaseLost };
            let (attempts, reason) = (attempt, reason.to_owned());
            data.dead_letters.insert(id, DeadLetter { intent, attempts, dead_lettered_at: at, reason });
            Settlement::Settled
        }))
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters: Vec<DeadLetter> =
            self.transaction(|data| data.dead_letters.values().cloned().collect());
        letters.sort_by_key(|letter| (letter.dead_lettered_at, letter.intent.id));
        Ok(letters.into_iter().zip(0..limit).map(|(letter, _)| letter).collect())
    }

    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError> {
        Ok(self.transaction(|data| data.dead_letters.get(&id).cloned()))
    }

    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError> {
        Ok(match self.transaction(|data| data.dead_letters.remove(&id)) {
            Some(_) => Removal::Removed,
            None => Removal::NotFound,
        })
    }

    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let is_expired = |letter: &DeadLetter| letter.dead_lettered_at < before;
        Ok(self.transaction(|data| crate::count(&crate::purge(&mut data.dead_letters, limit, is_expired))))
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        Ok(self.transaction(|data| {
            let count = |records| u64::try_from(records).unwrap_or(u64::MAX);
            OutboxStats {
                queued: count(data.intents.len()),
                oldest_created_at: data.intents.values().map(|queued| queued.intent.created_at).min(),
                dead: count(data.dead_letters.len()),
            }
        }))
    }
}
