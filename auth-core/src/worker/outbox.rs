//! Sending promised mails: claim by lease, look the user up, make the token, send, settle.

mod compose;
mod scrub;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use self::compose::{Composed, compose, lifetime};
use crate::auth::Inner;
use crate::clock::{after, elapsed};
use crate::event::EventKind;
use crate::mailer::{Mail, MailError, MailErrorKind};
use crate::store::{ClaimedIntent, Settlement, StoreError};

/// Why a mail is given up whose time is over.
const TOO_LATE: &str = "not sent within its lifetime";
/// Why a mail is given up whose link would open nothing.
const LINK_DEAD: &str = "its link died before it was sent";
/// Why a mail is given up that another version wrote.
const UNREADABLE: &str = "it cannot be read";

/// Longest reason kept with a dead letter.
const MAX_REASON_CHARS: usize = 1000;

/// What became of the mails that were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Sent.
    pub sent: u64,
    /// To be tried again later.
    pub retried: u64,
    /// Given up; now dead letters.
    pub dead_lettered: u64,
    /// Dropped, because they spoke of nothing.
    pub dropped: u64,
}

/// What became of one intent.
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

pub(crate) async fn deliver_due(auth: &Inner) -> Result<Delivered, StoreError> {
    let mut delivered = Delivered::default();
    // What falls due meanwhile is for the next call, or a slow mailer could keep this one for ever.
    let due_at = auth.now();
    loop {
        let claimed = claim(auth, due_at, 1).await?;
        if claimed.is_empty() {
            return Ok(delivered);
        }
        for intent in claimed {
            delivered.count(&deliver(auth, &intent).await?);
        }
    }
}

async fn claim(auth: &Inner, due_at: DateTime<Utc>, limit: u32) -> Result<Vec<ClaimedIntent>, StoreError> {
    auth.outbox.claim(due_at, after(auth.now(), auth.policy.mail.lease), limit).await
}

/// Sends until stopped, then finishes the mails it has begun. A slow mail holds up no other while
/// there is a free place.
pub(super) async fn run(auth: Arc<Inner>, mut stopped: watch::Receiver<()>) {
    let mut sending = JoinSet::new();
    loop {
        let free = auth
            .policy
            .mail
            .concurrency
            .get()
            .saturating_sub(u32::try_from(sending.len()).unwrap_or(u32::MAX));
        let claimed = if free == 0 {
            Ok(Vec::new())
        } else {
            tokio::select! {
                // An outbox that hangs does not hold up a stop.
                () = super::stop_requested(&mut stopped) => break,
                claimed = claim(&auth, auth.now(), free) => claimed,
            }
        };
        match claimed {
            Ok(claimed) if !claimed.is_empty() => {
                for intent in claimed {
                    sending.spawn(deliver_alone(Arc::clone(&auth), intent));
                }
                continue;
            }
            Ok(_) => {}
            Err(error) => auth.emit_own(EventKind::OutboxFailed { error: super::error_chain(&error) }),
        }
        tokio::select! {
            () = super::stop_requested(&mut stopped) => break,
            () = auth.mail_promised.notified() => {}
            () = tokio::time::sleep(auth.policy.mail.poll_interval) => {}
            Some(ended) = sending.join_next(), if !sending.is_empty() => report_panic(&auth, ended),
        }
    }
    while let Some(ended) = sending.join_next().await {
        report_panic(&auth, ended);
    }
}

/// A panic ends one sending; its intent becomes due again when its lease ends.
fn report_panic(auth: &Inner, ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        auth.emit_own(EventKind::OutboxFailed { error: super::error_chain(&error) });
    }
}

/// Delivers one intent; a failing outbox is reported and the intent becomes due when its lease ends.
async fn deliver_alone(auth: Arc<Inner>, claimed: ClaimedIntent) {
    if let Err(error) = deliver(&auth, &claimed).await {
        auth.emit_own(EventKind::OutboxFailed { error: super::error_chain(&error) });
    }
}

