//! What happened: one typed event per security-relevant step.

use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::id::{IntentId, SessionId, UserId};
use crate::limit::Limit;

/// Names an account by a keyed hash of its address: the same address always gives the same tag, and
/// the address cannot be had from it without the root secret.
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

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// When, by the injected clock.
    pub at: DateTime<Utc>,
    /// From where, if a client caused it and its address is known.
    pub ip: Option<IpAddr>,
    /// What.
    pub kind: EventKind,
}

/// Why a log-in failed. For operators only: outside, all of them look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogInFailure {
    /// No user has this address.
    UnknownAccount,
    /// The password is wrong, or the user has none.
    WrongPassword,
    /// The user is disabled.
    Disabled,
    /// The password is right but the address is not verified; the caller is told.
    NotVerified,
}

/// How a refresh was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renewal {
    /// With the same refresh token: it is younger than the least age of a rotation.
    Fresh,
    /// With a new refresh token.
    Rotated,
    /// With the token that a lost answer carried.
    Recovered,
}

/// Why a refresh got nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshRefusal {
    /// The token is not, or no longer, good. Where it was used before, [`EventKind::TokenReuse`] said so.
    InvalidToken,
    /// It lost a race, and the client holds a newer token by now.
    Superseded,
}

/// What happened. The names follow the OWASP Logging Vocabulary where it has one.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the fields say which user, session, intent or count the variant's sentence is about"
)]
pub enum EventKind {
    /// Somebody asked to register.
    RegistrationRequested { account: AccountTag },
    /// A new user was created, unverified.
    UserCreated { user_id: UserId },
    /// An address was verified.
    EmailVerified { user_id: UserId },
    /// Another verification link was asked for.
    VerificationRequested { account: AccountTag },
    /// A log-in succeeded.
    LogInSucceeded { user_id: UserId, session_id: SessionId },
    /// A log-in failed.
    LogInFailed { account: AccountTag, user_id: Option<UserId>, reason: LogInFailure },
    /// A stored hash was replaced by a stronger one of the same password.
    PasswordRehashed { user_id: UserId },
    /// A refresh token was exchanged; the generation is the one answered with.
    SessionRenewed { user_id: UserId, session_id: SessionId, generation: u32, renewal: Renewal },
    /// A refresh was refused.
    RefreshRefused { reason: RefreshRefusal },
    /// A consumed refresh token was presented: it was copied, or its client misbehaves.
    TokenReuse { user_id: UserId, session_id: SessionId, presented: u32, current: u32 },
    /// A session ended by log-out, by revocation, or because a newer one took its place.
    SessionRevoked { user_id: UserId, session_id: SessionId },
    /// All sessions of a user were ended by the user or the service.
    SessionsRevoked { user_id: UserId },
    /// A reset link was asked for.
    ResetRequested { account: AccountTag },
    /// A password was reset by mail.
    PasswordReset { user_id: UserId },
    /// A password was changed by its owner.
    PasswordChanged { user_id: UserId, session_id: SessionId },
    /// A change of password failed because the current one was wrong.
    PasswordChangeFailed { user_id: UserId, session_id: SessionId },
    /// A change of address was asked for with the right password.
    EmailChangeRequested { user_id: UserId, session_id: SessionId },
    /// A change of address failed because the current password was wrong.
    EmailChangeFailed { user_id: UserId, session_id: SessionId },
    /// A new address was proven and took the place of the old one.
    EmailChanged { user_id: UserId },
    /// A new address was proven, but by then another user had it.
    EmailTaken { user_id: UserId },
    /// A mailed token was refused.
    MailedTokenRefused { purpose: &'static str },
    /// A request was refused by a rate limit, or a mail was silently not promised.
    RateLimited { limit: Limit },
    /// A user was disabled.
    UserDisabled { user_id: UserId },
    /// A user was enabled again.
    UserEnabled { user_id: UserId },
    /// A user was deleted.
    UserDeleted { user_id: UserId },
    /// The breach check could not answer and the policy says to go on.
    BreachCheckSkipped,
    /// Something that is not needed for safety could not be done.
    BestEffortFailed { what: &'static str, error: String },
    /// `Auth` was built. Without a durable outbox, promised mails die with the process.
    Started { durable_outbox: bool },
    /// A mail was sent.
    MailSent { intent_id: IntentId, mail: &'static str, attempt: u32 },
    /// A mail could not be sent and will be tried again.
    MailRetried { intent_id: IntentId, mail: &'static str, attempt: u32, retry_in: Duration, error: String },
    /// A mail was given up and became a dead letter.
    MailDeadLettered { intent_id: IntentId, mail: &'static str, attempt: u32, reason: String },
    /// An intent spoke of nothing and was dropped.
    MailDropped { intent_id: IntentId, mail: &'static str },
    /// The outbox could not be worked on.
    OutboxFailed { error: String },
    /// A clean-up ended.
    CleanedUp {
        sessions: u64,
        one_time_tokens: u64,
        unverified_users: u64,
        dead_letters: u64,
        finished: bool,
    },
    /// A clean-up failed.
    CleanUpFailed { error: String },
}

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warn,
    /// Worth waking somebody.
    Error,
}

impl EventKind {
    /// A stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RegistrationRequested { .. } => "user_registration_requested",
            Self::UserCreated { .. } => "user_created",
            Self::EmailVerified { .. } => "user_email_verified",
            Self::VerificationRequested { .. } => "user_verification_requested",
            Self::LogInSucceeded { .. } => "authn_login_success",
            Self::LogInFailed { .. } => "authn_login_fail",
            Self::PasswordRehashed { .. } => "authn_password_rehash",
            Self::SessionRenewed { .. } => "session_renewed",
            Self::RefreshRefused { .. } => "session_renewal_refused",
            Self::TokenReuse { .. } => "authn_token_reuse",
            Self::SessionRevoked { .. } => "session_revoked",
            Self::SessionsRevoked { .. } => "sessions_revoked",
            Self::ResetRequested { .. } => "authn_password_reset_requested",
            Self::PasswordReset { .. } => "authn_password_reset",
            Self::PasswordChanged { .. } => "authn_password_change",
            Self::PasswordChangeFailed { .. } => "authn_password_change_fail",
            Self::EmailChangeRequested { .. } => "user_email_change_requested",
            Self::EmailChangeFailed { .. } => "user_email_change_fail",
            Self::EmailChanged { .. } => "user_email_changed",
            Self::EmailTaken { .. } => "user_email_taken",
            Self::MailedTokenRefused { .. } => "authn_mailed_token_refused",
            Self::RateLimited { .. } => "excess_rate_limit_exceeded",
            Self::UserDisabled { .. } => "user_disabled",
            Self::UserEnabled { .. } => "user_enabled",
            Self::UserDeleted { .. } => "user_deleted",
            Self::BreachCheckSkipped => "breach_check_skipped",
            Self::BestEffortFailed { .. } => "best_effort_failed",
            Self::Started { .. } => "sys_startup",
            Self::MailSent { .. } => "mail_sent",
            Self::MailRetried { .. } => "mail_retried",
            Self::MailDeadLettered { .. } => "mail_dead_lettered",
            Self::MailDropped { .. } => "mail_dropped",
            Self::OutboxFailed { .. } => "outbox_failed",
            Self::CleanedUp { .. } => "cleaned_up",
            Self::CleanUpFailed { .. } => "clean_up_failed",
        }
    }

    /// The user it is about, where one is known.
    pub const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::UserCreated { user_id }
            | Self::EmailVerified { user_id }
            | Self::LogInSucceeded { user_id, .. }
            | Self::PasswordRehashed { user_id }
            | Self::SessionRenewed { user_id, .. }
            | Self::TokenReuse { user_id, .. }
            | Self::SessionRevoked { user_id, .. }
            | Self::SessionsRevoked { user_id }
            | Self::PasswordReset { user_id }
            | Self::PasswordChanged { user_id, .. }
            | Self::PasswordChangeFailed { user_id, .. }
            | Self::EmailChangeRequested { user_id, .. }
            | Self::EmailChangeFailed { user_id, .. }
            | Self::EmailChanged { user_id }
            | Self::EmailTaken { user_id }
            | Self::UserDisabled { user_id }
            | Self::UserEnabled { user_id }
            | Self::UserDeleted { user_id } => Some(*user_id),
            Self::LogInFailed { user_id, .. } => *user_id,
            _ => None,
        }
    }

    /// The session it is about, where there is one.
    pub const fn session_id(&self) -> Option<SessionId> {
        match self {
            Self::LogInSucceeded { session_id, .. }
            | Self::SessionRenewed { session_id, .. }
            | Self::TokenReuse { session_id, .. }
            | Self::SessionRevoked { session_id, .. }
            | Self::PasswordChanged { session_id, .. }
            | Self::PasswordChangeFailed { session_id, .. }
            | Self::EmailChangeRequested { session_id, .. }
            | Self::EmailChangeFailed { session_id, .. } => Some(*session_id),
            _ => None,
        }
    }

    /// How loud this is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::TokenReuse { .. } => Severity::Error,
            Self::LogInFailed { .. }
            | Self::PasswordChangeFailed { .. }
            | Self::EmailChangeFailed { .. }
            | Self::EmailTaken { .. }
            | Self::MailedTokenRefused { .. }
            | Self::RateLimited { .. }
            | Self::BreachCheckSkipped
            | Self::BestEffortFailed { .. }
            | Self::Started { durable_outbox: false }
            | Self::MailRetried { .. }
            | Self::MailDeadLettered { .. }
            | Self::OutboxFailed { .. }
            | Self::CleanUpFailed { .. } => Severity::Warn,
            _ => Severity::Info,
        }
    }
}

