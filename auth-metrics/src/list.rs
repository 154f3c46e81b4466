use metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram};

/// The labels of a counter, each with all its words.
type Labels = &'static [(&'static str, &'static [&'static str])];

const MAILS: [&str; 8] = [
    "registration",
    "verification",
    "password_reset",
    "password_changed",
    "change_email",
    "email_changed",
    "sessions_ended",
    "unreadable",
];

/// The names of the limits are the policy's.
const ANY_LIMIT: Labels = &[("limit", &[])];

/// What is counted.
const COUNTERS: [(&str, &str, Labels); 26] = [
    (
        "auth_account_changes_total",
        "Users disabled, enabled and deleted by the service.",
        &[("change", &["disabled", "enabled", "deleted"])],
    ),
    ("auth_breach_checks_skipped_total", "Breach checks that could not answer and were passed over.", &[]),
    (
        "auth_clean_up_deleted_total",
        "Records that clean-ups deleted.",
        &[("kind", &["session", "one_time_token", "unverified_user", "dead_letter"])],
    ),
    (
        "auth_clean_ups_total",
        "Clean-ups by how they ended.",
        &[("outcome", &["finished", "out_of_time", "failed"])],
    ),
    (
        "auth_email_changes_total",
        "Changes of address by how far they came.",
        &[("outcome", &["requested", "wrong_password", "success", "taken"])],
    ),
    ("auth_emails_verified_total", "Addresses verified.", &[]),
    ("auth_hashing_hashes_total", "Argon2 work, in hashes of the current parameters.", &[]),
    ("auth_hashing_jobs_total", "Password hashes that a thread came to.", &[]),
    ("auth_hashing_refusals_total", "Password hashes turned away because the queue was full.", &[]),
    (
        "auth_log_ins_total",
        "Log-ins by outcome.",
        &[("outcome", &["success", "unknown_account", "wrong_password", "disabled", "not_verified"])],
    ),
    (
        "auth_mailed_tokens_refused_total",
        "Mailed links that opened nothing.",
        &[("purpose", &["verify_email", "reset_password", "change_email"])],
    ),
    (
        "auth_mails_total",
        "Mails by what became of one attempt.",
        &[("mail", &MAILS), ("outcome", &["sent", "retried", "dead", "dropped"])],
    ),
    ("auth_outbox_failures_total", "Times that the outbox could not be worked on.", &[]),
    (
        "auth_password_changes_total",
        "Password changes by outcome.",
        &[("outcome", &["success", "wrong_password"])],
    ),
    ("auth_password_rehashes_total", "Stored hashes replaced by stronger ones.", &[]),
    ("auth_password_resets_requested_total", "Reset links asked for.", &[]),
    ("auth_password_resets_total", "Passwords reset.", &[]),
    (
        "auth_rate_limit_refusals_total",
        "Requests refused, or mails not promised, by a rate limit.",
        ANY_LIMIT,
    ),
    (
        "auth_refreshes_total",
        "Refreshes by what was decided.",
        &[("decision", &["fresh", "rotated", "recovered", "refused", "superseded"])],
    ),
    ("auth_registrations_requested_total", "Registrations asked for.", &[]),
    ("auth_sessions_revoked_total", "Sessions ended one by one: log-out, revocation, displacement.", &[]),
    ("auth_best_effort_failures_total", "Steps not needed for safety that could not be done.", &[]),
    ("auth_token_reuses_total", "Consumed refresh tokens that were presented again.", &[]),
    ("auth_users_created_total", "Users created.", &[]),
    ("auth_users_logged_out_everywhere_total", "Times that all sessions of a user were ended.", &[]),
    ("auth_verifications_requested_total", "Further verification links asked for.", &[]),
];

/// What is measured now and then.
const GAUGES: [(&str, Unit, &str); 5] = [
    ("auth_hashing_queue", Unit::Count, "Password hashes waiting for a thread."),
    ("auth_hashing_wait_seconds", Unit::Seconds, "Mean wait for a thread since the sample before."),
    ("auth_outbox_dead", Unit::Count, "Dead letters."),
    ("auth_outbox_oldest_seconds", Unit::Seconds, "Age of the oldest mail that is not settled."),
    ("auth_outbox_queued", Unit::Count, "Mails that are not settled."),
];

/// What is timed.
const HISTOGRAMS: [(&str, &str); 2] = [
    ("auth_mailer_seconds", "Calls of the mailer by outcome."),
    ("auth_store_seconds", "Calls of stores and rate limiter by operation and outcome."),
];

/// Tells the installed recorder what each metric says, and starts each counter at 0: of one that is first seen
/// at 1, nobody could tell that it rose. Call it once the recorder is installed.
pub fn describe() {
    for (name, text, labels) in COUNTERS {
        describe_counter!(name, Unit::Count, text);
        for series in series(labels) {
            counter!(name, series).increment(0);
        }
    }
    for (name, unit, text) in GAUGES {
        describe_gauge!(name, unit, text);
    }
    for (name, text) in HISTOGRAMS {
        describe_histogram!(name, Unit::Seconds, text);
    }
}

/// Every combination of the words.
fn series(labels: Labels) -> Vec<Vec<Label>> {
    labels.iter().fold(vec![Vec::new()], |series, &(key, words)| {
        let longer = |series: &Vec<Label>, word| [&**series, &[Label::from_static_parts(key, word)]].concat();
        series.iter().flat_map(|series| words.iter().map(move |word| longer(series, word))).collect()
    })
}
