//! Delivering mails from the outbox: claim by lease, compose, send, settle.

mod budget;
mod compose;
mod composed;
mod link;
mod scrub;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::shutdown::Shutdown;
use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use tokio::task::{JoinError, JoinSet};

use self::budget::Budget;
use self::compose::{compose, lifetime};
use self::composed::Composed;
use crate::clock::{after, elapsed};
use crate::context::Context;
use crate::error::error_chain;
use crate::event::EventKind;
use crate::mail::{Mail, MailError, MailErrorKind};
use crate::store::{ClaimedIntent, Intent, MailRequest, Settlement, StoreError};

/// The reason of a dead letter whose lifetime has ended.
const TOO_LATE: &str = "not sent within its lifetime";
/// The reason of a dead letter whose link is invalid.
const LINK_DEAD: &str = "its link died before it was sent";
/// The reason of a dead letter that another version wrote.
const UNREADABLE: &str = "it cannot be read";

/// Longest reason stored with a dead letter, in characters.
const MAX_REASON_CHARS: usize = 1000;

/// The outcomes of the mails that were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Sent.
    pub sent: u64,
    /// Not sent; to be retried later.
    pub retried: u64,
    /// Moved to the dead letters.
    pub dead_lettered: u64,
    /// Dropped, because no mail was needed.
    pub dropped: u64,
}

/// The outcome of one intent.
enum Outcome {
    Sent,
    Retried,
    DeadLettered,
    Dropped,
}

impl Delivered {
    fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Sent => &mut self.sent,
            Outcome::Retried => &mut self.retried,
            Outcome::DeadLettered => &mut self.dead_lettered,
            Outcome::Dropped => &mut self.dropped,
        } += 1;
    }
}

pub(crate) async fn deliver_due(ctx: &Context) -> Result<Delivered, StoreError> {
    let mut delivered = Delivered::default();
    // What becomes due meanwhile is for the next call, or a slow mailer could keep this one for ever.
    let due_at = ctx.now();
    loop {
        let claimed = claim(ctx, due_at, 1).await?;
        if claimed.is_empty() {
            return Ok(delivered);
        }
        for intent in claimed {
            delivered.count(&deliver(ctx, &intent).await?);
        }
    }
}

async fn claim(ctx: &Context, due_at: DateTime<Utc>, limit: u32) -> Result<Vec<ClaimedIntent>, StoreError> {
    ctx.store.claim(due_at, after(ctx.now(), ctx.policy.mail.lease), limit).await
}

