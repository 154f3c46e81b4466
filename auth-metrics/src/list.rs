//! The list of metrics: the one place where each has its name, its text and the values of its labels.

use auth_core::store::MailRequest;
use auth_core::{EventKind, Limit, LogInFailure, Purpose, RefreshRefusal, Renewal};
use metrics::{Label, Unit, counter, describe_counter, describe_gauge, describe_histogram};

/// A label and all its values.
type Values = (&'static str, fn() -> Vec<&'static str>);

/// One counter.
pub(crate) struct Counter {
    pub(crate) name: &'static str,
    text: &'static str,
    labels: &'static [Values],
}

impl Counter {
    /// Adds to the series with these values, which are in the order of the labels.
    pub(crate) fn add(&self, values: &[&'static str], by: u64) {
        let labels = self.labels.iter().zip(values);
        let labels: Vec<_> = labels.map(|(&(key, _), &value)| Label::from_static_parts(key, value)).collect();
        counter!(self.name, labels).increment(by);
    }

    /// Starts the series of each combination of values at 0.
    fn start(&self) {
        let start = vec![Vec::new()];
        let series = self.labels.iter().fold(start, |series, &(key, values)| {
            let longer = |series: &Vec<Label>, value| {
                [series.as_slice(), &[Label::from_static_parts(key, value)]].concat()
            };
            series
                .iter()
                .flat_map(|series| values().into_iter().map(move |value| longer(series, value)))
                .collect()
        });
        for labels in series {
            counter!(self.name, labels).increment(0);
        }
    }
}

macro_rules! metrics {
    (
        counters { $($counter:ident = $counter_name:literal, $counter_text:literal
            $(, $label:literal: $values:expr)*;)* }
        gauges { $($gauge:ident = $gauge_name:literal, $unit:ident, $gauge_text:literal;)* }
        histograms { $($histogram:ident = $histogram_name:literal, $histogram_text:literal;)* }
    ) => {
        $(pub(crate) const $counter: Counter = Counter {
            name: $counter_name,
            text: $counter_text,
            labels: &[$(($label, || $values)),*],
        };)*
        $(pub(crate) const $gauge: &str = $gauge_name;)*
        $(pub(crate) const $histogram: &str = $histogram_name;)*

        /// Describes each metric to the installed recorder, and starts each counter at 0.
        ///
        /// Call it once, after the recorder is installed. Prometheus cannot see that a counter rose if
        /// its first sample is 1.
        pub fn describe() {
            $(
                describe_counter!($counter_name, Unit::Count, $counter.text);
                $counter.start();
            )*
            $(describe_gauge!($gauge_name, Unit::$unit, $gauge_text);)*
            $(describe_histogram!($histogram_name, Unit::Seconds, $histogram_text);)*
        }
    };
}

metrics! {
    counters {
        EVENTS = "auth_events_total", "Events by name.",
            "event": EventKind::NAMES.to_vec();
        LOG_INS = "auth_log_ins_total", "Log-ins by outcome.",
            "outcome": [vec!["success"], names(LogInFailure::ALL, LogInFailure::as_str)].concat();
        REFRESHES = "auth_refreshes_total", "Refreshes by decision.",
            "decision": [
                names(Renewal::ALL, Renewal::as_str),
                names(RefreshRefusal::ALL, RefreshRefusal::as_str),
            ]
            .concat();
        MAILED_TOKENS_REFUSED = "auth_mailed_tokens_refused_total", "Refused mailed tokens by purpose.",
            "purpose": names(Purpose::ALL, Purpose::as_str);
        RATE_LIMIT_REFUSALS = "auth_rate_limit_refusals_total",
            "Requests refused, and mails not enqueued, by rate limit.",
            "limit": names(Limit::ALL, Limit::name);
        MAILS = "auth_mails_total", "Attempts to send a mail, by outcome.",
            "mail": MailRequest::NAMES.to_vec(),
            "outcome": vec!["sent", "retried", "dead_letter", "dropped"];
        CLEAN_UPS = "auth_clean_ups_total", "Clean-ups by outcome.",
            "outcome": vec!["finished", "out_of_time", "failed"];
        CLEAN_UP_DELETED = "auth_clean_up_deleted_total", "Records that clean-ups deleted.",
            "kind": vec!["session", "one_time_token", "unverified_user", "dead_letter"];
        HASHING_HASHES = "auth_hashing_hashes_total", "Argon2 work, in hashes of the current parameters.";
        HASHING_JOBS = "auth_hashing_jobs_total", "Password hashes that a thread began.";
        HASHING_REFUSALS = "auth_hashing_refusals_total", "Password hashes refused because the queue was full.";
    }
    gauges {
        HASHING_QUEUE = "auth_hashing_queue", Count, "Password hashes waiting for a thread.";
        HASHING_WAIT = "auth_hashing_wait_seconds", Seconds, "Mean wait for a thread since the last sample.";
        OUTBOX_QUEUED = "auth_outbox_queued", Count, "Mails that wait to be sent.";
        OUTBOX_OLDEST = "auth_outbox_oldest_seconds", Seconds, "Age of the oldest mail that waits to be sent.";
        OUTBOX_DEAD_LETTERS = "auth_outbox_dead_letters", Count, "Dead letters.";
    }
    histograms {
        MAILER = "auth_mailer_seconds", "Calls of the mailer by outcome.";
        STORE = "auth_store_seconds", "Calls of stores and rate limiter by operation and outcome.";
    }
}

/// The names of all values of a type.
fn names<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().copied().map(name).collect()
}
