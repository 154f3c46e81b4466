//! The outcome of composing a mail from an intent.

use crate::mail::Mail;
use crate::mail::intent::Intent;
use crate::mail::kinds::Message;
use crate::user::email::Email;
use crate::user::{Name, User};

/// The outcome of composing an intent.
pub(super) enum Composed {
    /// A mail to send.
    Mail(Box<Mail>),
    /// No mail: there is no such user, or the user needs no mail any more.
    Dropped,
    /// The record that the mail is about is not there: not written yet, or never.
    NotYet,
    /// The link expired before it could be mailed.
    Expired,
    /// The stored payload cannot be read.
    Unreadable,
    /// The link became invalid before it could be mailed: the epoch has moved, or the root secret
    /// was replaced.
    Dead,
}

impl Composed {
    pub(super) fn mail(intent: &Intent, to: Email, name: Option<Name>, message: Message) -> Self {
        Self::Mail(Box::new(Mail { id: intent.id, to, name, message, languages: intent.languages.clone() }))
    }

    /// A mail to the stored address, by name if the user has proven the address.
    pub(super) fn to_user(intent: &Intent, user: User, message: Message) -> Self {
        let name = proven_name(&user);
        Self::mail(intent, user.email, name, message)
    }
}

/// The name in mails to the stored address: none before the user has proven the address. Otherwise
/// an attacker could have any text mailed to any address.
pub(super) fn proven_name(user: &User) -> Option<Name> {
    if user.email_verified() { user.name.clone() } else { None }
}
