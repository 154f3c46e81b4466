//! The list of mails: the requests that flows enqueue, and the messages that a mailer gets.
//!
//! A new mail has one line in each list. A request and its message differ: what a mail says
//! depends on the user at the time it is sent.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::one_time_token::{MailedToken, Purpose, Registration};
use super::stored;
use crate::id::{SessionId, UserId};
use crate::user::Epoch;
use crate::user::email::Email;

/// Expands the list of requests to [`MailRequest`].
macro_rules! requests {
    ($(
        $(#[$doc:meta])*
        $kind:ident = $name:literal, links [$($purpose:ident),*]
        $({ $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })?;
    )*) => {
        /// The mail that a flow asks for, and the data that decides its content.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub enum MailRequest {
            $(
                $(#[$doc])*
                #[serde(rename = $name)]
                $kind $({ $($(#[$field_doc])* $field: $type,)* })?,
            )*
            /// A stored payload that this version cannot read. The worker moves it to the dead
            /// letters, and sends every other mail.
            #[serde(skip)]
            Unreadable {
                /// The payload as it is stored.
                payload: String,
            },
        }

        impl MailRequest {
            /// The name of every kind of request.
            pub const NAMES: &[&str] = &[$($name,)* Self::UNREADABLE];

            /// The stable name of this kind, for payloads, events, metrics and dead letters.
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$kind { .. } => $name,)*
                    Self::Unreadable { .. } => Self::UNREADABLE,
                }
            }

            /// The purposes of the links that may answer the request; none for a notice.
            pub(crate) const fn links(&self) -> &'static [Purpose] {
                match self {
                    $(Self::$kind { .. } => &[$(Purpose::$purpose),*],)*
                    Self::Unreadable { .. } => &[],
                }
            }
        }
    };
}

requests! {
    /// A registration: a verification link, or "you already have an account".
    Registration = "registration", links [VerifyEmail] {
        /// The id that this attempt gave its user, used if the address is free.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// The password and the name that this attempt wants to activate.
        #[serde(with = "stored::registration")]
        registration: Registration,
    };
    /// Another verification link.
    Verification = "verification", links [VerifyEmail, ResetPassword];
    /// A link to choose a new password.
    PasswordReset = "password_reset", links [ResetPassword];
    /// A link to choose the first password, for a user that an administrator created.
    Invitation = "invitation", links [AcceptInvitation] {
        /// The user.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// The epoch of the user who was created. A new epoch means that a password was chosen.
        #[serde(with = "stored::epoch")]
        epoch: Epoch,
    };
    /// A notice that the password of a user was changed or reset.
    PasswordChanged = "password_changed", links [] {
        /// The user.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// The `password_changed_at` that the change writes.
        #[serde(rename = "at_micros", with = "stored::micros")]
        at: DateTime<Utc>,
    };
    /// A link that makes the intent's address the address of a user.
    ChangeEmail = "change_email", links [ChangeEmail] {
        /// The user.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// The epoch of the request. A new epoch cancels the change.
        #[serde(with = "stored::epoch")]
        epoch: Epoch,
    };
    /// A notice that the address of a user was changed. One goes to the old address, one to the new.
    EmailChanged = "email_changed", links [] {
        /// The user.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// The address that the change writes.
        #[serde(with = "stored::email")]
        new_email: Email,
        /// The `email_verified_at` that the change writes.
        #[serde(rename = "at_micros", with = "stored::micros")]
        at: DateTime<Utc>,
    };
    /// A notice that reuse of a refresh token ended sessions of a user.
    SessionsEnded = "sessions_ended", links [] {
        /// The user.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// The session whose old token was presented.
        #[serde(with = "stored::text")]
        session_id: SessionId,
        /// The epoch that the session was live under.
        #[serde(with = "stored::epoch")]
        epoch: Epoch,
    };
    /// A notice of a log-in from a device that is not known.
    UnknownDevice = "unknown_device", links [] {
        /// The user.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// When.
        #[serde(rename = "at_micros", with = "stored::micros")]
        at: DateTime<Utc>,
        /// The address of the client. Not its user agent: no mail has a text that a stranger chose.
        ip: Option<IpAddr>,
    };
    /// A notice to the address of a user who deleted the account.
    AccountDeleted = "account_deleted", links [] {
        /// The user.
        #[serde(with = "stored::text")]
        user_id: UserId,
        /// When.
        #[serde(rename = "at_micros", with = "stored::micros")]
        at: DateTime<Utc>,
    };
}

impl MailRequest {
    const UNREADABLE: &str = "unreadable";

    /// The user whose id the request has.
    pub(crate) const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::Registration { user_id, .. }
            | Self::Invitation { user_id, .. }
            | Self::PasswordChanged { user_id, .. }
            | Self::ChangeEmail { user_id, .. }
            | Self::EmailChanged { user_id, .. }
            | Self::SessionsEnded { user_id, .. }
            | Self::UnknownDevice { user_id, .. }
            | Self::AccountDeleted { user_id, .. } => Some(*user_id),
            Self::Verification | Self::PasswordReset | Self::Unreadable { .. } => None,
        }
    }

    /// Whether somebody waits for the mail in order to get in, so that it overtakes others.
    pub(crate) const fn is_urgent(&self) -> bool {
        match self {
            Self::PasswordReset => true,
            Self::Registration { .. }
            | Self::Verification
            | Self::Invitation { .. }
            | Self::PasswordChanged { .. }
            | Self::ChangeEmail { .. }
            | Self::EmailChanged { .. }
            | Self::SessionsEnded { .. }
            | Self::UnknownDevice { .. }
            | Self::AccountDeleted { .. }
            | Self::Unreadable { .. } => false,
        }
    }
}

