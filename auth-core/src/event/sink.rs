//! Where events go: the sink of a service, and the default sink, which logs.

use std::fmt::Debug;

use super::details::log_details;
use super::{Event, Severity};

/// Receives events, for logs, audit trails and metrics.
///
/// [`AuthBuilder::event_sink`](crate::AuthBuilder::event_sink) sets the sink. [`TracingSink`] logs every
/// event.
///
/// # Security
///
/// Events hold no secret and no e-mail address. They may hold the client's network address.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use auth_core::{Event, EventKind, EventSink};
///
/// /// Counts reused refresh tokens.
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
pub trait EventSink: Debug + Send + Sync {
    /// Receives one event. `Auth` calls it inside requests: it must not block and must not panic.
    ///
    /// # Atomicity
    ///
    /// None. Events of concurrent requests arrive in any order, and a crash may lose the last ones.
    fn record(&self, event: &Event);
}

/// Whether client addresses are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAddresses {
    /// Logs no client address.
    #[default]
    Omit,
    /// Logs client addresses unchanged.
    Log,
}

/// The default sink: writes `tracing` events with target `auth`, the name in the field `event`, and one field for each
/// value. [`EventKind::ALL`](super::EventKind::ALL) lists them.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingSink {
    addresses: ClientAddresses,
}

impl TracingSink {
    /// Creates a sink that logs or omits client addresses.
    pub const fn new(addresses: ClientAddresses) -> Self {
        Self { addresses }
    }
}

impl EventSink for TracingSink {
    fn record(&self, event: &Event) {
        let Event { ip, kind, .. } = event;
        let client = ip.filter(|_| self.addresses == ClientAddresses::Log).map(tracing::field::display);
        let (name, details) = (kind.name(), kind.details());
        match kind.severity() {
            Severity::Info => log_details!(INFO, name, client, details),
            Severity::Warn => log_details!(WARN, name, client, details),
            Severity::Error => log_details!(ERROR, name, client, details),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use chrono::DateTime;
    use tracing::Subscriber;
    use tracing::field::{Field, Visit};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::{Context, SubscriberExt as _};

    use super::*;
    use crate::event::{AccountTag, EventKind, LogInFailure};
    use crate::id::{IntentId, SessionId, UserId};

    /// The fields of one line, and how each was recorded.
    #[derive(Debug, Clone, Default)]
    struct Line(Arc<Mutex<BTreeMap<&'static str, String>>>);

    impl Line {
        fn add(&mut self, field: &Field, value: String) {
            assert_eq!(self.0.lock().unwrap().insert(field.name(), value), None);
        }
    }

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.add(field, format!("{value:?}"));
        }
        fn record_str(&mut self, field: &Field, value: &str) {
            self.add(field, format!("text {value}"));
        }
        fn record_u64(&mut self, field: &Field, value: u64) {
            self.add(field, format!("number {value}"));
        }
        fn record_f64(&mut self, field: &Field, value: f64) {
            self.add(field, format!("number {value}"));
        }
        fn record_bool(&mut self, field: &Field, value: bool) {
            self.add(field, format!("answer {value}"));
        }
    }

    impl<S: Subscriber> Layer<S> for Line {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            event.record(&mut self.clone());
        }
    }

    fn logged(addresses: ClientAddresses, kind: EventKind) -> BTreeMap<&'static str, String> {
        let line = Line::default();
        let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let ip = "192.0.2.1".parse().ok();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(line.clone()), || {
            TracingSink::new(addresses).record(&Event { at, ip, kind });
        });
        let fields = line.0.lock().unwrap();
        fields.clone()
    }

    #[test]
    fn each_value_of_an_event_is_one_field() {
        let (user_id, session_id) = (UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let (intent_id, account) = (IntentId::from_bytes([4; 16]), AccountTag::new([3; 16]));
        let (user, session) = (user_id.to_string(), session_id.to_string());
        let reason = LogInFailure::WrongPassword;
        let retried = EventKind::MailRetried {
            intent_id,
            mail: "verify_email",
            attempt: 2,
            retry_in: Duration::from_millis(1500),
            error: "refused".to_owned(),
        };
        for (kind, expected) in [
            (
                EventKind::LogInFailed { account, user_id: Some(user_id), reason },
                vec![("account", "0303030303030303"), ("reason", "text wrong_password"), ("user", &user)],
            ),
            (
                EventKind::LogInFailed { account, user_id: None, reason },
                vec![("account", "0303030303030303"), ("reason", "text wrong_password")],
            ),
            (
                EventKind::TokenReuse { user_id, session_id, presented: 1, current: 2 },
                vec![
                    ("user", &user),
                    ("session", &session),
                    ("presented", "number 1"),
                    ("current", "number 2"),
                ],
            ),
            (
                retried,
                vec![
                    ("intent", &intent_id.to_string()),
                    ("mail", "text verify_email"),
                    ("attempt", "number 2"),
                    ("retry_in", "number 1.5"),
                    ("error", "text refused"),
                ],
            ),
            (EventKind::BreachCheckSkipped, vec![]),
        ] {
            let name = format!("text {}", kind.name());
            let mut expected: BTreeMap<_, _> =
                expected.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            let described = EventKind::ALL.iter().find(|one| one.name == kind.name()).unwrap();
            assert!(expected.keys().all(|name| described.fields.contains(name)), "{described:?}");
            expected.insert("event", name);
            assert_eq!(logged(ClientAddresses::Omit, kind.clone()), expected);
            expected.insert("client", "192.0.2.1".to_owned());
            assert_eq!(logged(ClientAddresses::Log, kind), expected);
        }
    }
}