/// Sends until stopped, then finishes the mails it has begun. A slow mail delays no other unless
/// `concurrency` mails are being sent.
pub(crate) async fn run(ctx: Arc<Context>, mut shutdown: Shutdown) {
    let mut sending = JoinSet::new();
    let budget = Arc::new(Budget::new(ctx.policy.mail.per_minute, Arc::clone(&ctx.clock)));
    loop {
        let free = ctx.policy.mail.concurrency.get().saturating_sub(small(sending.len()));
        let affordable = budget.take(free).await;
        let claimed = if affordable == 0 {
            Ok(Vec::new())
        } else {
            tokio::select! {
                // An outbox that hangs does not delay a stop.
                () = shutdown.requested() => break,
                claimed = claim(&ctx, ctx.now(), affordable) => claimed,
            }
        };
        let unused = affordable - claimed.as_ref().map_or(0, |claimed| small(claimed.len()).min(affordable));
        budget.put_back(unused).await;
        match claimed {
            Ok(claimed) if !claimed.is_empty() => {
                for intent in claimed {
                    sending.spawn(deliver_alone(Arc::clone(&ctx), Arc::clone(&budget), intent));
                }
                continue;
            }
            Ok(_) => {}
            Err(error) => ctx.emit_own(EventKind::OutboxFailed { error: error_chain(&error) }),
        }
        tokio::select! {
            () = shutdown.requested() => break,
            () = ctx.mail_enqueued.notified() => {}
            () = tokio::time::sleep(ctx.policy.mail.poll_interval) => {}
            Some(ended) = sending.join_next(), if !sending.is_empty() => report_panic(&ctx, ended),
        }
    }
    while let Some(ended) = sending.join_next().await {
        report_panic(&ctx, ended);
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A panic ends one sending; its intent becomes due again when its lease ends.
fn report_panic(ctx: &Context, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        ctx.emit_own(EventKind::OutboxFailed { error: error_chain(&error) });
    }
}

/// Delivers one intent; a failing outbox is reported and the intent becomes due when its lease ends.
async fn deliver_alone(ctx: Arc<Context>, budget: Arc<Budget>, claimed: ClaimedIntent) {
    match deliver(&ctx, &claimed).await {
        Ok(Outcome::Sent | Outcome::Retried) => {}
        // A dropped intent is no mail, and most dead letters were never handed to the mailer.
        Ok(Outcome::Dropped | Outcome::DeadLettered) => budget.put_back(1).await,
        Err(error) => ctx.emit_own(EventKind::OutboxFailed { error: error_chain(&error) }),
    }
}

async fn deliver(ctx: &Context, claimed: &ClaimedIntent) -> Result<Outcome, StoreError> {
    let policy = &ctx.policy.mail;
    let age = elapsed(claimed.intent.created_at, ctx.now());
    if age >= lifetime(ctx, &claimed.intent.mail) {
        return move_to_dead_letters(ctx, claimed, TOO_LATE).await;
    }
    match compose(ctx, &claimed.intent).await {
        Ok(Composed::Mail(mail)) => match send(ctx, &mail).await {
            Ok(()) => sent(ctx, claimed).await,
            Err(error) => {
                let cause = scrub::scrubbed(&error_chain(&error), &mail);
                match error.kind() {
                    MailErrorKind::Permanent => move_to_dead_letters(ctx, claimed, &cause).await,
                    MailErrorKind::Transient | MailErrorKind::Unknown => retry(ctx, claimed, cause).await,
                }
            }
        },
        Ok(Composed::NotYet) if age < policy.orphan_grace => {
            retry(ctx, claimed, "the record that the mail is about is not there yet".to_owned()).await
        }
        Ok(Composed::Expired) => move_to_dead_letters(ctx, claimed, TOO_LATE).await,
        Ok(Composed::Unreadable) => move_to_dead_letters(ctx, claimed, UNREADABLE).await,
        Ok(Composed::Dead) => move_to_dead_letters(ctx, claimed, LINK_DEAD).await,
        Ok(Composed::NotYet | Composed::Dropped) => dropped(ctx, claimed).await,
        Err(error) => retry(ctx, claimed, error_chain(&error)).await,
    }
}

/// Returns whether neither the user of an intent nor one with its address is there any more. Nothing of a deleted
/// user may be left in a dead letter.
async fn is_about_nobody(ctx: &Context, intent: &Intent) -> Result<bool, StoreError> {
    if let MailRequest::Unreadable { .. } = intent.mail {
        return Ok(false);
    }
    if let Some(user_id) = intent.mail.user_id()
        && ctx.store.find_by_id(user_id).await?.is_some()
    {
        return Ok(false);
    }
    Ok(ctx.store.find_by_email(&intent.email).await?.is_none())
}

/// Sends within the time a lease allows.
async fn send(ctx: &Context, mail: &Mail) -> Result<(), MailError> {
    let sending: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> = ctx.mailer.send(mail);
    match tokio::time::timeout(ctx.policy.mail.send_timeout, sending).await {
        Ok(result) => result,
        Err(_) => Err(MailError::new(MailErrorKind::Unknown, "the mailer did not answer in time")),
    }
}

async fn sent(ctx: &Context, claimed: &ClaimedIntent) -> Result<Outcome, StoreError> {
    complete(ctx, claimed).await?;
    let (intent_id, mail, attempt) = (claimed.intent.id, claimed.intent.mail.name(), claimed.attempt);
    ctx.emit_own(EventKind::MailSent { intent_id, mail, attempt });
    Ok(Outcome::Sent)
}

async fn dropped(ctx: &Context, claimed: &ClaimedIntent) -> Result<Outcome, StoreError> {
    complete(ctx, claimed).await?;
    ctx.emit_own(EventKind::MailDropped { intent_id: claimed.intent.id, mail: claimed.intent.mail.name() });
    Ok(Outcome::Dropped)
}

async fn complete(ctx: &Context, claimed: &ClaimedIntent) -> Result<(), StoreError> {
    // A lost lease means that another worker settles it; this mail was sent anyway.
    match ctx.store.complete(claimed.intent.id, claimed.attempt).await? {
        Settlement::Settled | Settlement::LeaseLost => Ok(()),
    }
}

async fn retry(ctx: &Context, claimed: &ClaimedIntent, error: String) -> Result<Outcome, StoreError> {
    if claimed.attempt >= ctx.policy.mail.max_attempts {
        return move_to_dead_letters(ctx, claimed, &error).await;
    }
    let (intent_id, mail, attempt) = (claimed.intent.id, claimed.intent.mail.name(), claimed.attempt);
    let retry_in = backoff(ctx, attempt);
    match ctx.store.retry(intent_id, attempt, after(ctx.now(), retry_in)).await? {
        Settlement::Settled | Settlement::LeaseLost => {}
    }
    ctx.emit_own(EventKind::MailRetried { intent_id, mail, attempt, retry_in, error });
    Ok(Outcome::Retried)
}

async fn move_to_dead_letters(
    ctx: &Context,
    claimed: &ClaimedIntent,
    reason: &str,
) -> Result<Outcome, StoreError> {
    if is_about_nobody(ctx, &claimed.intent).await? {
        return dropped(ctx, claimed).await;
    }
    let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
    let (intent_id, mail, attempt) = (claimed.intent.id, claimed.intent.mail.name(), claimed.attempt);
    match ctx.store.move_to_dead_letters(intent_id, attempt, ctx.now(), &reason).await? {
        Settlement::Settled | Settlement::LeaseLost => {}
    }
    ctx.emit_own(EventKind::MailDeadLettered { intent_id, mail, attempt, reason });
    Ok(Outcome::DeadLettered)
}

/// The wait after this attempt: doubled each time, with jitter so that many mails that failed
/// together do not come back together. In whole microseconds, which is what a store keeps of a time.
fn backoff(ctx: &Context, attempt: u32) -> Duration {
    let policy = &ctx.policy.mail;
    let wait = ExponentialBuilder::default()
        .with_min_delay(policy.min_backoff)
        // The jitter adds at most as much again.
        .with_max_delay((policy.max_backoff / 2).max(policy.min_backoff))
        .with_jitter()
        .without_max_times()
        .build()
        .nth(usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX))
        .map_or(policy.max_backoff, |wait| wait.min(policy.max_backoff));
    Duration::new(wait.as_secs(), wait.subsec_micros() * 1000)
}
