//! Mails and how they are sent: the kinds of mail, the intents that the outbox stores, and [`Mailer`].

pub(crate) mod intent;
pub(crate) mod key;
pub(crate) mod kinds;
pub(crate) mod one_time_token;
pub(crate) mod policy;
mod stored;

use std::error::Error;
use std::fmt::{self, Debug};

use async_trait::async_trait;

use crate::client::Languages;
use crate::id::IntentId;
use crate::mail::kinds::Message;
use crate::user::Name;
use crate::user::email::Email;

/// One mail for a [`Mailer`] to render and send.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The same at every retry: derive the `Message-ID` from it, so that duplicates can be recognised.
    pub id: IntentId,
    /// The stored address of the user; for [`Message::ConfirmEmail`] the new one, for
    /// [`Message::EmailChanged`] the new or the old one.
    pub to: Email,
    /// The name of the user. An attacker may have chosen it when registering: escape it.
    pub name: Option<Name>,
    /// The content.
    pub message: Message,
    /// The languages of the client that asked for the mail, the best first; `None` for notices and for what the
    /// service asked for.
    pub languages: Option<Languages>,
}

/// The kind of failure of a mail that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailErrorKind {
    /// Not sent; a retry may succeed.
    Transient,
    /// Not sent; a retry will fail, too.
    Permanent,
    /// The connection broke after the mail was transmitted: it may or may not arrive. The worker
    /// retries with the same id and the same link.
    Unknown,
}

/// A mail was not accepted. Opaque: the cause is in [`source`](Error::source), for logs.
#[derive(Debug)]
pub struct MailError {
    kind: MailErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl MailError {
    /// Creates an error of this kind.
    pub fn new(kind: MailErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The kind of failure.
    pub const fn kind(&self) -> MailErrorKind {
        self.kind
    }
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            MailErrorKind::Transient => "the mail could not be sent now",
            MailErrorKind::Permanent => "the mail was refused",
            MailErrorKind::Unknown => "it is unknown whether the mail was sent",
        })
    }
}

impl Error for MailError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Sends mails. Called by the worker only, never inside a request.
#[async_trait]
pub trait Mailer: Debug + Send + Sync {
    /// Sends one mail and returns once it is accepted for delivery.
    ///
    /// Limit every phase by a timeout well below the outbox lease
    /// ([`MailPolicy::lease`](crate::MailPolicy::lease)). The worker retries with the
    /// same [`Mail::id`] unless the error is [`MailErrorKind::Permanent`].
    ///
    /// # Atomicity
    ///
    /// None is required: a mail may arrive twice, and both copies have the same link.
    ///
    /// # Errors
    ///
    /// - [`MailError`] of the kind that describes the failure best.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}
