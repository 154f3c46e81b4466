use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use auth_core::store::{
    ClaimedIntent, DeadLetter, Intent, MailRequest, Outbox, OutboxStats, Removal, Settlement, StoreError,
};
use auth_core::{IntentId, MemoryStore, Registration};
use chrono::{DateTime, TimeDelta, Utc};

use self::OutboxDefect as D;
use crate::{cut, defects, delay, lock, skip_the_busy, whole_seconds};

defects! {
    /// A defect of an outbox.
    OutboxDefect {
        /// Times are kept in whole seconds.
        WholeSeconds => [every_mail_request_reads_back_as_written, an_intent_moved_there_is_a_dead_letter],
        /// A registration loses its name.
        PromisesAreCut => [every_mail_request_reads_back_as_written],
        /// An intent that cannot be read fails every claim it is part of.
        UnreadableFailsTheClaim => [an_unreadable_intent_is_claimed_like_any_other],
        /// Inserting an id again replaces what is there and makes it due.
        InsertReplaces => [a_second_insert_changes_nothing],
        /// Whether an id is new is read before the intent is written.
        InsertReadsThenWrites => [racing_inserts_queue_an_intent_once],
        /// The counts leave leased intents out.
        StatsForgetTheLeased => [the_stats_count_what_is_there],
        /// A claim takes what is due a moment later.
        DueTooEarly => [
            an_intent_is_due_from_its_creation,
            a_leased_intent_is_claimed_again_when_the_lease_ends,
            a_retried_intent_is_due_again_when_it_says,
        ],
        /// An urgent intent is due at its creation, like all others.
        NothingIsUrgent => [an_urgent_intent_is_claimed_before_older_ones],
        /// A claim gives what became due last.
        ShortestDueFirst => [a_claim_gives_the_longest_due_up_to_its_limit],
        /// A claim does not look at its limit.
        ClaimIgnoresTheLimit => [a_claim_gives_the_longest_due_up_to_its_limit],
        /// A claim leases nothing.
        ClaimWithoutLease => [
            a_leased_intent_is_claimed_again_when_the_lease_ends,
            racing_claims_hand_out_each_attempt_once,
        ],
        /// A claim reads what is due before it leases it.
        ClaimReadsThenWrites => [racing_claims_hand_out_each_attempt_once],
        /// A completed intent stays.
        CompleteKeepsTheIntent => [a_completed_intent_is_gone],
        /// Retrying makes the intent due at once.
        RetryIsImmediate => [a_retried_intent_is_due_again_when_it_says],
        /// Settling does not look at the attempt.
        SettleIgnoresTheAttempt => [
            a_stale_attempt_settles_nothing, a_completion_that_races_a_claim_is_either_or,
        ],
        /// Settling refuses when the lease is over by the clock.
        SettleNeedsALiveLease => [an_ended_lease_can_be_settled_until_the_next_claim],
        /// Settling what is not there succeeds.
        SettleAlwaysSucceeds => [nothing_is_settled_twice, racing_settlements_have_one_winner],
        /// Settling reads its guard before it writes.
        SettleReadsThenWrites => [racing_settlements_have_one_winner],
        /// A dead letter loses its reason.
        BuryForgetsTheReason => [an_intent_moved_there_is_a_dead_letter],
        /// Dead letters are listed newest first.
        NewestBurialFirst => [dead_letters_come_oldest_first_up_to_the_limit],
        /// Removing a dead letter does not look at whether it is dead.
        RemoveTakesWhatIsQueued => [removing_a_dead_letter_spares_what_is_queued],
        /// Removing reads whether there is a dead letter before it deletes.
        RemoveReadsThenDeletes => [racing_removals_have_one_winner],
        /// A purge takes dead letters of exactly the given time.
        PurgeTakesTheBoundary => [purging_takes_dead_letters_of_strictly_before],
        /// A purge does not look at its limit.
        PurgeIgnoresTheLimit => [purging_dead_letters_stops_at_its_limit],
        /// A purge takes half of what it may, though more is left.
        PurgeTakesHalf => [racing_purges_of_dead_letters_leave_none],
        /// Payloads of more than 800 bytes are refused.
        PayloadsAreShort => [a_payload_of_4_kib_reads_back_as_written],
        /// Reasons are kept in 255 characters.
        ReasonsAreCut => [an_intent_moved_there_is_a_dead_letter],
        /// An intent leaves the queue by one write, and becomes a dead letter by another.
        MoveInTwoSteps => [a_dropped_move_to_dead_letters_loses_no_mail],
        /// A purge finds nothing while another is at work.
        PurgeSkipsTheBusy => [racing_purges_of_dead_letters_leave_none],
        /// A handle remembers what it read, whatever another writes.
        RemembersReads => [the_outbox_writes_of_one_handle_are_seen_by_another],
    }
}

/// More attempts than any case of the suite makes.
const ATTEMPTS: u32 = 8;

