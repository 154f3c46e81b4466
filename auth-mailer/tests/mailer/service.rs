//! Mailers, and services that use them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_core::store::Store;
use auth_core::{
    Auth, Client, Email, Event, EventKind, EventSink, IntentId, Mail, Mailer, MemoryStore, Message, Name,
    Password, Policy, RateLimits,
};
use auth_mailer::{Links, Plaintext, SmtpMailer, SmtpSettings, Templates};
use auth_testkit::cheap_hashing;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::servers::sink;

/// Random text from a generator, used nowhere else.
pub(crate) const SECRET: &str = "r8Yt2Lw5Qz9Xc4Vn7Bm1Kd6Hf3Gj0PsA";
pub(crate) const PASSWORD: &str = "seventeen blue herons";

/// The timeout of a mailer in the tests.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn templates() -> Templates {
    let links = Links::new("https://app.lighthouse.example").unwrap();
    Templates::builder(links).product_name("Lighthouse").build().unwrap()
}

/// The settings for one of the sink's ports. A mailer greets with the domain of its sender.
pub(crate) fn settings(door: &str, domain: &str) -> SmtpSettings {
    settings_at(door, sink().port(&format!("SINK_{door}")), domain)
}

/// The same at another port.
pub(crate) fn settings_at(door: &str, port: u16, domain: &str) -> SmtpSettings {
    let ca = sink().get("SINK_CA");
    let url = match door {
        "PLAIN" => format!("smtp://localhost:{port}?tls=none"),
        "SMTPS" => format!("smtps://authtest:auth-test%40pw%2F1@localhost:{port}?ca={ca}"),
        _ => format!("smtp://authtest:auth-test%40pw%2F1@localhost:{port}?ca={ca}"),
    };
    SmtpSettings::from_url(&url, Plaintext::OnLoopback)
        .unwrap()
        .from_address(format!("no-reply@{domain}"))
        .timeout(TIMEOUT)
}

pub(crate) fn mailer(settings: &SmtpSettings) -> SmtpMailer {
    SmtpMailer::new(settings, templates()).unwrap()
}

/// A mail without a token, with a new id.
pub(crate) fn notice(to: &str, name: Option<&str>) -> Mail {
    static MAILS: AtomicU64 = AtomicU64::new(1);
    let number = u128::from(MAILS.fetch_add(1, Ordering::Relaxed));
    Mail {
        id: IntentId::from_bytes(number.to_be_bytes()),
        to: Email::from_stored(to),
        name: name.map(Name::from_stored),
        message: Message::PasswordChanged { at: "2026-11-24T14:05:00Z".parse().unwrap() },
        languages: None,
    }
}

pub(crate) fn client() -> Client {
    Client::new(None, None)
}

pub(crate) fn password() -> Password {
    Password::new(PASSWORD)
}

/// Fast retries, and no rate limits.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    policy.limits = RateLimits::none();
    policy.mail.send_timeout = 2 * TIMEOUT;
    policy.mail.lease = 3 * TIMEOUT;
    policy.mail.min_backoff = Duration::from_millis(100);
    policy.mail.poll_interval = Duration::from_millis(50);
    policy
}

/// Stores all events.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<EventKind>>>);

impl EventSink for Recorder {
    fn record(&self, event: &Event) {
        self.0.lock().unwrap().push(event.kind.clone());
    }
}

impl Recorder {
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.kinds().iter().filter(|kind| kind.name() == name).count()
    }
}

/// A service whose background work runs until it is dropped.
pub(crate) struct Service {
    pub(crate) auth: Auth,
    pub(crate) events: Recorder,
    _stop: oneshot::Sender<()>,
    background: JoinHandle<()>,
}

impl Service {
    pub(crate) fn start(mailer: impl Mailer + 'static) -> Self {
        Self::over(MemoryStore::new(), mailer)
    }

    pub(crate) fn over<S>(store: S, mailer: impl Mailer + 'static) -> Self
    where
        S: Store + Clone + 'static,
    {
        let events = Recorder::default();
        let auth = auth(store, mailer, SECRET, events.clone());
        let (stop, stopped) = oneshot::channel();
        let running = auth.clone();
        let background =
            tokio::spawn(async move { running.run_background(async { drop(stopped.await) }).await });
        Self { auth, events, _stop: stop, background }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.background.abort();
    }
}

pub(crate) fn auth<S>(store: S, mailer: impl Mailer + 'static, secret: &str, events: Recorder) -> Auth
where
    S: Store + Clone + 'static,
{
    Auth::builder(store, mailer).secret(secret).policy(policy()).event_sink(events).build().unwrap()
}
