//! The outbox: mail intents until they are settled.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::StoreError;
use crate::id::IntentId;
use crate::mail::intent::Intent;

/// An intent that this caller has leased.
#[derive(Debug, Clone)]
pub struct ClaimedIntent {
    /// The intent.
    pub intent: Intent,
    /// Counts claims from 1. It is also the guard of the lease: a later claim has a higher number, and
    /// the settlement of an older claim is then refused.
    pub attempt: u32,
}

/// An intent that was not sent and is not retried.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The intent.
    pub intent: Intent,
    /// The number of claims.
    pub attempts: u32,
    /// When it became a dead letter.
    pub dead_lettered_at: DateTime<Utc>,
    /// The reason, for the operator.
    pub reason: String,
}

/// The counts of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxStats {
    /// Intents that are not settled, leased ones included.
    pub queued: u64,
    /// When the oldest of them was enqueued.
    pub oldest_created_at: Option<DateTime<Utc>>,
    /// The number of dead letters.
    pub dead: u64,
}

/// The outcome of settling a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost settlement changed nothing"]
pub enum Settlement {
    /// It was written.
    Settled,
    /// Another worker has claimed the intent since, or it is gone.
    LeaseLost,
}

/// The outcome of removing a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a missing dead letter means that nothing was removed"]
pub enum Removal {
    /// It was removed.
    Removed,
    /// There is no such dead letter.
    NotFound,
}

/// Stores mail intents until they are settled. See [Writing a store](crate::store#writing-a-store).
#[async_trait]
pub trait Outbox: Debug + Send + Sync {
    /// Writes a new intent, due at its [`due_at`](Intent::due_at).
    ///
    /// # Atomicity
    ///
    /// One insert. Once it returned, a crash does not lose the intent. A second insert of the same
    /// id changes nothing and succeeds while the first is still stored.
    async fn insert_intent(&self, intent: &Intent) -> Result<(), StoreError>;

    /// Leases at most `limit` intents that are due at `now`, the longest due first.
    ///
    /// # Atomicity
    ///
    /// Each intent by one write, guarded by its attempt count and due time: it becomes due again at
    /// `lease_until` and its attempt count grows by one. Two concurrent callers never get the same
    /// attempt of the same intent.
    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError>;

    /// Removes an intent whose mail was sent, or that needs no mail.
    ///
    /// # Atomicity
    ///
    /// One delete, guarded by id and `attempt`; dead letters are not touched.
    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError>;

    /// Makes a claimed intent due again at `due_at`.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by id and `attempt`; dead letters are not touched.
    async fn retry(
        &self,
        id: IntentId,
        attempt: u32,
        due_at: DateTime<Utc>,
    ) -> Result<Settlement, StoreError>;

    /// Turns a claimed intent into a dead letter: never due again, visible until removed.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by id and `attempt`; dead letters are not touched.
    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError>;

    /// Reads at most `limit` dead letters, the oldest `dead_lettered_at` first.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write of any process that was acknowledged before it began.
    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError>;

    /// Reads one dead letter.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write of any process that was acknowledged before it began.
    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError>;

    /// Removes one dead letter.
    ///
    /// # Atomicity
    ///
    /// One delete, guarded by being dead: an intent that is still queued stays.
    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError>;

    /// Deletes at most `limit` dead letters from before `before` and returns their number.
    ///
    /// # Atomicity
    ///
    /// Each dead letter by one guarded delete: an intent that is still queued stays.
    /// Fewer than `limit` means that none is left, even while others purge: clean-up stops then.
    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;

    /// Counts the queued intents and the dead letters.
    ///
    /// # Atomicity
    ///
    /// None is required: the counts may be of slightly different moments.
    async fn stats(&self) -> Result<OutboxStats, StoreError>;
}
