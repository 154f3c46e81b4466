//! The list of events: one typed value for each security-relevant step.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::id::{IntentId, SessionId, UserId};
use crate::limit::Limit;
use crate::mail::one_time_token::Purpose;

use self::details::{Details, Logged as _};

mod details;
mod reason;
mod sink;

pub use reason::{LogInFailure, RefreshRefusal, Renewal};
pub use sink::{ClientAddresses, EventSink, TracingSink};

/// Names an account by a keyed hash of its address.
///
/// The same address always has the same tag. Without the root secret nobody can compute the address
/// from the tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountTag([u8; 16]);

impl AccountTag {
    pub(crate) const fn new(tag: [u8; 16]) -> Self {
        Self(tag)
    }
}

impl std::fmt::Display for AccountTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Debug for AccountTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountTag({self})")
    }
}

/// An event with its time and client.
#[derive(Debug, Clone)]
pub struct Event {
    /// The time of the event, by the injected clock.
    pub at: DateTime<Utc>,
    /// The address of the client that caused the event, if there is one and its address is known.
    pub ip: Option<IpAddr>,
    /// The kind of event.
    pub kind: EventKind,
}

/// The log level of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Part of normal operation.
    Info,
    /// Normal once, a sign of an attack or a fault if frequent.
    Warn,
    /// Needs attention at once.
    Error,
}

/// Describes one kind of event, for documents and alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventDescription {
    /// The stable name in logs and metrics.
    pub name: &'static str,
    /// The log level.
    pub severity: Severity,
    /// The fields that [`TracingSink`] logs besides `event` and `client`. One whose value is not known is left out.
    pub fields: &'static [&'static str],
    /// A sentence about the event.
    pub meaning: &'static str,
}

/// Expands to the value of the named field, or to `None` if there is no such field.
macro_rules! field {
    (user_id in user_id $value:ident $($rest:tt)*) => { Option::<UserId>::from(*$value) };
    (session_id in session_id $value:ident $($rest:tt)*) => { Option::<SessionId>::from(*$value) };
    ($wanted:ident in $name:ident $value:ident $($rest:tt)*) => { field!($wanted in $($rest)*) };
    ($wanted:ident in) => { None };
}

/// Expands to the name of a field in logs.
macro_rules! logged_name {
    (user_id) => {
        "user"
    };
    (session_id) => {
        "session"
    };
    (intent_id) => {
        "intent"
    };
    ($field:ident) => {
        stringify!($field)
    };
}

macro_rules! events {
    ($($(#[doc = $doc:literal])* $name:ident $({ $($field:ident: $type:ty),* $(,)? })? = $text:literal, $severity:ident;)*) => {
        /// A security-relevant step.
        ///
        /// A name is that of the OWASP Logging Vocabulary if it has one, else the variant in snake case.
        /// The enum is exhaustive, so that a sink can be made to decide about each new event.
        #[derive(Debug, Clone)]
        #[expect(
            missing_docs,
            reason = "the fields are the user, session, intent or count of the variant's sentence"
        )]
        pub enum EventKind {
            $(
                $(#[doc = $doc])*
                #[doc = concat!("\n\nName: `", $text, "`.")]
                $name $({ $($field: $type),* })?,
            )*
        }

        impl EventKind {
            /// The names of all events.
            pub const NAMES: &[&'static str] = &[$($text,)*];

            /// The descriptions of all events, in the order of their names above.
            pub const ALL: &[EventDescription] = &[$(EventDescription {
                name: $text,
                severity: Severity::$severity,
                fields: &[$($(logged_name!($field)),*)?],
                meaning: concat!($($doc),*).trim_ascii(),
            },)*];

            /// The stable name in logs and metrics.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $text,)* }
            }

            /// The user that the event is about, if one is known.
            pub fn user_id(&self) -> Option<UserId> {
                match self {
                    $(Self::$name $({ $($field),* })? => {
                        $($(let _ = $field;)*)?
                        field!(user_id in $($($field $field)*)?)
                    })*
                }
            }

            /// The session that the event is about, if there is one.
            pub fn session_id(&self) -> Option<SessionId> {
                match self {
                    $(Self::$name $({ $($field),* })? => {
                        $($(let _ = $field;)*)?
                        field!(session_id in $($($field $field)*)?)
                    })*
                }
            }

            /// The log level.
            pub const fn severity(&self) -> Severity {
                match self { $(Self::$name { .. } => Severity::$severity,)* }
            }

            /// Returns the values of the fields, as they are logged. A field that [`Details`] lacks does not compile.
            pub(crate) fn details(&self) -> Details<'_> {
                let mut details = Details::default();
                match self {
                    $(Self::$name $({ $($field),* })? => {
                        $($(details.$field = $field.logged();)*)?
                    })*
                }
                details
            }
        }
    };
}