async fn deliver(auth: &Inner, claimed: &ClaimedIntent) -> Result<Outcome, StoreError> {
    let policy = &auth.policy.mail;
    let age = elapsed(claimed.intent.created_at, auth.now());
    if age >= lifetime(auth, &claimed.intent.promise) {
        return move_to_dead_letters(auth, claimed, TOO_LATE).await;
    }
    match compose(auth, &claimed.intent).await {
        Ok(Composed::Mail(mail)) => match send(auth, &mail).await {
            Ok(()) => complete(auth, claimed, Outcome::Sent).await,
            Err(error) => {
                let cause = scrub::scrubbed(&super::error_chain(&error), &mail);
                match error.kind() {
                    MailErrorKind::Permanent => move_to_dead_letters(auth, claimed, &cause).await,
                    MailErrorKind::Transient | MailErrorKind::Unknown => retry(auth, claimed, cause).await,
                }
            }
        },
        Ok(Composed::NotYet) if age < policy.orphan_grace => {
            retry(auth, claimed, "the record it speaks of is not there yet".to_owned()).await
        }
        Ok(Composed::Expired) => move_to_dead_letters(auth, claimed, TOO_LATE).await,
        Ok(Composed::Unreadable) => move_to_dead_letters(auth, claimed, UNREADABLE).await,
        Ok(Composed::Dead) => move_to_dead_letters(auth, claimed, LINK_DEAD).await,
        Ok(Composed::NotYet | Composed::Nothing) => complete(auth, claimed, Outcome::Dropped).await,
        Err(error) => retry(auth, claimed, super::error_chain(&error)).await,
    }
}

/// Sends within the time a lease allows.
async fn send(auth: &Inner, mail: &Mail) -> Result<(), MailError> {
    let sending: std::pin::Pin<Box<dyn Future<Output = _> + Send + '_>> = auth.mailer.send(mail);
    match tokio::time::timeout(auth.policy.mail.send_timeout, sending).await {
        Ok(result) => result,
        Err(_) => Err(MailError::new(MailErrorKind::Unknown, "the mailer did not answer in time")),
    }
}

async fn complete(auth: &Inner, claimed: &ClaimedIntent, outcome: Outcome) -> Result<Outcome, StoreError> {
    let (intent_id, promise, attempt) = (claimed.intent.id, claimed.intent.promise.name(), claimed.attempt);
    // A lost lease means that another worker settles it; this mail was sent all the same.
    match auth.outbox.complete(intent_id, attempt).await? {
        Settlement::Settled | Settlement::LeaseLost => {}
    }
    auth.emit_own(match outcome {
        Outcome::Dropped => EventKind::MailDropped { intent_id, promise },
        _ => EventKind::MailSent { intent_id, promise, attempt },
    });
    Ok(outcome)
}

async fn retry(auth: &Inner, claimed: &ClaimedIntent, error: String) -> Result<Outcome, StoreError> {
    if claimed.attempt >= auth.policy.mail.max_attempts {
        return move_to_dead_letters(auth, claimed, &error).await;
    }
    let (intent_id, promise, attempt) = (claimed.intent.id, claimed.intent.promise.name(), claimed.attempt);
    let retry_in = backoff(auth, attempt);
    match auth.outbox.retry(intent_id, attempt, after(auth.now(), retry_in)).await? {
        Settlement::Settled | Settlement::LeaseLost => {}
    }
    auth.emit_own(EventKind::MailRetried { intent_id, promise, attempt, retry_in, error });
    Ok(Outcome::Retried)
}

async fn move_to_dead_letters(
    auth: &Inner,
    claimed: &ClaimedIntent,
    reason: &str,
) -> Result<Outcome, StoreError> {
    let reason: String = reason.chars().take(MAX_REASON_CHARS).collect();
    let (intent_id, promise, attempt) = (claimed.intent.id, claimed.intent.promise.name(), claimed.attempt);
    match auth.outbox.move_to_dead_letters(intent_id, attempt, auth.now(), &reason).await? {
        Settlement::Settled | Settlement::LeaseLost => {}
    }
    auth.emit_own(EventKind::MailDeadLettered { intent_id, promise, attempt, reason });
    Ok(Outcome::DeadLettered)
}

/// The wait after this attempt: doubled each time, with jitter so that many mails that failed
/// together do not come back together. In whole microseconds, which is what a store keeps of a time.
fn backoff(auth: &Inner, attempt: u32) -> Duration {
    let policy = &auth.policy.mail;
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