/// An [`Outbox`] with one defect.
#[derive(Debug)]
pub(crate) struct BrokenOutbox {
    defect: OutboxDefect,
    inner: MemoryStore,
    known: Mutex<HashSet<IntentId>>,
    /// Urgent intents, each of which was queued as one that is not.
    urgent: Mutex<HashMap<IntentId, Intent>>,
    /// Intents that were queued twice.
    doubled: Mutex<HashSet<IntentId>>,
    /// Claims that other workers can still read as due.
    readable: Mutex<Vec<ClaimedIntent>>,
    /// The attempt and the end of each lease, and the latest time that a claim named.
    leases: Mutex<HashMap<IntentId, (u32, DateTime<Utc>)>>,
    latest: Mutex<DateTime<Utc>>,
    /// Intents that left the queue and are no dead letters yet.
    moving: Mutex<HashSet<IntentId>>,
    purging: AtomicBool,
}

impl BrokenOutbox {
    /// An empty outbox with this defect.
    pub(crate) fn new(defect: OutboxDefect) -> Self {
        Self {
            defect,
            inner: MemoryStore::new(),
            known: Mutex::default(),
            urgent: Mutex::default(),
            doubled: Mutex::default(),
            readable: Mutex::default(),
            leases: Mutex::default(),
            latest: Mutex::default(),
            moving: Mutex::default(),
            purging: AtomicBool::new(false),
        }
    }

    fn is(&self, defect: OutboxDefect) -> bool {
        self.defect == defect
    }

    fn passing(&self) -> &dyn Outbox {
        &self.inner
    }

    /// Removes an intent whatever its attempt is.
    async fn forget(&self, id: IntentId) -> Result<(), StoreError> {
        for attempt in 0..ATTEMPTS {
            let _settled = self.passing().complete(id, attempt).await?;
        }
        let _removed = self.passing().remove_dead_letter(id).await?;
        Ok(())
    }

    fn read(&self, mut intent: Intent) -> Intent {
        if let Some(urgent) = lock(&self.urgent).get(&intent.id) {
            intent = urgent.clone();
        }
        if self.is(D::WholeSeconds) {
            intent.created_at = whole_seconds(intent.created_at);
        }
        if let (true, MailRequest::Registration { registration, .. }) =
            (self.is(D::PromisesAreCut), &mut intent.mail)
        {
            *registration = Registration { name: None, ..registration.clone() };
        }
        intent
    }

    fn read_letter(&self, letter: DeadLetter) -> DeadLetter {
        let intent = self.read(letter.intent);
        let dead_lettered_at = letter.dead_lettered_at;
        DeadLetter {
            dead_lettered_at: if self.is(D::WholeSeconds) {
                whole_seconds(dead_lettered_at)
            } else {
                dead_lettered_at
            },
            intent,
            ..letter
        }
    }

    /// The attempt that a settlement is guarded by.
    fn guard(&self, id: IntentId, attempt: u32) -> u32 {
        let lease = lock(&self.leases).get(&id).copied();
        match (self.defect, lease) {
            (D::SettleIgnoresTheAttempt, Some((current, _))) => current,
            // No intent ever has this attempt.
            (D::SettleNeedsALiveLease, Some((_, until))) if *lock(&self.latest) >= until => u32::MAX,
            _ => attempt,
        }
    }

    /// Whether the lease reads as held, before anything is written.
    async fn reads_as_held(&self, id: IntentId, attempt: u32) -> bool {
        if !self.is(D::SettleReadsThenWrites) {
            return false;
        }
        let held = lock(&self.leases).get(&id).is_some_and(|(current, _)| *current == attempt);
        delay().await;
        lock(&self.leases).remove(&id);
        held
    }

    fn settled(&self, outcome: Settlement, read_as_held: bool) -> Settlement {
        if read_as_held || self.is(D::SettleAlwaysSucceeds) { Settlement::Settled } else { outcome }
    }
}

