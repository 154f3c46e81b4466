use auth_core::{Event, EventKind, EventSink, LogInFailure, RefreshRefusal, Renewal};
use metrics::{Label, counter};

/// Counts events and hands each on to another sink, usually a [`TracingSink`](auth_core::TracingSink).
///
/// # Security
///
/// Counters have no label that names a user, a session or a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricsSink<S> {
    next: S,
}

impl<S: EventSink> MetricsSink<S> {
    /// Counts, then passes events on to `next`.
    pub const fn new(next: S) -> Self {
        Self { next }
    }
}

impl<S: EventSink> EventSink for MetricsSink<S> {
    fn record(&self, event: &Event) {
        count(&event.kind);
        self.next.record(event);
    }
}

fn count(kind: &EventKind) {
    match kind {
        EventKind::CleanedUp { sessions, one_time_tokens, unverified_users, dead_letters, finished } => {
            let ended = if *finished { "finished" } else { "out_of_time" };
            add("auth_clean_ups_total", &[("outcome", ended)], 1);
            for (what, deleted) in [
                ("session", sessions),
                ("one_time_token", one_time_tokens),
                ("unverified_user", unverified_users),
                ("dead_letter", dead_letters),
            ] {
                add("auth_clean_up_deleted_total", &[("kind", what)], *deleted);
            }
        }
        EventKind::MailSent { mail, .. } => count_mail(mail, "sent"),
        EventKind::MailRetried { mail, .. } => count_mail(mail, "retried"),
        EventKind::MailDeadLettered { mail, .. } => count_mail(mail, "dead"),
        EventKind::MailDropped { mail, .. } => count_mail(mail, "dropped"),
        kind => match labelled(kind) {
            Some((name, label, value)) => add(name, &[(label, value)], 1),
            None => plain(kind).into_iter().for_each(|name| add(name, &[], 1)),
        },
    }
}

fn count_mail(mail: &'static str, outcome: &'static str) {
    add("auth_mails_total", &[("mail", mail), ("outcome", outcome)], 1);
}

/// The counter, label and value of an event that has one label.
const fn labelled(kind: &EventKind) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match kind {
        EventKind::LogInSucceeded { .. } => ("auth_log_ins_total", "outcome", "success"),
        EventKind::LogInFailed { reason, .. } => ("auth_log_ins_total", "outcome", failure(*reason)),
        EventKind::SessionRenewed { renewal, .. } => ("auth_refreshes_total", "decision", renewed(*renewal)),
        EventKind::RefreshRefused { reason } => ("auth_refreshes_total", "decision", refused(*reason)),
        EventKind::PasswordChanged { .. } => ("auth_password_changes_total", "outcome", "success"),
        EventKind::PasswordChangeFailed { .. } => {
            ("auth_password_changes_total", "outcome", "wrong_password")
        }
        EventKind::EmailChangeRequested { .. } => ("auth_email_changes_total", "outcome", "requested"),
        EventKind::EmailChangeFailed { .. } => ("auth_email_changes_total", "outcome", "wrong_password"),
        EventKind::EmailChanged { .. } => ("auth_email_changes_total", "outcome", "success"),
        EventKind::EmailTaken { .. } => ("auth_email_changes_total", "outcome", "taken"),
        EventKind::MailedTokenRefused { purpose } => ("auth_mailed_tokens_refused_total", "purpose", purpose),
        EventKind::RateLimited { limit } => ("auth_rate_limit_refusals_total", "limit", limit.name()),
        EventKind::UserDisabled { .. } => ("auth_account_changes_total", "change", "disabled"),
        EventKind::UserEnabled { .. } => ("auth_account_changes_total", "change", "enabled"),
        EventKind::UserDeleted { .. } => ("auth_account_changes_total", "change", "deleted"),
        EventKind::CleanUpFailed { .. } => ("auth_clean_ups_total", "outcome", "failed"),
        _ => return None,
    })
}

/// The counter of an event that has no label.
const fn plain(kind: &EventKind) -> Option<&'static str> {
    Some(match kind {
        EventKind::RegistrationRequested { .. } => "auth_registrations_requested_total",
        EventKind::UserCreated { .. } => "auth_users_created_total",
        EventKind::EmailVerified { .. } => "auth_emails_verified_total",
        EventKind::VerificationRequested { .. } => "auth_verifications_requested_total",
        EventKind::PasswordRehashed { .. } => "auth_password_rehashes_total",
        EventKind::TokenReuse { .. } => "auth_token_reuses_total",
        EventKind::SessionRevoked { .. } => "auth_sessions_revoked_total",
        EventKind::SessionsRevoked { .. } => "auth_users_logged_out_everywhere_total",
        EventKind::ResetRequested { .. } => "auth_password_resets_requested_total",
        EventKind::PasswordReset { .. } => "auth_password_resets_total",
        EventKind::BreachCheckSkipped => "auth_breach_checks_skipped_total",
        EventKind::BestEffortFailed { .. } => "auth_best_effort_failures_total",
        EventKind::OutboxFailed { .. } => "auth_outbox_failures_total",
        _ => return None,
    })
}

const fn failure(reason: LogInFailure) -> &'static str {
    match reason {
        LogInFailure::UnknownAccount => "unknown_account",
        LogInFailure::WrongPassword => "wrong_password",
        LogInFailure::Disabled => "disabled",
        LogInFailure::NotVerified => "not_verified",
    }
}

const fn renewed(renewal: Renewal) -> &'static str {
    match renewal {
        Renewal::Fresh => "fresh",
        Renewal::Rotated => "rotated",
        Renewal::Recovered => "recovered",
    }
}

const fn refused(reason: RefreshRefusal) -> &'static str {
    match reason {
        RefreshRefusal::InvalidToken => "refused",
        RefreshRefusal::Superseded => "superseded",
    }
}

fn add(name: &'static str, labels: &[(&'static str, &'static str)], by: u64) {
    let labels: Vec<Label> =
        labels.iter().map(|&(key, value)| Label::from_static_parts(key, value)).collect();
    counter!(name, labels).increment(by);
}
