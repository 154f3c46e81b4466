//! No answer and no time reveals whether an address is known or whether the mail server works.

use std::time::{Duration, Instant};

use auth_core::Message;

use crate::proxy::{Mischief, Proxy};
use crate::servers::sink;
use crate::service::{Service, TIMEOUT, client, mailer, password, settings, settings_at};

/// The median time of each request, for a known and an unknown address.
async fn times(service: &Service) -> Vec<(&'static str, [Duration; 2])> {
    let auth = &service.auth;
    auth.register("known@example.com", password(), None, &client()).await.unwrap();
    let mut times = Vec::new();
    for request in ["register", "resend", "forgot"] {
        let mut taken = [Vec::new(), Vec::new()];
        for number in 0..15 {
            let unknown = format!("unknown-{request}-{number}@example.com");
            for (address, taken) in ["known@example.com", &unknown].into_iter().zip(&mut taken) {
                let begun = Instant::now();
                match request {
                    "register" => auth.register(address, password(), None, &client()).await.unwrap(),
                    "resend" => auth.resend_verification(address, &client()).await.unwrap(),
                    _ => auth.forgot_password(address, &client()).await.unwrap(),
                }
                taken.push(begun.elapsed());
            }
        }
        times.push((
            request,
            taken.map(|mut taken| {
                taken.sort();
                taken[taken.len() / 2]
            }),
        ));
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_is_down_or_slow_changes_no_answer_or_time() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let silent = Proxy::start(sink().port("SINK_STARTTLS"), Mischief::Silent, usize::MAX).await;
    for (state, settings) in [
        ("up", settings("STARTTLS", "up.test")),
        ("down", settings_at("STARTTLS", nobody, "down.test")),
        ("silent", settings_at("STARTTLS", silent.port, "silent.test")),
        ("refusing", settings("STARTTLS", "fault-mail-550-silence.test")),
    ] {
        let service = Service::start(mailer(&settings));
        for (request, medians) in times(&service).await {
            println!("{state} {request}: known {:?}, unknown {:?}", medians[0], medians[1]);
            for median in medians {
                assert!(median < TIMEOUT / 10, "{state} {request} waited for the mail server: {median:?}");
            }
        }
    }
}

/// For a known and an unknown address, each request writes one intent.
#[tokio::test]
async fn requests_for_known_and_unknown_addresses_write_one_intent() {
    let (store, mailbox) =
        (auth_testkit::Faulty::new(auth_core::MemoryStore::new()), auth_core::Mailbox::new());
    let auth = crate::service::auth(
        store.clone(),
        mailbox.clone(),
        crate::service::SECRET,
        crate::service::Recorder::default(),
    );
    auth.register("known@example.com", password(), None, &client()).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    let Some(Message::VerifyEmail { token, .. }) = mailbox.take().pop().map(|mail| mail.message) else {
        panic!()
    };
    auth.verify_email(&token.expose(), None, &client()).await.unwrap();
    let mut calls = Vec::new();
    for address in ["known@example.com", "unknown@example.com"] {
        store.reset();
        auth.forgot_password(address, &client()).await.unwrap();
        auth.resend_verification(address, &client()).await.unwrap();
        calls.push(store.calls());
    }
    assert_eq!(calls[0], ["insert_intent", "insert_intent"]);
    assert_eq!(calls[0], calls[1], "and no look-up");
    assert_eq!(auth.outbox_stats().await.unwrap().queued, 4);
}