#[async_trait]
impl Outbox for BrokenOutbox {
    async fn insert_intent(&self, intent: &Intent) -> Result<(), StoreError> {
        if self.is(D::PayloadsAreShort) && intent.payload().len() > 800 {
            return Err(StoreError::corrupt("the payload is too long"));
        }
        let known = lock(&self.known).contains(&intent.id);
        match self.defect {
            D::InsertReplaces => self.forget(intent.id).await?,
            D::InsertReadsThenWrites => delay().await,
            _ => {}
        }
        if !lock(&self.known).insert(intent.id) && !known {
            lock(&self.doubled).insert(intent.id);
        }
        if self.is(D::NothingIsUrgent) && intent.due_at() < intent.created_at {
            lock(&self.urgent).insert(intent.id, intent.clone());
            let late = Intent { mail: MailRequest::Verification, ..intent.clone() };
            return self.passing().insert_intent(&late).await;
        }
        self.passing().insert_intent(intent).await
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        {
            let mut latest = lock(&self.latest);
            *latest = now.max(*latest);
        }
        let limit = if self.is(D::ClaimIgnoresTheLimit) { u32::MAX } else { limit };
        let lease_until = if self.is(D::ClaimWithoutLease) { now } else { lease_until };
        let now = if self.is(D::DueTooEarly) { now + TimeDelta::microseconds(1) } else { now };
        if self.is(D::ClaimReadsThenWrites) {
            let readable = lock(&self.readable).clone();
            if !readable.is_empty() {
                return Ok(readable);
            }
        }
        let mut claimed = self.passing().claim(now, lease_until, limit).await?;
        if self.is(D::ClaimReadsThenWrites) {
            lock(&self.readable).clone_from(&claimed);
            delay().await;
            lock(&self.readable).clear();
        }
        if self.is(D::ShortestDueFirst) {
            claimed.reverse();
        }
        let unreadable = |claim: &ClaimedIntent| matches!(claim.intent.mail, MailRequest::Unreadable { .. });
        if self.is(D::UnreadableFailsTheClaim) && claimed.iter().any(unreadable) {
            return Err(StoreError::corrupt("an intent cannot be read"));
        }
        for claim in &claimed {
            lock(&self.leases).insert(claim.intent.id, (claim.attempt, lease_until));
        }
        if self.is(D::InsertReadsThenWrites) {
            let copies: Vec<_> = claimed
                .iter()
                .filter(|claim| lock(&self.doubled).remove(&claim.intent.id))
                .cloned()
                .collect();
            claimed.extend(copies);
        }
        let read = |claim: ClaimedIntent| ClaimedIntent { intent: self.read(claim.intent), ..claim };
        Ok(claimed.into_iter().map(read).collect())
    }

    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError> {
        if self.is(D::CompleteKeepsTheIntent) {
            return self.passing().retry(id, attempt, DateTime::UNIX_EPOCH).await;
        }
        let held = self.reads_as_held(id, attempt).await;
        Ok(self.settled(self.passing().complete(id, self.guard(id, attempt)).await?, held))
    }

    async fn retry(
        &self,
        id: IntentId,
        attempt: u32,
        due_at: DateTime<Utc>,
    ) -> Result<Settlement, StoreError> {
        let held = self.reads_as_held(id, attempt).await;
        let due_at = if self.is(D::RetryIsImmediate) { DateTime::UNIX_EPOCH } else { due_at };
        Ok(self.settled(self.passing().retry(id, self.guard(id, attempt), due_at).await?, held))
    }

    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError> {
        let held = self.reads_as_held(id, attempt).await;
        if self.is(D::MoveInTwoSteps) {
            if !lock(&self.moving).insert(id) {
                return Ok(Settlement::LeaseLost);
            }
            delay().await;
            let outcome = self.passing().move_to_dead_letters(id, attempt, at, reason).await;
            lock(&self.moving).remove(&id);
            return outcome;
        }
        let short = cut(reason, 255);
        let reason = match self.defect {
            D::BuryForgetsTheReason => "",
            D::ReasonsAreCut => &short,
            _ => reason,
        };
        Ok(self.settled(
            self.passing().move_to_dead_letters(id, self.guard(id, attempt), at, reason).await?,
            held,
        ))
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        let mut letters = self.passing().dead_letters(limit).await?;
        if self.is(D::NewestBurialFirst) {
            letters.reverse();
        }
        Ok(letters.into_iter().map(|letter| self.read_letter(letter)).collect())
    }

    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError> {
        Ok(self.passing().find_dead_letter(id).await?.map(|letter| self.read_letter(letter)))
    }

    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError> {
        match self.defect {
            D::RemoveTakesWhatIsQueued => {
                let known = lock(&self.known).remove(&id);
                self.forget(id).await?;
                Ok(if known { Removal::Removed } else { Removal::NotFound })
            }
            D::RemoveReadsThenDeletes => {
                let found = self.passing().find_dead_letter(id).await?.is_some();
                delay().await;
                let outcome = self.passing().remove_dead_letter(id).await?;
                Ok(if found { Removal::Removed } else { outcome })
            }
            _ => self.passing().remove_dead_letter(id).await,
        }
    }

    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let boundary = i64::from(self.is(D::PurgeTakesTheBoundary));
        let limit = match self.defect {
            D::PurgeIgnoresTheLimit => u32::MAX,
            D::PurgeTakesHalf => limit / 2,
            _ => limit,
        };
        let purge = self.passing().purge_dead_letters(before + TimeDelta::microseconds(boundary), limit);
        if self.is(D::PurgeSkipsTheBusy) {
            return skip_the_busy(&self.purging, purge).await;
        }
        purge.await
    }

    async fn stats(&self) -> Result<OutboxStats, StoreError> {
        let stats = self.passing().stats().await?;
        if !self.is(D::StatsForgetTheLeased) {
            return Ok(stats);
        }
        let leased = u64::try_from(lock(&self.leases).len()).unwrap_or(0);
        Ok(OutboxStats { queued: stats.queued.saturating_sub(leased), ..stats })
    }
}
