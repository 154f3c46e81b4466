//! Cases of settling intents.

use std::sync::Arc;

use auth_core::IntentId;
use auth_core::store::{Outbox, Settlement};

use super::{claimed, nothing_is_due, queued, turn};
use crate::suite::check::{Outcome, ensure, ensure_eq, only};
use crate::suite::fresh::{self, TICK, long_ago};
use crate::suite::race::{RACERS, ROUNDS, duel, race};

pub(super) async fn a_completed_intent_is_gone(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 0).await?;
    claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
    let other = queued(&*store, 1).await?;
    ensure_eq!(store.complete(intent.id, 1).await?, Settlement::Settled, "`complete` of a claimed intent");
    claimed(&*store, &other, 1, long_ago(100), long_ago(160)).await?;
    ensure!(
        store.find_dead_letter(intent.id).await?.is_none(),
        "`find_dead_letter` finds a completed intent"
    );
    Ok(())
}

pub(super) async fn a_retried_intent_is_due_again_when_it_says(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 0).await?;
    claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
    // Before the lease would have ended, and after it.
    for (attempt, due_at) in [(1, long_ago(30)), (2, long_ago(500))] {
        ensure_eq!(
            store.retry(intent.id, attempt, due_at).await?,
            Settlement::Settled,
            "`retry` of a claimed intent"
        );
        nothing_is_due(&*store, due_at - TICK, "an intent before it was to be retried").await?;
        claimed(&*store, &intent, attempt + 1, due_at, due_at + (long_ago(60) - long_ago(0))).await?;
    }
    Ok(())
}

/// Settles in each of the three ways, all of which must be lost.
async fn all_are_lost(store: &dyn Outbox, id: IntentId, attempt: u32, what: &str) -> Outcome {
    let outcomes = [
        ("complete", store.complete(id, attempt).await?),
        ("retry", store.retry(id, attempt, long_ago(0)).await?),
        ("move_to_dead_letters", store.move_to_dead_letters(id, attempt, long_ago(0), "not this one").await?),
    ];
    for (method, outcome) in outcomes {
        ensure_eq!(outcome, Settlement::LeaseLost, "`{method}` of {what}");
    }
    Ok(())
}

pub(super) async fn a_stale_attempt_settles_nothing(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 0).await?;
    claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
    claimed(&*store, &intent, 2, long_ago(60), long_ago(120)).await?;
    all_are_lost(&*store, intent.id, 1, "an attempt that another worker took over").await?;
    all_are_lost(&*store, intent.id, 3, "an attempt that nobody has").await?;
    // The worker that has it was not disturbed.
    nothing_is_due(&*store, long_ago(120) - TICK, "a settlement of another attempt ended a lease").await?;
    ensure!(
        store.find_dead_letter(intent.id).await?.is_none(),
        "`find_dead_letter` finds an intent after a stale `move_to_dead_letters`"
    );
    ensure_eq!(store.complete(intent.id, 2).await?, Settlement::Settled, "`complete` of the current attempt");
    Ok(())
}

pub(super) async fn an_ended_lease_can_be_settled_until_the_next_claim(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 0).await?;
    claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
    // Others work on at a later time; this one is not due to them because of the limit.
    let sooner = queued(&*store, -10).await?;
    let others = store.claim(long_ago(100), long_ago(200), 1).await?;
    ensure_eq!(
        others.first().map(|other| other.intent.id),
        Some(sooner.id),
        "what `claim` returned, the longest due"
    );
    ensure_eq!(
        store.complete(intent.id, 1).await?,
        Settlement::Settled,
        "`complete` after the lease ended, without another claim"
    );
    Ok(())
}

pub(super) async fn nothing_is_settled_twice(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let completed = queued(&*store, 0).await?;
    claimed(&*store, &completed, 1, long_ago(0), long_ago(60)).await?;
    ensure_eq!(store.complete(completed.id, 1).await?, Settlement::Settled, "`complete` of a claimed intent");
    all_are_lost(&*store, completed.id, 1, "a completed intent").await?;

    let dead_lettered = queued(&*store, 0).await?;
    claimed(&*store, &dead_lettered, 1, long_ago(0), long_ago(60)).await?;
    let settled = store.move_to_dead_letters(dead_lettered.id, 1, long_ago(10), "no such mailbox").await?;
    ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of a claimed intent");
    all_are_lost(&*store, dead_lettered.id, 1, "a dead letter").await?;
    let letter = store.find_dead_letter(dead_lettered.id).await?;
    let reason = letter.map(|letter| (letter.reason, letter.dead_lettered_at));
    ensure_eq!(
        reason,
        Some(("no such mailbox".to_owned(), long_ago(10))),
        "the reason and the time that `find_dead_letter` returned"
    );

    all_are_lost(&*store, fresh::intent_id(), 1, "an unknown intent").await?;
    nothing_is_due(&*store, long_ago(100), "an intent that is settled").await
}

pub(super) async fn racing_settlements_have_one_winner(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 0).await?;
    claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
    // Not `retry`: it leaves the attempt as it is, so both it and what follows may count.
    let outcomes = race((0..RACERS).map(|number| {
        let (store, id) = (Arc::clone(&store), intent.id);
        async move {
            if number % 2 == 0 {
                store.complete(id, 1).await
            } else {
                store.move_to_dead_letters(id, 1, long_ago(10), "no such mailbox").await
            }
        }
    }))
    .await?;
    let winner = only(
        &outcomes,
        &Settlement::Settled,
        "`complete` and `move_to_dead_letters`, guarded by the attempt",
    )?;
    let dead = store.find_dead_letter(intent.id).await?.is_some();
    ensure_eq!(dead, winner % 2 == 1, "whether `find_dead_letter` finds the intent, as the winner wrote");
    nothing_is_due(&*store, long_ago(100), "an intent that is settled").await
}

pub(super) async fn a_completion_that_races_a_claim_is_either_or(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    for round in 0..ROUNDS {
        let intent = queued(&*store, 0).await?;
        claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
        let (completing, claiming, id) = (Arc::clone(&store), Arc::clone(&store), intent.id);
        let (settled, next) = duel(round, async move { completing.complete(id, 1).await }, async move {
            claiming.claim(long_ago(60), long_ago(120), 10).await
        })
        .await?;
        let attempts: Vec<u32> = next.iter().map(|claimed| claimed.attempt).collect();
        if settled == Settlement::Settled {
            // The claim may have come a moment earlier and lost its record to the completion, but
            // then it must not have handed it out.
            ensure!(
                attempts.is_empty(),
                "`complete` settled an intent, and `claim` returned it as attempts {attempts:?}"
            );
            nothing_is_due(&*store, long_ago(200), "an intent that was completed").await?;
        } else {
            ensure_eq!(attempts, vec![2], "the attempt that `claim` returned, while `complete` was stale");
            ensure_eq!(store.complete(id, 2).await?, Settlement::Settled, "`complete` of the next attempt");
        }
    }
    Ok(())
}
