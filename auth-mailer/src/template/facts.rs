//! The facts of one mail, as templates show them.

use auth_core::{Mail, MailKind, Name};
use chrono::{DateTime, Utc};

use crate::links::Links;

/// The facts of one mail.
pub(super) struct Facts {
    pub(super) kind: MailKind,
    pub(super) name: Option<String>,
    pub(super) link: String,
    pub(super) at: DateTime<Utc>,
    pub(super) expires_at: Option<DateTime<Utc>>,
    /// Masked.
    pub(super) new_email: Option<String>,
    /// Of the client, in the notice of a log-in.
    pub(super) ip: Option<String>,
}

impl Facts {
    pub(super) fn of(mail: &Mail, links: &Links) -> Self {
        let message = &mail.message;
        Self {
            kind: message.kind(),
            name: mail.name.as_ref().map(Name::as_str).map(str::to_owned),
            link: links.of(message),
            at: message.at(),
            expires_at: message.expires_at(),
            new_email: message.new_email().map(auth_core::Email::masked),
            ip: message.ip().map(|ip| ip.to_string()),
        }
    }

    /// Facts of a kind for the check of templates: exactly those that every mail of this kind has.
    pub(super) fn example(kind: MailKind, name: Option<&str>, link: &str) -> Self {
        let at = DateTime::UNIX_EPOCH;
        Self {
            kind,
            name: name.map(str::to_owned),
            link: link.to_owned(),
            at,
            expires_at: kind.has_token().then_some(at),
            new_email: (kind == MailKind::EmailChanged).then(|| "n***@example.com".to_owned()),
            ip: (kind == MailKind::UnknownDevice).then(|| "192.0.2.7".to_owned()),
        }
    }
}
