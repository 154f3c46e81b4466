//! How mails leave: one method, implemented by [`Mailbox`](crate::Mailbox) for tests and demos, or for
//! the service's own way of sending.

pub(crate) mod key;
pub(crate) mod one_time_token;
pub(crate) mod policy;

use std::error::Error;
use std::fmt::{self, Debug};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::id::IntentId;
use crate::mail::one_time_token::MailedToken;
use crate::user::Name;
use crate::user::email::Email;

/// One mail, ready to be worded.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The same at every retry: derive the `Message-ID` from it, so that a duplicate can be told.
    pub id: IntentId,
    /// The stored address of the user; for [`Message::ConfirmEmail`] and [`Message::EmailChanged`], the
    /// new or the old one.
    pub to: Email,
    /// How to address the user. Written by whoever registered: escape it.
    pub name: Option<Name>,
    /// What the mail says.
    pub message: Message,
}

/// What a mail says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Message {
    /// "Confirm your address": a link with the token, when it was asked for, and "not you? ignore this".
    VerifyEmail {
        /// For the link.
        token: MailedToken,
        /// When the registration or the request for a new link was made.
        requested_at: DateTime<Utc>,
        /// When the link stops working.
        expires_at: DateTime<Utc>,
    },
    /// "Choose a new password": a link with the token.
    ResetPassword {
        /// For the link.
        token: MailedToken,
        /// When it was asked for.
        requested_at: DateTime<Utc>,
        /// When the link stops working.
        expires_at: DateTime<Utc>,
    },
    /// "You already have an account": somebody tried to register this address, or to change to it.
    AlreadyRegistered {
        /// When.
        requested_at: DateTime<Utc>,
    },
    /// "Your password was changed", with what to do if it was not you.
    PasswordChanged {
        /// When.
        at: DateTime<Utc>,
    },
    /// "Confirm your new address": a link with the token, to an address that is not the user's yet.
    ConfirmEmail {
        /// For the link.
        token: MailedToken,
        /// When the change was asked for.
        requested_at: DateTime<Utc>,
        /// When the link stops working.
        expires_at: DateTime<Utc>,
    },
    /// "Your address was changed", to the old address and to the new, with what to do if it was not you.
    EmailChanged {
        /// The address now. Show it [masked](Email::masked): the old mailbox may be somebody else's.
        new_email: Email,
        /// When.
        at: DateTime<Utc>,
    },
    /// "We ended your sessions": an old refresh token was presented again.
    SessionsEnded {
        /// When.
        at: DateTime<Utc>,
    },
}

impl Message {
    /// The token for the link, in the mails that carry one.
    pub const fn token(&self) -> Option<&MailedToken> {
        match self {
            Self::VerifyEmail { token, .. }
            | Self::ResetPassword { token, .. }
            | Self::ConfirmEmail { token, .. } => Some(token),
            Self::AlreadyRegistered { .. }
            | Self::PasswordChanged { .. }
            | Self::EmailChanged { .. }
            | Self::SessionsEnded { .. } => None,
        }
    }
}

/// What is known about a mail that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailErrorKind {
    /// Not sent; trying again may help.
    Transient,
    /// Not sent; trying again will not help.
    Permanent,
    /// The connection broke after the mail was handed over: it may or may not arrive. Tried again,
    /// with the same id and the same link.
    Unknown,
}

/// A mail was not accepted. Opaque: the cause is in [`source`](Error::source), for logs.
#[derive(Debug)]
pub struct MailError {
    kind: MailErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl MailError {
    /// An error of this kind.
    pub fn new(kind: MailErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// What is known about the mail.
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
    /// Sends one mail; returns once it was accepted for delivery.
    ///
    /// Bound every phase by a timeout well below the outbox lease
    /// ([`MailPolicy::lease`](crate::MailPolicy::lease)). Called again with the same
    /// [`Mail::id`] when the outcome was not [`MailErrorKind::Permanent`].
    ///
    /// # Atomicity
    ///
    /// None is asked: a mail may arrive twice, and both copies carry the same link.
    ///
    /// # Errors
    ///
    /// - [`MailError`] of the kind that describes best what is known.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}