/// Expands the list of messages to [`Message`] and [`MailKind`].
macro_rules! messages {
    (
        links { $($(#[$link_doc:meta])* $link:ident = $link_name:literal;)* }
        notices { $(
            $(#[$notice_doc:meta])*
            $notice:ident = $notice_name:literal
            $({ $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })?;
        )* }
    ) => {
        /// The content of one mail.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub enum Message {
            $(
                $(#[$link_doc])*
                $link {
                    /// The token for the link.
                    token: MailedToken,
                    /// When the link was asked for.
                    requested_at: DateTime<Utc>,
                    /// When the link expires.
                    expires_at: DateTime<Utc>,
                },
            )*
            $(
                $(#[$notice_doc])*
                $notice {
                    $($($(#[$field_doc])* $field: $type,)*)?
                    /// When it happened.
                    at: DateTime<Utc>,
                },
            )*
        }

        impl Message {
            /// The kind of mail.
            pub const fn kind(&self) -> MailKind {
                match self {
                    $(Self::$link { .. } => MailKind::$link,)*
                    $(Self::$notice { .. } => MailKind::$notice,)*
                }
            }

            /// The token for the link, in the mails that have one.
            pub const fn token(&self) -> Option<&MailedToken> {
                match self {
                    $(Self::$link { token, .. } => Some(token),)*
                    $(Self::$notice { .. } => None,)*
                }
            }

            /// When the link was asked for, or when it happened.
            pub const fn at(&self) -> DateTime<Utc> {
                match self {
                    $(Self::$link { requested_at: at, .. } => *at,)*
                    $(Self::$notice { at, .. } => *at,)*
                }
            }

            /// When the link expires, in the mails that have one.
            pub const fn expires_at(&self) -> Option<DateTime<Utc>> {
                match self {
                    $(Self::$link { expires_at, .. } => Some(*expires_at),)*
                    $(Self::$notice { .. } => None,)*
                }
            }
        }

        /// The kinds of mail that a mailer gets.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum MailKind {
            $($(#[$link_doc])* $link,)*
            $($(#[$notice_doc])* $notice,)*
        }

        impl MailKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$link,)* $(Self::$notice,)*];

            /// The stable name, for templates and file names.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$link => $link_name,)*
                    $(Self::$notice => $notice_name,)*
                }
            }

            /// Whether mails of this kind have a link with a token.
            pub const fn has_token(self) -> bool {
                match self {
                    $(Self::$link => true,)*
                    $(Self::$notice => false,)*
                }
            }
        }
    };
}

messages! {
    links {
        /// "Confirm your address".
        VerifyEmail = "verify_email";
        /// "Choose a new password".
        ResetPassword = "reset_password";
        /// "You are invited": choose the first password. The link opens the page of a reset.
        Invitation = "invitation";
        /// "Confirm your new address", to an address that is not the user's yet.
        ConfirmEmail = "confirm_email";
    }
    notices {
        /// "You already have an account": there was an attempt to register this address, or to change to it.
        AlreadyRegistered = "already_registered";
        /// "Your password was changed", with what to do if it was not you.
        PasswordChanged = "password_changed";
        /// "Your address was changed", to the old address and to the new, with what to do if it was not you.
        EmailChanged = "email_changed" {
            /// The address now. Show it [masked](Email::masked): the old mailbox may be another person's.
            new_email: Email,
        };
        /// "We ended your sessions": an old refresh token was presented again.
        SessionsEnded = "sessions_ended";
        /// "New log-in": from a device that had not logged in to this account before.
        UnknownDevice = "unknown_device" {
            /// The address of the client.
            ip: Option<IpAddr>,
        };
        /// "Your account was deleted": by its user, and it cannot be brought back.
        AccountDeleted = "account_deleted";
    }
}

impl Message {
    /// The address that the mail shows, in the notice of a change of address.
    pub const fn new_email(&self) -> Option<&Email> {
        match self {
            Self::EmailChanged { new_email, .. } => Some(new_email),
            Self::VerifyEmail { .. }
            | Self::ResetPassword { .. }
            | Self::Invitation { .. }
            | Self::ConfirmEmail { .. }
            | Self::AlreadyRegistered { .. }
            | Self::PasswordChanged { .. }
            | Self::SessionsEnded { .. }
            | Self::UnknownDevice { .. }
            | Self::AccountDeleted { .. } => None,
        }
    }

    /// The address of the client that the mail shows, in the notice of a log-in.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::UnknownDevice { ip, .. } => *ip,
            Self::VerifyEmail { .. }
            | Self::ResetPassword { .. }
            | Self::Invitation { .. }
            | Self::ConfirmEmail { .. }
            | Self::AlreadyRegistered { .. }
            | Self::PasswordChanged { .. }
            | Self::EmailChanged { .. }
            | Self::SessionsEnded { .. }
            | Self::AccountDeleted { .. } => None,
        }
    }
}
