//! Two handles to the same data.

use auth_core::store::{Outbox, Removal, Settlement};

use super::{claimed, nothing_is_due, queued, turn};
use crate::suite::Handles;
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh::long_ago;
use crate::suite::row::same_found;

pub(super) async fn the_outbox_writes_of_one_handle_are_seen_by_another(
    handles: Handles<dyn Outbox>,
) -> Outcome {
    let _turn = turn(&*handles.first).await?;
    for Handles { first, second } in handles.both_ways() {
        let empty = second.stats().await?;
        let intent = queued(&*first, 0).await?;
        let queued = second.stats().await?.queued;
        ensure_eq!(queued, empty.queued + 1, "`stats` after `insert_intent` by another handle");
        let seen = claimed(&*second, &intent, 1, long_ago(0), long_ago(60)).await;
        seen.context("after `insert_intent` by another handle")?;
        nothing_is_due(&*first, long_ago(59), "after `claim` by another handle").await?;
        ensure!(second.find_dead_letter(intent.id).await?.is_none(), "`find_dead_letter` finds a leased one");
        let listed = second.dead_letters(1).await?.len();
        let settled = first.move_to_dead_letters(intent.id, 1, long_ago(10), "no such mailbox").await?;
        ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of an attempt of another handle");
        let letter = second.find_dead_letter(intent.id).await?.map(|letter| letter.intent);
        let seen = same_found(letter, &intent);
        seen.context("`find_dead_letter` after `move_to_dead_letters` by another handle")?;
        let now_listed = second.dead_letters(1).await?.len();
        ensure!(listed == 1 || now_listed == 1, "`dead_letters` after `move_to_dead_letters`: none");
        let removed = first.remove_dead_letter(intent.id).await?;
        ensure_eq!(removed, Removal::Removed, "the outcome of `remove_dead_letter`");
        let found = second.find_dead_letter(intent.id).await?;
        ensure!(found.is_none(), "`find_dead_letter` after `remove_dead_letter` by another handle: found");
    }
    Ok(())
}