/// Takes events: for logs, audit trails and metrics.
///
/// # Security
///
/// Events hold no secret and no e-mail address. They may hold the client's network address.
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use auth_core::{Event, EventKind, EventSink};
///
/// /// Counts thefts.
/// #[derive(Debug, Default)]
/// struct Reuses(AtomicU64);
///
/// impl EventSink for Reuses {
///     fn record(&self, event: &Event) {
///         if let EventKind::TokenReuse { .. } = event.kind {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
///
/// [`AuthBuilder::event_sink`](crate::AuthBuilder::event_sink) takes it. [`TracingSink`] logs them all.
pub trait EventSink: Debug + Send + Sync {
    /// Takes one event. Called inside requests: must not block and must not panic.
    ///
    /// # Atomicity
    ///
    /// None is asked. Events of concurrent requests come in any order, and a crash may lose the last.
    fn record(&self, event: &Event);
}

/// Whether client addresses are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAddresses {
    /// No.
    #[default]
    Omit,
    /// As they are.
    Log,
}

/// The default sink: writes `tracing` events with target `auth`, the name in the field `event`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingSink {
    addresses: ClientAddresses,
}

impl TracingSink {
    /// A sink that logs client addresses, or not.
    pub const fn new(addresses: ClientAddresses) -> Self {
        Self { addresses }
    }
}

impl EventSink for TracingSink {
    fn record(&self, event: &Event) {
        let Event { ip, kind, .. } = event;
        let client = ip.filter(|_| self.addresses == ClientAddresses::Log).map(tracing::field::display);
        let user = kind.user_id().map(tracing::field::display);
        let session = kind.session_id().map(tracing::field::display);
        let name = kind.name();
        match kind.severity() {
            Severity::Info => {
                tracing::info!(target: "auth", event = name, client, user, session, details = ?kind);
            }
            Severity::Warn => {
                tracing::warn!(target: "auth", event = name, client, user, session, details = ?kind);
            }
            Severity::Error => {
                tracing::error!(target: "auth", event = name, client, user, session, details = ?kind);
            }
        }
    }
}
