//! Counts the events of one account.

use std::time::Duration;

use auth_core::{
    Auth, Client, Mailbox, Mailer, MemoryStore, Password, Policy, SessionId, TracingSink, UserId,
};
use auth_metrics::{MetricsSink, Sampler, Timed};
use auth_testkit::{FakeClock, cheap_hashing};

use crate::recorded::{Metrics, SECRET, record};

const ADA: &str = "ada@example.com";

fn value(metrics: &Metrics, name: &str, labels: &str) -> f64 {
    metrics.get(name).and_then(|metric| metric.values.get(labels)).copied().unwrap_or_default()
}

fn password() -> Password {
    Password::new("correct horse battery")
}

fn client() -> Client {
    Client::new("192.0.2.7".parse().ok(), Some("Firefox"))
}

fn service(mailer: impl Mailer + 'static, clock: &FakeClock) -> Auth {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    Auth::builder(Timed::new(MemoryStore::new()), Timed::new(mailer))
        .clock(clock.clone())
        .event_sink(MetricsSink::new(TracingSink::default()))
        .policy(policy)
        .secret(SECRET)
        .build()
        .unwrap()
}

async fn live(auth: &Auth, mailbox: &Mailbox) -> (UserId, SessionId) {
    auth.register(ADA, password(), Some("Ada"), &client()).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    let link = mailbox.mails().pop().unwrap().message.token().unwrap().expose();
    auth.verify_email(&link, None, &client()).await.unwrap();
    auth.verify_email(&link, None, &client()).await.unwrap_err();
    auth.log_in(ADA, Password::new("wrong"), &client()).await.unwrap_err();
    auth.log_in("bob@example.com", password(), &client()).await.unwrap_err();
    let first = auth.log_in(ADA, password(), &client()).await.unwrap();
    let parent = first.refresh_token.expose();
    auth.refresh(&parent, &client()).await.unwrap();
    auth.refresh(&parent, &client()).await.unwrap_err();
    auth.refresh("nonsense", &client()).await.unwrap_err();
    for _ in 0..5 {
        _ = auth.log_in(ADA, Password::new("wrong"), &client()).await.unwrap_err();
    }
    auth.disable_user(first.user.id).await.unwrap();
    (first.user.id, first.session.id)
}

#[test]
fn every_event_of_an_account_is_counted_once() {
    let metrics = record(async {
        let (mailbox, clock) = (Mailbox::new(), FakeClock::default());
        let auth = service(mailbox.clone(), &clock);
        live(&auth, &mailbox).await;
        clock.advance(Duration::from_secs(90));
        Sampler::new(auth).sample().await.unwrap();
    });
    for (name, labels, expected) in [
        ("auth_events_total", "registration_requested", 1.0),
        ("auth_events_total", "user_created", 1.0),
        ("auth_events_total", "email_verified", 1.0),
        ("auth_mailed_tokens_refused_total", "verify_email", 1.0),
        ("auth_log_ins_total", "success", 1.0),
        ("auth_log_ins_total", "wrong_password", 5.0),
        ("auth_log_ins_total", "unknown_account", 1.0),
        ("auth_rate_limit_refusals_total", "log_in_account", 1.0),
        ("auth_refreshes_total", "rotated", 1.0),
        ("auth_refreshes_total", "invalid_token", 2.0),
        ("auth_events_total", "authn_token_reuse", 1.0),
        ("auth_events_total", "user_disabled", 1.0),
        ("auth_mails_total", "registration sent", 1.0),
        ("auth_mailer_seconds", "ok", 1.0),
        ("auth_store_seconds", "tokens rotate ok", 1.0),
        ("auth_store_seconds", "users set_status ok", 1.0),
        // The notice of the reuse waits.
        ("auth_outbox_queued", "", 1.0),
        ("auth_outbox_oldest_seconds", "", 90.0),
        ("auth_outbox_dead_letters", "", 0.0),
        // The registration and seven log-ins.
        ("auth_hashing_jobs_total", "", 8.0),
        ("auth_hashing_refusals_total", "", 0.0),
        ("auth_hashing_queue", "", 0.0),
    ] {
        assert_eq!(value(&metrics, name, labels).to_bits(), f64::to_bits(expected), "{name} {labels}");
    }
    assert!(value(&metrics, "auth_hashing_wait_seconds", "") > 0.0);
}

#[test]
fn no_label_names_a_user_or_client() {
    let mut known = Vec::new();
    let metrics = record(async {
        let mailbox = Mailbox::new();
        let (user, session) = live(&service(mailbox.clone(), &FakeClock::default()), &mailbox).await;
        known = vec!["ada".to_owned(), "192.0.2".to_owned(), "Firefox".to_owned()];
        known.extend([user.to_string(), session.to_string()]);
    });
    let words: Vec<&String> = metrics.values().flat_map(|metric| metric.labels.values().flatten()).collect();
    assert!(words.len() > 20, "{words:?}");
    for word in words {
        assert!(known.iter().all(|known| !word.contains(known.as_str())), "{word}");
        assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{word}");
    }
}

#[test]
fn the_mean_wait_is_that_since_the_last_sample() {
    let metrics = record(async {
        let auth = service(Mailbox::new(), &FakeClock::default());
        auth.log_in(ADA, password(), &client()).await.unwrap_err();
        let sampler = Sampler::new(auth);
        sampler.sample().await.unwrap();
        sampler.sample().await.unwrap();
    });
    assert_eq!(value(&metrics, "auth_hashing_wait_seconds", "").to_bits(), 0.0_f64.to_bits());
    assert_eq!(value(&metrics, "auth_hashing_jobs_total", "").to_bits(), 1.0_f64.to_bits());
}
