//! A recorder of one test, and a run that records every metric.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::store::{
    MailRequest, Outbox as _, StoreError, StoreErrorKind, TokenStore as _, UserStore as _,
};
use auth_core::{
    AccountTag, AcquireOutcome, Auth, Bucket, Client, Event, EventKind, EventSink, IntentId, Limit,
    LogInFailure, Mail, MailError, MailErrorKind, Mailbox, Mailer, MemoryStore, Message, Policy, Purpose,
    RateLimiter, RefreshRefusal, Renewal, Rule, SessionId, UserId,
};
use auth_metrics::{MetricsSink, Sampler, Timed, describe};
use auth_testkit::{Fault, Faulty, cheap_hashing};
use chrono::DateTime;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

pub(crate) const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";

/// One recorded metric.
pub(crate) struct Metric {
    pub(crate) kind: String,
    pub(crate) described: bool,
    pub(crate) labels: BTreeMap<String, BTreeSet<String>>,
    /// The sum of a counter or gauge, the number of measurements of a histogram, by labels.
    pub(crate) values: BTreeMap<String, f64>,
}

pub(crate) type Metrics = BTreeMap<String, Metric>;

/// Runs the work with a new recorder and returns the recorded metrics. The metrics are described afterwards:
/// the series that `describe` starts would hide those that nothing counts.
pub(crate) fn record(work: impl Future<Output = ()>) -> Metrics {
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().start_paused(true).build().unwrap().block_on(work);
    });
    let mut found = snapshot(&recorder);
    metrics::with_local_recorder(&recorder, describe);
    for (name, described) in snapshot(&recorder) {
        if let Some(metric) = found.get_mut(&name) {
            metric.described = described.described;
        }
    }
    found
}

/// The metrics that `describe` starts, before any event.
pub(crate) fn described() -> Metrics {
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, describe);
    snapshot(&recorder)
}

fn snapshot(recorder: &DebuggingRecorder) -> Metrics {
    let mut found = Metrics::new();
    for (key, _, description, value) in recorder.snapshotter().snapshot().into_vec() {
        let (kind, value) = match value {
            DebugValue::Counter(count) => ("counter", f64::from(u32::try_from(count).unwrap())),
            DebugValue::Gauge(value) => ("gauge", value.into_inner()),
            DebugValue::Histogram(values) => ("histogram", f64::from(u32::try_from(values.len()).unwrap())),
        };
        let (_, key) = key.into_parts();
        let metric = found.entry(key.name().to_owned()).or_insert_with(|| Metric {
            kind: kind.to_owned(),
            described: description.is_some(),
            labels: BTreeMap::new(),
            values: BTreeMap::new(),
        });
        let mut words = Vec::new();
        for label in key.labels() {
            metric.labels.entry(label.key().to_owned()).or_default().insert(label.value().to_owned());
            words.push(label.value());
        }
        metric.values.insert(words.join(" "), value);
    }
    found
}

/// Fails at every call, in one way.
#[derive(Debug)]
struct Fails(StoreErrorKind, MailErrorKind);

impl Fails {
    fn store<T>(&self) -> Result<T, StoreError> {
        Err(match self.0 {
            StoreErrorKind::Unavailable => StoreError::unavailable("on purpose"),
            StoreErrorKind::Conflict => StoreError::conflict("on purpose"),
            StoreErrorKind::Corrupt => StoreError::corrupt("on purpose"),
        })
    }
}

#[async_trait]
impl RateLimiter for Fails {
    async fn acquire(&self, _: &Bucket, _: &Rule) -> Result<AcquireOutcome, StoreError> {
        self.store()
    }
    async fn release(&self, _: &Bucket, _: &Rule) -> Result<(), StoreError> {
        self.store()
    }
    async fn reset(&self, _: &Bucket, _: &Rule) -> Result<(), StoreError> {
        self.store()
    }
}

#[async_trait]
impl Mailer for Fails {
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        Err(MailError::new(self.1, "on purpose"))
    }
}

/// Stores the account of the last event that named one.
#[derive(Debug, Clone, Default)]
struct LastAccount(Arc<Mutex<Option<AccountTag>>>);

impl EventSink for LastAccount {
    fn record(&self, event: &Event) {
        if let EventKind::ResetRequested { account } = event.kind {
            *self.0.lock().unwrap() = Some(account);
        }
    }
}

/// Every metric with every value of its labels.
pub(crate) fn everything() -> Metrics {
    record(async {
        let last = LastAccount::default();
        let mut policy = Policy::default();
        policy.hashing = cheap_hashing();
        let (store, sink) = (MemoryStore::new(), MetricsSink::new(last.clone()));
        let builder = Auth::builder(store, Mailbox::new());
        let auth = builder.event_sink(sink).policy(policy).secret(SECRET).build().unwrap();
        auth.forgot_password("ada@example.com", &Client::unknown()).await.unwrap();
        let account = last.0.lock().unwrap().unwrap();
        for kind in all_events(account) {
            MetricsSink::new(last.clone()).record(&Event { at: DateTime::UNIX_EPOCH, ip: None, kind });
        }
        Sampler::new(auth).sample().await.unwrap();
        all_calls().await;
    })
}

