//! Cases of dead letters.

use std::sync::Arc;

use auth_core::IntentId;
use auth_core::store::{ClaimedIntent, DeadLetter, Intent, Outbox, Removal, Settlement};
use chrono::TimeDelta;

use super::{claimed, dead_lettered, nothing_is_due, queued, turn};
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq, only};
use crate::suite::fresh::{self, MAX_REASON_CHARS, TICK, long_ago, long_ago_is_over};
use crate::suite::race::{MANY, POLLS, RACERS, drop_after, purge_together, race, write_together};
use crate::suite::row::{same, same_found};

pub(super) async fn an_intent_moved_there_is_a_dead_letter(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let start = "550 5.1.1 „no such mailbox“ 📪\n";
    let reason = format!("{start}{}", "𝔘".repeat(MAX_REASON_CHARS - start.chars().count()));
    let intent = queued(&*store, 0).await?;
    claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
    claimed(&*store, &intent, 2, long_ago(60), long_ago(120)).await?;
    ensure!(store.find_dead_letter(intent.id).await?.is_none(), "`find_dead_letter` finds a leased intent");
    let dead_lettered_at = long_ago(70) + TICK;
    let settled = store.move_to_dead_letters(intent.id, 2, dead_lettered_at, &reason).await?;
    ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of a claimed intent");
    let expected = DeadLetter { intent, attempts: 2, dead_lettered_at, reason };
    let found = store.find_dead_letter(expected.intent.id).await?;
    same_found(found, &expected).context("`find_dead_letter`")?;
    // All older ones were cleared away, so it is the first.
    same_found(store.dead_letters(1).await?.pop(), &expected).context("`dead_letters`")?;
    nothing_is_due(&*store, long_ago_is_over(), "a dead letter").await
}

