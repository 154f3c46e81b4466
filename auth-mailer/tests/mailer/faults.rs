//! Faults at every phase: each has the right kind, ends in time, and loses no mail.

use std::time::Instant;

use auth_core::{MailErrorKind, Mailer as _};
use tokio::task::JoinSet;

use crate::proxy::{Mischief, Proxy};
use crate::servers::{Received, received, sessions, sink, until};
use crate::service::{Service, TIMEOUT, client, mailer, notice, password, settings, settings_at};

use MailErrorKind::{Permanent, Transient, Unknown};

const PHASES: [&str; 7] = ["ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot"];
const FAULTS: [&str; 5] = ["451", "550", "hang", "drop", "late"];

/// The expected kind of failure: a refusal is permanent only if it is about this mail.
fn expected(phase: &str, what: &str) -> Option<MailErrorKind> {
    match (phase, what) {
        ("dot", "hang" | "drop" | "late") => Some(Unknown),
        (_, "late") => None,
        ("rcpt" | "data" | "dot", "550") => Some(Permanent),
        _ => Some(Transient),
    }
}

fn cases() -> impl Iterator<Item = (&'static str, &'static str, MailErrorKind)> {
    let all = PHASES.into_iter().flat_map(|phase| FAULTS.map(|what| (phase, what)));
    all.filter_map(|(phase, what)| expected(phase, what).map(|kind| (phase, what, kind)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_has_its_kind_and_ends_within_the_timeout() {
    let mut sendings = JoinSet::new();
    for (phase, what, kind) in cases() {
        sendings.spawn(async move {
            let mailer = mailer(&settings("STARTTLS", &format!("fault-{phase}-{what}-direct.test")));
            let begun = Instant::now();
            let error = mailer.send(&notice("direct@example.com", None)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{phase} {what}: {error:?}");
            assert!(begun.elapsed() < 2 * TIMEOUT, "{phase} {what}");
        });
    }
    for mischief in [
        Mischief::Silent,
        Mischief::Closes,
        Mischief::Greets("421 4.3.2 closing\r\n"),
        Mischief::Greets("554 no\r\n"),
    ] {
        sendings.spawn(async move {
            let proxy = Proxy::start(sink().port("SINK_STARTTLS"), mischief, 1).await;
            let mailer = mailer(&settings_at("STARTTLS", proxy.port, "greeting.test"));
            let begun = Instant::now();
            let error = mailer.send(&notice("direct@example.com", None)).await.unwrap_err();
            assert_eq!(error.kind(), Transient, "{mischief:?}: {error:?}");
            assert!(begun.elapsed() < 2 * TIMEOUT, "{mischief:?}");
        });
    }
    sendings.spawn(async {
        // The listener is closed.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mailer = mailer(&settings_at("STARTTLS", port, "nobody.test"));
        assert_eq!(mailer.send(&notice("direct@example.com", None)).await.unwrap_err().kind(), Transient);
    });
    sendings.join_all().await;
}

/// Asserts that all copies are one mail with one link, and that the link works once.
async fn assert_one_mail(service: &Service, messages: &[Received]) {
    let first = messages.first().unwrap();
    for message in messages {
        assert_eq!(message.header("Message-ID"), first.header("Message-ID"));
        assert_eq!(message.token(), first.token());
    }
    service.auth.verify_email(&first.token(), None, &client()).await.unwrap();
    service.auth.verify_email(&first.token(), None, &client()).await.unwrap_err();
}

/// Registers, waits until the mail is settled, and checks the outcome.
async fn assert_settled(service: &Service, to: &str, kind: MailErrorKind, what: &str) {
    service.auth.register(to, password(), None, &client()).await.unwrap();
    // The outcome of an attempt is stored before its event is emitted.
    let emitted: &[&str] =
        if kind == Permanent { &["mail_dead_lettered"] } else { &["mail_retried", "mail_sent"] };
    let settled = || async {
        let stats = service.auth.outbox_stats().await.unwrap();
        stats.queued == 0 && emitted.iter().all(|name| service.events.count(name) > 0)
    };
    until(&format!("{what} to be settled"), 6 * TIMEOUT, settled).await;
    let (messages, dead) = (received(to).await, service.auth.dead_letters(10).await.unwrap());
    if kind == Permanent {
        assert!(messages.is_empty(), "{what}");
        assert_eq!(dead.len(), 1, "{what}");
        assert!(dead[0].reason.contains("injected fault"), "{}", dead[0].reason);
        assert!(!dead[0].reason.contains('@'));
    } else {
        assert!(dead.is_empty(), "{what}: {dead:?}");
        let copies = if what.ends_with("late") { 2 } else { 1 };
        // On a busy machine a second attempt may time out, too, and its outcome is unknown.
        let more = service.events.count("mail_retried") - 1;
        assert!((copies..=copies + more).contains(&messages.len()), "{what}: {} copies", messages.len());
        assert_one_mail(service, &messages).await;
        assert_eq!(service.events.count("mail_sent"), 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_survives_a_fault_at_every_phase_or_is_a_dead_letter() {
    let mut services = JoinSet::new();
    for (phase, what, kind) in cases() {
        services.spawn(async move {
            let mailer = mailer(&settings("STARTTLS", &format!("fault-{phase}-{what}-once-enqueued.test")));
            let to = format!("{phase}.{what}@enqueued.example.com");
            assert_settled(&Service::start(mailer), &to, kind, &format!("{phase} {what}")).await;
        });
    }
    for (name, mischief) in [
        ("silent", Mischief::Silent),
        ("closes", Mischief::Closes),
        ("421", Mischief::Greets("421 4.3.2 closing\r\n")),
        ("554", Mischief::Greets("554 5.3.2 no\r\n")),
    ] {
        services.spawn(async move {
            let proxy = Proxy::start(sink().port("SINK_STARTTLS"), mischief, 1).await;
            let mailer = mailer(&settings_at("STARTTLS", proxy.port, "enqueued-greeting.test"));
            let to = format!("greeting.{name}@enqueued.example.com");
            assert_settled(&Service::start(mailer), &to, Transient, name).await;
        });
    }
    services.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_that_hang_delay_others_at_most_by_the_timeout() {
    let mailer = mailer(&settings("STARTTLS", "beside.test"));
    let service = Service::start(mailer);
    for number in 0..3 {
        let to = format!("fault-dot-hang-{number}@beside.example.com");
        service.auth.register(&to, password(), None, &client()).await.unwrap();
    }
    for number in 0..20 {
        let to = format!("good-{number}@beside.example.com");
        service.auth.register(&to, password(), None, &client()).await.unwrap();
    }
    let arrived = || async { received("@beside.example.com").await.len() == 20 };
    until("the good mails", 8 * TIMEOUT, arrived).await;
}

/// A late reply of a hanging server must not look like the answer to the next mail.
#[tokio::test]
async fn the_connection_of_a_cancelled_sending_is_never_reused() {
    let mailer = mailer(&settings("STARTTLS", "given-up.test"));
    let error = mailer.send(&notice("fault-dot-hang@given-up.example.com", None)).await.unwrap_err();
    assert_eq!(error.kind(), Unknown);
    mailer.send(&notice("next@given-up.example.com", None)).await.unwrap();
    assert_eq!(received("next@given-up.example.com").await.len(), 1);
    assert_eq!(sessions("given-up.test").await.len(), 2);
}

#[tokio::test]
async fn a_dead_idle_connection_loses_no_mail() {
    let proxy = Proxy::start(sink().port("SINK_PLAIN"), Mischief::DropsNoop, usize::MAX).await;
    let mailer = mailer(&settings_at("PLAIN", proxy.port, "went-dead.test"));
    for _ in 0..3 {
        mailer.send(&notice("ada@went-dead.example.com", None)).await.unwrap();
    }
    assert_eq!(received("ada@went-dead.example.com").await.len(), 3);
    assert_eq!(sessions("went-dead.test").await.len(), 3);
}
