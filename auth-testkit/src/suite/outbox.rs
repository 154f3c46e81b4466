//! The cases of [`auth_core::store::Outbox`].

mod claim;
mod dead;
mod handles;
mod queue;
mod settle;

use auth_core::store::{ClaimedIntent, Intent, Outbox, Settlement};
use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, MutexGuard};

use super::check::{Broken, Context as _, Outcome, ensure, ensure_eq};
use super::fresh::{self, long_ago, long_ago_is_over};
use super::row::same;

/// Lists the cases; all else is made from this list.
#[doc(hidden)]
#[macro_export]
macro_rules! __outbox_cases {
    ([$($then:tt)*] $($arguments:tt)*) => { $($then)*! { $($arguments)*;
        /// Every kind of mail request reads back as it was written.
        queue::every_mail_request_reads_back_as_written,
        /// An intent that this version cannot read is claimed like any other.
        queue::an_unreadable_intent_is_claimed_like_any_other,
        /// A payload of 4 KiB reads back as it was written, queued and dead.
        queue::a_payload_of_4_kib_reads_back_as_written,
        /// A second insert of an id changes nothing and succeeds, be the intent queued, leased or dead.
        queue::a_second_insert_changes_nothing,
        /// Concurrent inserts of one intent queue it once.
        queue::racing_inserts_queue_an_intent_once,
        /// The counts of queued and dead intents follow what happens to them.
        queue::the_stats_count_what_is_there,
        /// An intent is due from the instant of its creation, and not before.
        claim::an_intent_is_due_from_its_creation,
        /// An urgent intent is claimed before others, by the time from which it says that it is due.
        claim::an_urgent_intent_is_claimed_before_older_ones,
        /// A claim gives the longest due first, and no more than asked for.
        claim::a_claim_gives_the_longest_due_up_to_its_limit,
        /// A leased intent is not claimed until its lease ends, and then at the next attempt.
        claim::a_leased_intent_is_claimed_again_when_the_lease_ends,
        /// Concurrent claims hand out every attempt of every intent exactly once.
        claim::racing_claims_hand_out_each_attempt_once,
        /// A completed intent is gone.
        settle::a_completed_intent_is_gone,
        /// A retried intent is due from the time it was given, at the next attempt.
        settle::a_retried_intent_is_due_again_when_it_says,
        /// Once another worker has the intent, no settlement of an older attempt counts.
        settle::a_stale_attempt_settles_nothing,
        /// An attempt can be settled after its lease ended, until another worker claims the intent.
        settle::an_ended_lease_can_be_settled_until_the_next_claim,
        /// A settled, dead or unknown intent cannot be settled.
        settle::nothing_is_settled_twice,
        /// Of concurrent settlements of one attempt exactly one counts.
        settle::racing_settlements_have_one_winner,
        /// A completion that races the next claim either counts and ends the intent, or is lost.
        settle::a_completion_that_races_a_claim_is_either_or,
        /// An intent that was moved there is a dead letter with its reason, and is never claimed.
        dead::an_intent_moved_there_is_a_dead_letter,
        /// A move to the dead letters whose caller goes away leaves the mail queued or dead.
        dead::a_dropped_move_to_dead_letters_loses_no_mail,
        /// Dead letters come in the order in which they were moved there, up to the limit.
        dead::dead_letters_come_oldest_first_up_to_the_limit,
        /// A dead letter is removed once, and a queued intent is not removed as one.
        dead::removing_a_dead_letter_spares_what_is_queued,
        /// Of concurrent removals exactly one removes.
        dead::racing_removals_have_one_winner,
        /// Purging deletes dead letters that were moved there strictly before the time, and nothing that is queued.
        dead::purging_takes_dead_letters_of_strictly_before,
        /// Purging dead letters stops at its limit and says how many it took.
        dead::purging_dead_letters_stops_at_its_limit,
        /// Concurrent purges take every dead letter: one that takes fewer than its limit left none.
        dead::racing_purges_of_dead_letters_leave_none,
        /// Each write by one handle is seen by the next call of another.
        handles::the_outbox_writes_of_one_handle_are_seen_by_another,
    } };
}

__outbox_cases! { [super::define_cases] dyn Outbox }

/// Makes a test of every case of [`Outbox`](auth_core::store::Outbox).
///
/// The expression is evaluated for each test, on the runtime of that test. It gives a future of two handles
/// to the same data, `[Arc<S>; 2]`, as two processes of a service have: each with its own connections. A
/// store that one process has open at a time gives the same `Arc` twice. All tests may use one database.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use auth_core::MemoryStore;
///
/// async fn handles() -> [Arc<MemoryStore>; 2] {
///     let store = MemoryStore::new();
///     [Arc::new(store.clone()), Arc::new(store)]
/// }
///
/// auth_testkit::outbox_tests!(handles());
/// ```
#[macro_export]
macro_rules! outbox_tests {
    ($handles:expr) => {
        $crate::__outbox_cases! { [$crate::__case_tests] Outbox, outbox, $handles }
    };
}

/// A claim reaches every intent of the database, so these cases take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// Waits for the turn and clears away what an interrupted run left behind.
async fn turn(store: &dyn Outbox) -> Outcome<MutexGuard<'static, ()>> {
    let turn = TURN.lock().await;
    let over = long_ago_is_over();
    for _ in 0..10_000 {
        let left = store.claim(over, over, 1_000).await?;
        for claimed in &left {
            let _settled = store.complete(claimed.intent.id, claimed.attempt).await?;
        }
        if left.is_empty() && store.purge_dead_letters(over, 1_000).await? == 0 {
            return Ok(turn);
        }
    }
    ensure!(false, "`claim`, `complete` and `purge_dead_letters` never empty the outbox");
    Ok(turn)
}

/// Writes a new intent of 1995, due at that second.
async fn queued(store: &dyn Outbox, seconds: i64) -> Outcome<Intent> {
    let intent = fresh::intent(long_ago(seconds))?;
    store.insert_intent(&intent).await?;
    Ok(intent)
}

/// Claims the only intent that is due.
async fn claimed(
    store: &dyn Outbox,
    expected: &Intent,
    attempt: u32,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Outcome<ClaimedIntent> {
    let mut claimed = store.claim(now, lease_until, 100).await?;
    ensure_eq!(claimed.len(), 1, "how many `claim` returned, one being due");
    let claimed = claimed.pop().ok_or_else(|| Broken("`claim` returned nothing".to_owned()))?;
    same(&claimed.intent, expected).context("`claim`")?;
    ensure_eq!(claimed.attempt, attempt, "the attempt that `claim` returned");
    Ok(claimed)
}

async fn nothing_is_due(store: &dyn Outbox, now: DateTime<Utc>, why: &str) -> Outcome {
    let claimed = store.claim(now, long_ago_is_over(), 100).await?;
    ensure!(claimed.is_empty(), "`claim` returned {}: {why}", claimed.len());
    Ok(())
}

/// Writes an intent, claims it and gives it up at this second.
async fn dead_lettered(store: &dyn Outbox, seconds: i64, reason: &str) -> Outcome<Intent> {
    let intent = queued(store, 0).await?;
    let lease = claimed(store, &intent, 1, long_ago(0), long_ago(60)).await?;
    let settled = store.move_to_dead_letters(intent.id, lease.attempt, long_ago(seconds), reason).await?;
    ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of a claimed intent");
    Ok(intent)
}
