//! Cases of enqueued intents.

use std::sync::Arc;

use auth_core::store::{Intent, MailRequest, Outbox, OutboxStats, Settlement};
use auth_core::{Email, Epoch};

use super::{claimed, dead_lettered, nothing_is_due, queued, turn};
use crate::suite::check::{Context as _, Outcome, ensure, ensure_eq};
use crate::suite::fresh::{self, MAX_PAYLOAD_BYTES, TICK, at, long_ago};
use crate::suite::race::{RACERS, race};
use crate::suite::row::same_found;

pub(super) async fn every_mail_request_reads_back_as_written(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let user_id = fresh::user_id();
    let requests = [
        MailRequest::Registration {
            user_id,
            registration: fresh::registration(Some("Ada 👩‍💻 \"d'Été\" \\"))?,
        },
        MailRequest::Registration { user_id, registration: fresh::registration(None)? },
        MailRequest::Verification,
        MailRequest::PasswordReset,
        MailRequest::Invitation { user_id, epoch: Epoch::from_u64(1 << 40) },
        MailRequest::PasswordChanged { user_id, at: at(0) },
        MailRequest::ChangeEmail { user_id, epoch: Epoch::from_u64(1 << 40) },
        MailRequest::EmailChanged {
            user_id,
            new_email: Email::parse(&format!("New.L+Tag@{}", fresh::domain()))?,
            at: at(0),
        },
        MailRequest::SessionsEnded {
            user_id,
            session_id: fresh::session_id(),
            epoch: Epoch::from_u64(1 << 40),
        },
        MailRequest::UnknownDevice { user_id, at: at(0), ip: "2001:db8::7".parse().ok() },
        MailRequest::UnknownDevice { user_id, at: at(0), ip: None },
        MailRequest::AccountDeleted { user_id, at: at(0) },
    ];
    for name in MailRequest::NAMES.iter().filter(|name| **name != "unreadable") {
        ensure!(requests.iter().any(|request| request.name() == *name), "no request of the kind {name}");
    }
    for request in requests {
        let email = Email::parse(&format!("Ada.L+Tag@{}", fresh::domain()))?;
        let intent = Intent { email, mail: request, ..fresh::intent(long_ago(0) + TICK)? };
        store.insert_intent(&intent).await?;
        let lease = claimed(&*store, &intent, 1, long_ago(1), long_ago(60)).await?;
        let settled = store.complete(intent.id, lease.attempt).await?;
        ensure_eq!(settled, Settlement::Settled, "`complete` of a claimed intent");
    }
    Ok(())
}

pub(super) async fn a_payload_of_4_kib_reads_back_as_written(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let start = "{\"v\":9,\"from\":\"a later version\",\"text\":\"é 𝔘 ";
    let payload = format!("{start}{}", "x".repeat(MAX_PAYLOAD_BYTES - start.len()));
    let intent = Intent::from_stored(fresh::intent_id(), long_ago(0), &payload);
    store.insert_intent(&intent).await?;
    let lease = claimed(&*store, &intent, 1, long_ago(1), long_ago(60)).await?;
    let settled = store.move_to_dead_letters(intent.id, lease.attempt, long_ago(2), "unreadable").await?;
    ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of a claimed intent");
    let letter = store.find_dead_letter(intent.id).await?.map(|letter| letter.intent);
    same_found(letter, &intent).context("`find_dead_letter` of a payload of 4 KiB")
}

pub(super) async fn an_unreadable_intent_is_claimed_like_any_other(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let payload = "{\"v\":9,\"from\":\"a later version\"}";
    let unreadable = Intent::from_stored(fresh::intent_id(), long_ago(0), payload);
    store.insert_intent(&unreadable).await?;
    let readable = queued(&*store, 1).await?;
    let claimed = store.claim(long_ago(1), long_ago(60), 100).await?;
    let payloads: Vec<String> = claimed.iter().map(|claimed| claimed.intent.payload()).collect();
    ensure_eq!(payloads, [payload.to_owned(), readable.payload()], "what `claim` returned");
    for claimed in claimed {
        let settled =
            store.move_to_dead_letters(claimed.intent.id, claimed.attempt, long_ago(2), "unreadable").await?;
        ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of a claimed intent");
    }
    let letter = store.find_dead_letter(unreadable.id).await?;
    ensure_eq!(
        letter.map(|letter| letter.intent.payload()),
        Some(payload.to_owned()),
        "what `find_dead_letter` returned"
    );
    Ok(())
}