pub(super) async fn a_dropped_move_to_dead_letters_loses_no_mail(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    for polls in 1..=POLLS {
        let intent = queued(&*store, 0).await?;
        claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
        let moving = || store.move_to_dead_letters(intent.id, 1, long_ago(10), "no such mailbox");
        let ended = drop_after(polls, moving()).await?;
        let _settled = moving().await?;
        let letter = store.find_dead_letter(intent.id).await?.map(|letter| letter.intent);
        let seen = same_found(letter, &intent);
        seen.context("`find_dead_letter` after `move_to_dead_letters` was dropped and repeated")?;
        nothing_is_due(&*store, long_ago(100), "a dead letter").await?;
        let _removed = store.remove_dead_letter(intent.id).await?;
        if ended.is_some() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn dead_letters_come_oldest_first_up_to_the_limit(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let mut by_burial: Vec<(i64, IntentId)> = Vec::new();
    for seconds in [30, 10, 50, 20, 40] {
        by_burial.push((seconds, dead_lettered(&*store, seconds, "no such mailbox").await?.id));
    }
    by_burial.sort_unstable();
    for limit in [1, 3, 5] {
        let letters = store.dead_letters(limit).await?;
        let found: Vec<IntentId> = letters.iter().map(|letter| letter.intent.id).collect();
        let first = by_burial.iter().zip(0..limit);
        let expected: Vec<IntentId> = first.map(|((_, id), _)| *id).collect();
        ensure_eq!(found, expected, "`dead_letters` of the {limit} oldest of five");
    }
    Ok(())
}

pub(super) async fn removing_a_dead_letter_spares_what_is_queued(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let dead = dead_lettered(&*store, 10, "no such mailbox").await?;
    let kept = dead_lettered(&*store, 11, "no such mailbox").await?;
    let waiting = queued(&*store, 0).await?;
    for (id, expected) in [
        (waiting.id, Removal::NotFound),
        (fresh::intent_id(), Removal::NotFound),
        (dead.id, Removal::Removed),
        (dead.id, Removal::NotFound),
    ] {
        ensure_eq!(store.remove_dead_letter(id).await?, expected, "`remove_dead_letter`");
    }
    ensure!(store.find_dead_letter(dead.id).await?.is_none(), "`find_dead_letter` finds a removed letter");
    let letter = store.find_dead_letter(kept.id).await?;
    same_found(letter.map(|letter| letter.intent), &kept).context("`find_dead_letter`")?;
    claimed(&*store, &waiting, 1, long_ago(0), long_ago(60)).await?;
    ensure_eq!(
        store.remove_dead_letter(waiting.id).await?,
        Removal::NotFound,
        "`remove_dead_letter` of a leased intent"
    );
    claimed(&*store, &waiting, 2, long_ago(60), long_ago(120)).await?;
    Ok(())
}

pub(super) async fn racing_removals_have_one_winner(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let dead = dead_lettered(&*store, 10, "no such mailbox").await?;
    let outcomes = race((0..RACERS).map(|_| {
        let (store, id) = (Arc::clone(&store), dead.id);
        async move { store.remove_dead_letter(id).await }
    }))
    .await?;
    only(&outcomes, &Removal::Removed, "`remove_dead_letter` of one letter")?;
    ensure!(store.find_dead_letter(dead.id).await?.is_none(), "`find_dead_letter` finds a removed letter");
    Ok(())
}

pub(super) async fn purging_takes_dead_letters_of_strictly_before(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let before = long_ago(100);
    let mut letters = Vec::new();
    for offset in [-1, 0, 1] {
        let intent = queued(&*store, 0).await?;
        claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
        let at = before + TimeDelta::microseconds(offset);
        let settled = store.move_to_dead_letters(intent.id, 1, at, "no such mailbox").await?;
        ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of a claimed intent");
        letters.push((offset, intent));
    }
    let waiting = queued(&*store, 0).await?;
    ensure_eq!(store.purge_dead_letters(before, 1_000).await?, 1, "how many `purge_dead_letters` deleted");
    for (offset, intent) in &letters {
        match store.find_dead_letter(intent.id).await? {
            None => ensure!(*offset < 0, "`purge_dead_letters` deleted a letter of the time or later"),
            Some(letter) => {
                ensure!(*offset >= 0, "`purge_dead_letters` left a letter from before the time");
                same(&letter.intent, intent)?;
            }
        }
    }
    claimed(&*store, &waiting, 1, long_ago(0), long_ago(60)).await?;
    Ok(())
}

pub(super) async fn purging_dead_letters_stops_at_its_limit(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let mut letters = Vec::new();
    for seconds in 0..5 {
        letters.push(dead_lettered(&*store, seconds, "no such mailbox").await?);
    }
    for (expected, left) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        ensure_eq!(
            store.purge_dead_letters(long_ago(100), 2).await?,
            expected,
            "how many `purge_dead_letters` deleted"
        );
        let mut there = 0;
        for letter in &letters {
            there += u32::from(store.find_dead_letter(letter.id).await?.is_some());
        }
        ensure_eq!(there, left, "how many of five letters `purge_dead_letters` left");
    }
    Ok(())
}

pub(super) async fn racing_purges_of_dead_letters_leave_none(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intents: Vec<Intent> = (0..MANY).map(|_| fresh::intent(long_ago(0))).collect::<Outcome<_>>()?;
    let ids: Arc<[IntentId]> = intents.iter().map(|intent| intent.id).collect();
    let writing = Arc::clone(&store);
    write_together(intents, move |intent| {
        let store = Arc::clone(&writing);
        async move { store.insert_intent(&intent).await }
    })
    .await?;
    let claimed = store.claim(long_ago(0), long_ago(60), u32::MAX).await?;
    let burying = Arc::clone(&store);
    write_together(claimed, move |ClaimedIntent { intent, attempt }| {
        let store = Arc::clone(&burying);
        async move {
            store.move_to_dead_letters(intent.id, attempt, long_ago(1), "no such mailbox").await.map(|_| ())
        }
    })
    .await?;
    let reading = Arc::clone(&store);
    let purged = purge_together(
        "purge_dead_letters",
        move |limit| {
            let store = Arc::clone(&store);
            async move { store.purge_dead_letters(long_ago(100), limit).await }
        },
        move |number| {
            let (store, id) = (Arc::clone(&reading), ids.get(number).copied());
            async move { Ok(store.find_dead_letter(id.unwrap_or_else(fresh::intent_id)).await?.is_some()) }
        },
    );
    ensure_eq!(purged.await?, MANY, "how many letters all calls of `purge_dead_letters` deleted");
    Ok(())
}
