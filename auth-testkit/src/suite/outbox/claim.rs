//! Cases of claiming intents.

use std::collections::HashMap;
use std::sync::Arc;

use auth_core::IntentId;
use auth_core::store::{Intent, MailRequest, Outbox, Settlement};
use chrono::{DateTime, Utc};

use super::{claimed, nothing_is_due, queued, turn};
use crate::suite::check::{Outcome, ensure, ensure_eq};
use crate::suite::fresh::{self, TICK, long_ago};
use crate::suite::race::{RACERS, race};

pub(super) async fn an_intent_is_due_from_its_creation(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 10).await?;
    nothing_is_due(&*store, long_ago(10) - TICK, "an intent before its time").await?;
    claimed(&*store, &intent, 1, long_ago(10), long_ago(60)).await?;
    Ok(())
}

pub(super) async fn an_urgent_intent_is_claimed_before_older_ones(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let older = queued(&*store, 0).await?;
    let urgent = Intent { mail: MailRequest::PasswordReset, ..fresh::intent(long_ago(30))? };
    ensure!(urgent.due_at() < older.due_at(), "a reset link has no head start");
    store.insert_intent(&urgent).await?;
    let mut found = Vec::new();
    for _ in 0..2 {
        let claimed = store.claim(long_ago(30), long_ago(90), 1).await?;
        found.extend(claimed.iter().map(|claimed| claimed.intent.id));
    }
    ensure_eq!(found, [urgent.id, older.id], "the order of `claim`: `insert_intent` writes `Intent::due_at`");
    Ok(())
}

pub(super) async fn a_claim_gives_the_longest_due_up_to_its_limit(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let mut by_due_time: Vec<(i64, IntentId)> = Vec::new();
    for seconds in [30, 10, 50, 20, 40] {
        by_due_time.push((seconds, queued(&*store, seconds).await?.id));
    }
    // What is due is not what was promised first: the oldest is put off to the second place but last.
    by_due_time.sort_unstable();
    let oldest = store.claim(long_ago(10), long_ago(11), 1).await?;
    for claimed in &oldest {
        let settled = store.retry(claimed.intent.id, claimed.attempt, long_ago(45)).await?;
        ensure_eq!(settled, Settlement::Settled, "`retry` of the oldest");
        by_due_time.iter_mut().filter(|(_, id)| *id == claimed.intent.id).for_each(|place| place.0 = 45);
    }
    by_due_time.sort_unstable();
    let mut found: Vec<IntentId> = Vec::new();
    for expected in [2, 2, 1, 0] {
        let claimed = store.claim(long_ago(50), long_ago(90), 2).await?;
        ensure_eq!(claimed.len(), expected, "how many of five `claim` returned, two at a time");
        found.extend(claimed.iter().map(|claimed| claimed.intent.id));
    }
    let expected: Vec<IntentId> = by_due_time.into_iter().map(|(_, id)| id).collect();
    ensure_eq!(found, expected, "the order of `claim`, the longest due first");
    Ok(())
}

pub(super) async fn a_leased_intent_is_claimed_again_when_the_lease_ends(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 0).await?;
    for attempt in 1..=4 {
        let (now, lease_until) = (long_ago(i64::from(attempt) * 60), long_ago(i64::from(attempt) * 60 + 60));
        claimed(&*store, &intent, attempt, now, lease_until).await?;
        for during in [now, lease_until - TICK] {
            nothing_is_due(&*store, during, "an intent that another worker has leased").await?;
        }
    }
    Ok(())
}

/// How many intents the racers share.
const INTENTS: usize = 100;

pub(super) async fn racing_claims_hand_out_each_attempt_once(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    for _ in 0..INTENTS {
        queued(&*store, 0).await?;
    }
    // The second round starts when the leases of the first end.
    for (attempt, now) in [(1, long_ago(60)), (2, long_ago(120))] {
        let lease_until = now + (long_ago(60) - long_ago(0));
        let handed_out = race((0..RACERS).map(|_| {
            let store = Arc::clone(&store);
            async move { claim_all(&*store, now, lease_until).await }
        }))
        .await?;
        let mut handed_out: Vec<_> = handed_out.into_iter().flatten().collect();
        // A racer may have found the last ones locked by another that then got others.
        handed_out.extend(claim_all(&*store, now, lease_until).await?);
        let mut times: HashMap<(IntentId, u32), usize> = HashMap::new();
        for claim in &handed_out {
            *times.entry(*claim).or_default() += 1;
        }
        let doubled = times.values().filter(|times| **times > 1).count();
        ensure!(doubled == 0, "`claim` returned {doubled} attempts to more than one worker");
        let other = times.keys().filter(|(_, handed)| *handed != attempt).count();
        ensure!(other == 0, "`claim` returned {other} attempts that are not {attempt}: a lease did not hold");
        ensure_eq!(times.len(), INTENTS, "how many intents `claim` returned");
    }
    Ok(())
}

/// Claims three at a time until nothing is due.
async fn claim_all(
    store: &dyn Outbox,
    now: DateTime<Utc>,
    lease_until: DateTime<Utc>,
) -> Result<Vec<(IntentId, u32)>, auth_core::store::StoreError> {
    let mut all = Vec::new();
    // More rounds than one worker needs for everything; a store without leases would never end.
    for _ in 0..INTENTS {
        let claimed = store.claim(now, lease_until, 3).await?;
        if claimed.is_empty() {
            break;
        }
        all.extend(claimed.iter().map(|claimed| (claimed.intent.id, claimed.attempt)));
    }
    Ok(all)
}