events! {
    // ANCHOR: events
    /// A client asked to register an address.
    RegistrationRequested { account: AccountTag } = "registration_requested", Info;
    /// A user was created.
    UserCreated { user_id: UserId } = "user_created", Info;
    /// The address of a user was verified.
    EmailVerified { user_id: UserId } = "email_verified", Info;
    /// A client asked for another verification link.
    VerificationRequested { account: AccountTag } = "verification_requested", Info;
    /// A log-in succeeded.
    LogInSucceeded { user_id: UserId, session_id: SessionId } = "authn_login_success", Info;
    /// The device of a log-in that succeeded was not known at this account.
    LogInFromUnknownDevice { user_id: UserId, session_id: SessionId } = "log_in_from_unknown_device", Info;
    /// A log-in failed.
    LogInFailed {
        account: AccountTag,
        user_id: Option<UserId>,
        reason: LogInFailure,
    } = "authn_login_fail", Warn;
    /// A stored hash was replaced by a stronger hash of the same password.
    PasswordRehashed { user_id: UserId } = "password_rehashed", Info;
    /// A refresh succeeded. The generation is that of the returned token.
    SessionRenewed {
        user_id: UserId,
        session_id: SessionId,
        generation: u32,
        renewal: Renewal,
    } = "session_renewed", Info;
    /// A refresh was refused.
    RefreshRefused { reason: RefreshRefusal } = "refresh_refused", Info;
    /// A session was restored: it got an access token, and its refresh token was not rotated.
    SessionRestored { user_id: UserId, session_id: SessionId } = "session_restored", Info;
    /// A restore was refused: the refresh token is not valid, or was used before.
    RestoreRefused = "restore_refused", Info;
    /// A consumed refresh token was presented: it was copied, or its client misbehaves.
    TokenReuse {
        user_id: UserId,
        session_id: SessionId,
        presented: u32,
        current: u32,
    } = "authn_token_reuse", Error;
    /// One session ended by log-out, by revocation, or because a newer session took its place.
    SessionRevoked { user_id: UserId, session_id: SessionId } = "session_revoked", Info;
    /// The user or the service ended all sessions of a user.
    SessionsRevoked { user_id: UserId } = "sessions_revoked", Info;
    /// A client or the service asked for a reset link.
    ResetRequested { account: AccountTag } = "reset_requested", Info;
    /// A user set a new password with a mailed link.
    PasswordReset { user_id: UserId } = "password_reset", Info;
    /// A user changed the password.
    PasswordChanged { user_id: UserId, session_id: SessionId } = "authn_password_change", Info;
    /// A change of password failed because the current password was wrong.
    PasswordChangeFailed { user_id: UserId, session_id: SessionId } = "authn_password_change_fail", Warn;
    /// A user asked for a change of address and gave the right password.
    EmailChangeRequested { user_id: UserId, session_id: SessionId } = "email_change_requested", Info;
    /// A change of address failed because the current password was wrong.
    EmailChangeFailed { user_id: UserId, session_id: SessionId } = "email_change_failed", Warn;
    /// A user proved a new address, which replaced the old one.
    EmailChanged { user_id: UserId } = "email_changed", Info;
    /// A user proved a new address, but another user had taken it.
    EmailTaken { user_id: UserId } = "email_taken", Warn;
    /// A mailed token was refused.
    MailedTokenRefused { purpose: Purpose } = "mailed_token_refused", Warn;
    /// A rate limit refused a request, or silently kept a mail from being enqueued.
    RateLimited { limit: Limit } = "excess_rate_limit_exceeded", Warn;
    /// The service disabled a user.
    UserDisabled { user_id: UserId } = "user_disabled", Info;
    /// The service enabled a user again.
    UserEnabled { user_id: UserId } = "user_enabled", Info;
    /// A user changed or removed the name.
    NameChanged { user_id: UserId } = "name_changed", Info;
    /// The service or the user deleted a user, or the owner of an address deleted one who never verified it.
    UserDeleted { user_id: UserId } = "user_deleted", Info;
    /// The breach check gave no answer, and the policy accepts passwords without one.
    BreachCheckSkipped = "breach_check_skipped", Warn;
    /// A step that is not needed for safety failed.
    BestEffortFailed { what: &'static str, error: String } = "best_effort_failed", Warn;
    /// `Auth` was built.
    Started = "sys_startup", Info;
    /// A mail was sent.
    MailSent { intent_id: IntentId, mail: &'static str, attempt: u32 } = "mail_sent", Info;
    /// A mail could not be sent, and the worker will try again.
    MailRetried {
        intent_id: IntentId,
        mail: &'static str,
        attempt: u32,
        retry_in: Duration,
        error: String,
    } = "mail_retried", Warn;
    /// The worker gave up a mail, which became a dead letter.
    MailDeadLettered {
        intent_id: IntentId,
        mail: &'static str,
        attempt: u32,
        reason: String,
    } = "mail_dead_lettered", Warn;
    /// The worker dropped an intent because no mail was needed.
    MailDropped { intent_id: IntentId, mail: &'static str } = "mail_dropped", Info;
    /// The worker could not read or write the outbox, or a delivery panicked.
    OutboxFailed { error: String } = "outbox_failed", Warn;
    /// A clean-up ended.
    CleanedUp {
        sessions: u64,
        one_time_tokens: u64,
        unverified_users: u64,
        dead_letters: u64,
        finished: bool,
    } = "cleaned_up", Info;
    /// A clean-up failed.
    CleanUpFailed { error: String } = "clean_up_failed", Warn;
    // ANCHOR_END: events
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const USER: UserId = UserId::from_bytes([1; 16]);
    const SESSION: SessionId = SessionId::from_bytes([2; 16]);

    #[test]
    fn event_names_are_unique_and_in_snake_case() {
        let names: HashSet<_> = EventKind::NAMES.iter().collect();
        assert_eq!(names.len(), EventKind::NAMES.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        }
    }

    #[test]
    fn user_and_session_come_from_the_fields() {
        let reason = LogInFailure::WrongPassword;
        let account = AccountTag::new([3; 16]);
        for (event, user_id, session_id) in [
            (EventKind::BreachCheckSkipped, None, None),
            (EventKind::ResetRequested { account }, None, None),
            (EventKind::UserCreated { user_id: USER }, Some(USER), None),
            (EventKind::LogInFailed { account, user_id: None, reason }, None, None),
            (EventKind::LogInFailed { account, user_id: Some(USER), reason }, Some(USER), None),
            (EventKind::LogInSucceeded { user_id: USER, session_id: SESSION }, Some(USER), Some(SESSION)),
        ] {
            assert_eq!((event.user_id(), event.session_id()), (user_id, session_id), "{event:?}");
        }
    }
}