fn all_events(account: AccountTag) -> Vec<EventKind> {
    let (user_id, session_id) = (UserId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
    let (intent_id, error) = (IntentId::from_bytes([3; 16]), || "on purpose".to_owned());
    let mut events = vec![
        EventKind::RegistrationRequested { account },
        EventKind::UserCreated { user_id },
        EventKind::EmailVerified { user_id },
        EventKind::VerificationRequested { account },
        EventKind::LogInSucceeded { user_id, session_id },
        EventKind::LogInFromUnknownDevice { user_id, session_id },
        EventKind::PasswordRehashed { user_id },
        EventKind::SessionRestored { user_id, session_id },
        EventKind::RestoreRefused,
        EventKind::TokenReuse { user_id, session_id, presented: 1, current: 2 },
        EventKind::SessionRevoked { user_id, session_id },
        EventKind::SessionsRevoked { user_id },
        EventKind::ResetRequested { account },
        EventKind::PasswordReset { user_id },
        EventKind::PasswordChanged { user_id, session_id },
        EventKind::PasswordChangeFailed { user_id, session_id },
        EventKind::EmailChangeRequested { user_id, session_id },
        EventKind::EmailChangeFailed { user_id, session_id },
        EventKind::EmailChanged { user_id },
        EventKind::EmailTaken { user_id },
        EventKind::UserDisabled { user_id },
        EventKind::UserEnabled { user_id },
        EventKind::NameChanged { user_id },
        EventKind::UserDeleted { user_id },
        EventKind::BreachCheckSkipped,
        EventKind::BestEffortFailed { what: "delete a spent token", error: error() },
        EventKind::Started,
        EventKind::OutboxFailed { error: error() },
        EventKind::CleanUpFailed { error: error() },
    ];
    events.extend(Purpose::ALL.iter().map(|&purpose| EventKind::MailedTokenRefused { purpose }));
    events.extend(Limit::ALL.iter().map(|&limit| EventKind::RateLimited { limit }));
    for &reason in LogInFailure::ALL {
        events.push(EventKind::LogInFailed { account, user_id: None, reason });
    }
    for &renewal in Renewal::ALL {
        events.push(EventKind::SessionRenewed { user_id, session_id, generation: 1, renewal });
    }
    events.extend(RefreshRefusal::ALL.iter().map(|&reason| EventKind::RefreshRefused { reason }));
    for finished in [true, false] {
        let (sessions, one_time_tokens, unverified_users, dead_letters) = (1, 2, 3, 4);
        events.push(EventKind::CleanedUp {
            sessions,
            one_time_tokens,
            unverified_users,
            dead_letters,
            finished,
        });
    }
    for &mail in MailRequest::NAMES {
        let (attempt, retry_in) = (1, Duration::ZERO);
        events.extend([
            EventKind::MailSent { intent_id, mail, attempt },
            EventKind::MailRetried { intent_id, mail, attempt, retry_in, error: error() },
            EventKind::MailDeadLettered { intent_id, mail, attempt, reason: error() },
            EventKind::MailDropped { intent_id, mail },
        ]);
    }
    events
}

/// A call of each kind of store, with each outcome.
async fn all_calls() {
    let (nobody, nothing) = (UserId::from_bytes([9; 16]), IntentId::from_bytes([9; 16]));
    let store = Timed::new(MemoryStore::new());
    assert!(store.find_by_id(nobody).await.unwrap().is_none());
    assert!(store.find_one_time(nothing).await.unwrap().is_none());
    assert!(store.find_dead_letter(nothing).await.unwrap().is_none());
    let bucket = Bucket { limit: "log_in_account", key: [0; 16] };
    let rule = Rule::Quota { count: 1, window: Duration::from_secs(1) };
    let message = Message::PasswordChanged { at: DateTime::UNIX_EPOCH };
    let to = auth_core::Email::parse("ada@example.com").unwrap();
    let mail = Mail { id: nothing, to, name: None, message, languages: None };
    for (store, mailer) in [
        (StoreErrorKind::Unavailable, MailErrorKind::Transient),
        (StoreErrorKind::Conflict, MailErrorKind::Permanent),
        (StoreErrorKind::Corrupt, MailErrorKind::Unknown),
    ] {
        let fails = Timed::new(Fails(store, mailer));
        assert_eq!(fails.acquire(&bucket, &rule).await.unwrap_err().kind(), store);
        assert_eq!(fails.send(&mail).await.unwrap_err().kind(), mailer);
    }
    Timed::new(Mailbox::new()).send(&mail).await.unwrap();
    let hangs = Faulty::new(Mailbox::new());
    hangs.fail_every_call(Fault::Hang);
    let given_up = tokio::time::timeout(Duration::from_secs(1), Timed::new(hangs).send(&mail)).await;
    assert!(given_up.is_err());
    let hangs = Faulty::new(MemoryStore::new());
    hangs.fail_every_call(Fault::Hang);
    let store = Timed::new(hangs);
    let given_up = tokio::time::timeout(Duration::from_secs(1), store.find_by_id(nobody)).await;
    assert!(given_up.is_err());
}
