//! Promising mails: a flow writes an intent, the worker does the rest.

use chrono::{DateTime, Utc};

use super::account::UserError;
use crate::auth::Inner;
use crate::client::Client;
use crate::email::Email;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::gate::{Limit, Shut};
use crate::id::IntentId;
use crate::limiter::Rule;
use crate::store::{Intent, MailRequest};

impl Inner {
    /// Writes an intent. Wake the worker once the record it speaks of is written.
    pub(super) async fn promise(
        &self,
        email: &Email,
        promise: MailRequest,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let id = match &promise {
            // However many replays of one session race each other, one notice is promised.
            MailRequest::SessionsEnded { session_id, epoch, .. } => IntentId::from_bytes(
                self.derived
                    .bucket("sessions_ended", &[session_id.as_bytes(), &epoch.as_u64().to_be_bytes()]),
            ),
            _ => IntentId::generate(now, &*self.random)?,
        };
        self.promise_as(id, email, promise, now).await
    }

    /// Promises a link to whoever reads a mailbox, without looking whether anybody has the address.
    /// Counted aloud per client and silently per mailbox.
    pub(super) async fn promise_quietly(
        &self,
        email: &Email,
        promise: MailRequest,
        event: EventKind,
        [(per_client, of_client), (per_mailbox, of_mailbox)]: [(&'static str, Option<Rule>); 2],
        client: &Client,
    ) -> Result<(), Shut> {
        let _counted = self.reserve(client, [Limit::client(self, per_client, of_client, client)]).await?;
        self.emit(client, event);
        self.promise_silently(email, promise, (per_mailbox, of_mailbox), client).await.map_err(Shut::Failed)
    }

    /// Promises a link, unless the mailbox had its share of them. Nobody is told.
    pub(super) async fn promise_silently(
        &self,
        email: &Email,
        promise: MailRequest,
        (per_mailbox, of_mailbox): (&'static str, Option<Rule>),
        client: &Client,
    ) -> Result<(), Failure> {
        let mailbox = Limit::keyed(self, per_mailbox, of_mailbox, &[email.canonical().as_bytes()]);
        if self.reserve_silently(client, mailbox).await? {
            self.promise(email, promise, self.now()).await?;
            self.mail_promised.notify_one();
        }
        Ok(())
    }

    async fn promise_as(
        &self,
        id: IntentId,
        email: &Email,
        promise: MailRequest,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let intent = Intent { id, email: email.clone(), promise, created_at: now };
        Ok(self.outbox.insert(&intent).await?)
    }
}

/// Promises a dead letter's mail anew. The new intent is written before the dead letter goes, so a
/// crash between the two can only mail twice. It always has an id of its own: an intent under the
/// dead letter's id would not be written.
pub(crate) async fn requeue(auth: &Inner, id: IntentId) -> Result<(), UserError> {
    let Some(letter) = auth.outbox.find_dead_letter(id).await? else { return Err(UserError::NotFound) };
    let now = auth.now();
    let new_id = IntentId::generate(now, &*auth.random).map_err(Failure::from)?;
    auth.promise_as(new_id, &letter.intent.email, letter.intent.promise, now).await?;
    let _removed = auth.outbox.remove_dead_letter(id).await?;
    auth.mail_promised.notify_one();
    Ok(())
}