pub(super) async fn a_second_insert_changes_nothing(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = queued(&*store, 0).await?;
    let other = Intent { id: intent.id, mail: MailRequest::PasswordReset, ..fresh::intent(long_ago(5))? };
    store.insert_intent(&other).await?;
    let lease = claimed(&*store, &intent, 1, long_ago(10), long_ago(60)).await?;

    store.insert_intent(&other).await?;
    nothing_is_due(&*store, long_ago(59), "a second `insert_intent` ended a lease").await?;
    let reason = "the mailbox does not exist";
    let settled = store.move_to_dead_letters(intent.id, lease.attempt, long_ago(50), reason).await?;
    ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` after a second `insert_intent`");

    store.insert_intent(&other).await?;
    nothing_is_due(&*store, long_ago(100), "a second `insert_intent` queued a dead letter").await?;
    let letter = store.find_dead_letter(intent.id).await?;
    same_found(letter.map(|letter| letter.intent), &intent).context("`find_dead_letter`")
}

pub(super) async fn racing_inserts_queue_an_intent_once(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let intent = fresh::intent(long_ago(0))?;
    race((0..RACERS).map(|_| {
        let (store, intent) = (Arc::clone(&store), intent.clone());
        async move { store.insert_intent(&intent).await }
    }))
    .await?;
    let lease = claimed(&*store, &intent, 1, long_ago(0), long_ago(60)).await?;
    let settled = store.complete(intent.id, lease.attempt).await?;
    ensure_eq!(settled, Settlement::Settled, "`complete` of a claimed intent");
    nothing_is_due(&*store, long_ago(100), "two calls of `insert_intent` queued an intent twice").await
}

pub(super) async fn the_stats_count_what_is_there(store: Arc<dyn Outbox>) -> Outcome {
    let _turn = turn(&*store).await?;
    let empty = store.stats().await?;
    let expect = |queued: u64, dead: u64, oldest| OutboxStats {
        queued: empty.queued + queued,
        dead: empty.dead + dead,
        oldest_created_at: oldest,
    };
    let newer = queued(&*store, 20).await?;
    let older = queued(&*store, 10).await?;
    ensure_eq!(store.stats().await?, expect(2, 0, Some(older.created_at)), "`stats` of two queued");

    let lease = claimed(&*store, &older, 1, long_ago(10), long_ago(60)).await?;
    ensure_eq!(store.stats().await?, expect(2, 0, Some(older.created_at)), "`stats` with one of two leased");
    let settled =
        store.move_to_dead_letters(older.id, lease.attempt, long_ago(11), "no such mailbox").await?;
    ensure_eq!(settled, Settlement::Settled, "`move_to_dead_letters` of a claimed intent");
    ensure_eq!(store.stats().await?, expect(1, 1, Some(newer.created_at)), "`stats` with one of two dead");

    let lease = claimed(&*store, &newer, 1, long_ago(20), long_ago(60)).await?;
    let settled = store.complete(newer.id, lease.attempt).await?;
    ensure_eq!(settled, Settlement::Settled, "`complete` of a claimed intent");
    ensure_eq!(
        store.stats().await?,
        expect(0, 1, empty.oldest_created_at),
        "`stats` with one dead, one completed"
    );

    dead_lettered(&*store, 30, "again").await?;
    ensure_eq!(
        store.purge_dead_letters(long_ago(100), 10).await?,
        2,
        "how many `purge_dead_letters` deleted"
    );
    let stats = store.stats().await?;
    ensure!(stats == empty, "`stats`, after all is settled and purged: expected {empty:?}, found {stats:?}");
    Ok(())
}
