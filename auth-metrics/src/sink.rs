//! Counts events.

use auth_core::{Event, EventKind, EventSink};

use crate::list::{
    CLEAN_UP_DELETED, CLEAN_UPS, EVENTS, LOG_INS, MAILED_TOKENS_REFUSED, MAILS, RATE_LIMIT_REFUSALS,
    REFRESHES,
};

/// Counts every event by its name and passes it to another sink.
///
/// The other sink is usually a [`TracingSink`](auth_core::TracingSink).
///
/// # Security
///
/// No label names a user, a session or a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricsSink<S> {
    next: S,
}

impl<S: EventSink> MetricsSink<S> {
    /// Creates a sink that counts each event and then passes it to `next`.
    pub const fn new(next: S) -> Self {
        Self { next }
    }
}

impl<S: EventSink> EventSink for MetricsSink<S> {
    fn record(&self, event: &Event) {
        EVENTS.add(&[event.kind.name()], 1);
        count_details(&event.kind);
        self.next.record(event);
    }
}

/// Counts what the name of an event does not say.
fn count_details(kind: &EventKind) {
    match kind {
        EventKind::LogInSucceeded { .. } => LOG_INS.add(&["success"], 1),
        EventKind::LogInFailed { reason, .. } => LOG_INS.add(&[reason.as_str()], 1),
        EventKind::SessionRenewed { renewal, .. } => REFRESHES.add(&[renewal.as_str()], 1),
        EventKind::RefreshRefused { reason } => REFRESHES.add(&[reason.as_str()], 1),
        EventKind::MailedTokenRefused { purpose } => MAILED_TOKENS_REFUSED.add(&[purpose.as_str()], 1),
        EventKind::RateLimited { limit } => RATE_LIMIT_REFUSALS.add(&[limit.name()], 1),
        EventKind::MailSent { mail, .. } => MAILS.add(&[mail, "sent"], 1),
        EventKind::MailRetried { mail, .. } => MAILS.add(&[mail, "retried"], 1),
        EventKind::MailDeadLettered { mail, .. } => MAILS.add(&[mail, "dead_letter"], 1),
        EventKind::MailDropped { mail, .. } => MAILS.add(&[mail, "dropped"], 1),
        EventKind::CleanedUp { sessions, one_time_tokens, unverified_users, dead_letters, finished } => {
            CLEAN_UPS.add(&[if *finished { "finished" } else { "out_of_time" }], 1);
            CLEAN_UP_DELETED.add(&["session"], *sessions);
            CLEAN_UP_DELETED.add(&["one_time_token"], *one_time_tokens);
            CLEAN_UP_DELETED.add(&["unverified_user"], *unverified_users);
            CLEAN_UP_DELETED.add(&["dead_letter"], *dead_letters);
        }
        EventKind::CleanUpFailed { .. } => CLEAN_UPS.add(&["failed"], 1),
        // The name says it all.
        EventKind::RegistrationRequested { .. }
        | EventKind::UserCreated { .. }
        | EventKind::EmailVerified { .. }
        | EventKind::VerificationRequested { .. }
        | EventKind::LogInFromUnknownDevice { .. }
        | EventKind::NameChanged { .. }
        | EventKind::PasswordRehashed { .. }
        | EventKind::SessionRestored { .. }
        | EventKind::RestoreRefused
        | EventKind::TokenReuse { .. }
        | EventKind::SessionRevoked { .. }
        | EventKind::SessionsRevoked { .. }
        | EventKind::ResetRequested { .. }
        | EventKind::PasswordReset { .. }
        | EventKind::PasswordChanged { .. }
        | EventKind::PasswordChangeFailed { .. }
        | EventKind::EmailChangeRequested { .. }
        | EventKind::EmailChangeFailed { .. }
        | EventKind::EmailChanged { .. }
        | EventKind::EmailTaken { .. }
        | EventKind::UserDisabled { .. }
        | EventKind::UserEnabled { .. }
        | EventKind::UserDeleted { .. }
        | EventKind::BreachCheckSkipped
        | EventKind::BestEffortFailed { .. }
        | EventKind::Started
        | EventKind::OutboxFailed { .. } => {}
    }
}
