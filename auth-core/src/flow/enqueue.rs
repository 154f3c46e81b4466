//! Enqueueing mails: a flow writes an intent, the delivery worker does the rest.

use chrono::{DateTime, Utc};

use super::account::UserError;
use super::permit::{self, LimitError, Request};
use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::id::IntentId;
use crate::limit::Limit;
use crate::store::{Intent, MailRequest};
use crate::user::email::Email;

/// Writes an intent for a mail that a client asks for, in its languages. Wake the worker (`ctx.mail_enqueued`) once the record that the mail is about is
/// written.
pub(super) async fn enqueue_asked_for(
    ctx: &Context,
    client: &Client,
    email: &Email,
    mail: MailRequest,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let id = IntentId::generate(now, &*ctx.random)?;
    let languages = client.languages().cloned();
    insert(ctx, Intent { id, email: email.clone(), mail, languages, created_at: now }).await
}

/// Writes an intent for a notice, or for what the service asks for. Nobody else chooses its language. Wake the
/// worker once the record that the mail is about is written.
pub(super) async fn enqueue(
    ctx: &Context,
    email: &Email,
    mail: MailRequest,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    enqueue_asked_for(ctx, &Client::unknown(), email, mail, now).await
}

/// Writes an intent whose id is derived from `key`: concurrent calls with one key enqueue one mail.
pub(super) async fn enqueue_once(
    ctx: &Context,
    key: &[&[u8]],
    email: &Email,
    mail: MailRequest,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    let id = IntentId::from_bytes(ctx.bucket_key.bucket(mail.name(), key));
    insert(ctx, Intent { id, email: email.clone(), mail, languages: None, created_at: now }).await
}

/// The two limits of a request for a mailed link.
pub(super) struct LinkLimits {
    pub(super) by_client: Limit,
    pub(super) by_mailbox: Limit,
}

/// Enqueues a link for the reader of a mailbox, without looking whether a user has the address.
pub(super) async fn enqueue_requested_link(
    ctx: &Context,
    request: &mut Request<'_>,
    email: &Email,
    mail: MailRequest,
    event: EventKind,
    limits: LinkLimits,
) -> Result<(), LimitError> {
    permit::count_by_client(ctx, request, limits.by_client).await?;
    ctx.emit(request.client, event);
    enqueue_if_allowed(ctx, request.client, email, mail, limits.by_mailbox).await.map_err(LimitError::Failed)
}

/// Enqueues a link unless the mailbox has used up its limit. The answer does not depend on it.
pub(super) async fn enqueue_if_allowed(
    ctx: &Context,
    client: &Client,
    email: &Email,
    mail: MailRequest,
    by_mailbox: Limit,
) -> Result<(), Failure> {
    if permit::count_by_mailbox(ctx, client, by_mailbox, email).await? {
        enqueue_asked_for(ctx, client, email, mail, ctx.now()).await?;
        ctx.mail_enqueued.notify_one();
    }
    Ok(())
}

async fn insert(ctx: &Context, intent: Intent) -> Result<(), Failure> {
    Ok(ctx.store.insert_intent(&intent).await?)
}

/// Enqueues the mail of a dead letter again. The new intent is written before the dead letter is
/// removed, so a crash between the two can only mail twice. The new intent has a new id: one with the
/// dead letter's id would not be written.
pub(crate) async fn requeue(ctx: &Context, id: IntentId) -> Result<(), UserError> {
    let Some(letter) = ctx.store.find_dead_letter(id).await? else { return Err(UserError::NotFound) };
    let now = ctx.now();
    let new_id = IntentId::generate(now, &*ctx.random).map_err(Failure::from)?;
    insert(ctx, Intent { id: new_id, created_at: now, ..letter.intent }).await?;
    let _removed = ctx.store.remove_dead_letter(id).await?;
    ctx.mail_enqueued.notify_one();
    Ok(())
}
