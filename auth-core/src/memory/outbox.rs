//! The outbox in memory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{MemoryStore, at_most, count, lock};
use crate::id::IntentId;
use crate::store::{ClaimedIntent, DeadLetter, Intent, Outbox, OutboxStats, Removal, Settlement, StoreError};

/// Limits the intents in memory, to about 100 MB: without a worker their number only grows.
pub(super) const MAX_INTENTS: usize = 100_000;

/// Queued intents, the order in which they are due, and dead letters.
#[derive(Default)]
pub(super) struct Intents {
    queued: HashMap<IntentId, Queued>,
    /// Exactly one entry for each queued intent.
    due: BTreeSet<(DateTime<Utc>, IntentId)>,
    dead: HashMap<IntentId, DeadLetter>,
}

struct Queued {
    intent: Intent,
    attempt: u32,
    due_at: DateTime<Utc>,
}

impl Intents {
    /// Takes an intent out of the queue, if it is still at this attempt.
    fn take(&mut self, id: IntentId, attempt: u32) -> Option<Queued> {
        match self.queued.entry(id) {
            Entry::Occupied(entry) if entry.get().attempt == attempt => {
                let queued = entry.remove();
                self.due.remove(&(queued.due_at, id));
                Some(queued)
            }
            _ => None,
        }
    }

    fn put(&mut self, queued: Queued) {
        let id = queued.intent.id;
        self.due.insert((queued.due_at, id));
        self.queued.insert(id, queued);
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn insert_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        let mut intents = lock(&self.intents);
        if !intents.queued.contains_key(&intent.id) && !intents.dead.contains_key(&intent.id) {
            if intents.queued.len() + intents.dead.len() >= MAX_INTENTS {
                return Err(StoreError::unavailable(
                    "the outbox is full: is `Auth::run_background` running?",
                ));
            }
            intents.put(Queued { intent: intent.clone(), attempt: 0, due_at: intent.due_at() });
        }
        Ok(())
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        let mut intents = lock(&self.intents);
        let Intents { queued, due, .. } = &mut *intents;
        // Chosen before any is leased, so that a lease which is already over is not claimed twice.
        let chosen: Vec<_> =
            due.iter().take_while(|(due_at, _)| *due_at <= now).take(at_most(limit)).copied().collect();
        let mut claimed = Vec::with_capacity(chosen.len());
        for place in chosen {
            let (_, id) = place;
            if let Some(queued) = queued.get_mut(&id) {
                due.remove(&place);
                due.insert((lease_until, id));
                queued.due_at = lease_until;
                queued.attempt = queued.attempt.saturating_add(1);
                claimed.push(ClaimedIntent { intent: queued.intent.clone(), attempt: queued.attempt });
            }
        }
        Ok(claimed)
    }

    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError> {
        Ok(match lock(&self.intents).take(id, attempt) {
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
        let mut intents = lock(&self.intents);
        let Some(queued) = intents.take(id, attempt) else {
            return Ok(Settlement::LeaseLost);
        };
        intents.put(Queued { due_at, ..queued });
        Ok(Settlement::Settled)
    }

    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError> {
        let mut intents = lock(&self.intents);
        let Some(Queued { intent, attempt: attempts, .. }) = intents.take(id, attempt) else {
            return Ok(Settlement::LeaseLost);
        };
        let letter = DeadLetter { intent, attempts, dead_lettered_at: at, reason: reason.to_owned() };
        intents.dead.insert(id, letter);
        Ok(Settlement::Settled)
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let intents = lock(&self.intents);
        let mut letters: Vec<_> = intents.dead.values().collect();
        letters.sort_by_key(|letter| (letter.dead_lettered_at, letter.intent.id));
        Ok(letters.into_iter().take(at_most(limit)).cloned().collect())
    }

    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError> {
        Ok(lock(&self.intents).dead.get(&id).cloned())
    }

    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError> {
        Ok(match lock(&self.intents).dead.remove(&id) {
            Some(_) => Removal::Removed,
            None => Removal::NotFound,
        })
    }

    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let mut intents = lock(&self.intents);
        let old = intents.dead.extract_if(|_, letter| letter.dead_lettered_at < before);
        Ok(count(old.take(at_most(limit)).count()))
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        let intents = lock(&self.intents);
        Ok(OutboxStats {
            queued: count(intents.queued.len()),
            oldest_created_at: intents.queued.values().map(|queued| queued.intent.created_at).min(),
            dead: count(intents.dead.len()),
        })
    }
}
