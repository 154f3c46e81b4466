//! A copy of the database gives no access.

use std::time::Duration;

use auth_core::MailedToken;
use auth_sqlite::SqliteStore;

use crate::servers::{Scratch, received, until};
use crate::service::{PASSWORD, Recorder, Service, auth, client, mailer, password, settings};

const ADA: &str = "ada@at-rest.example.com";

/// Every byte of the database.
fn files(scratch: &Scratch) -> Vec<u8> {
    let mut names: Vec<_> =
        std::fs::read_dir(scratch.file("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.iter().flat_map(|name| std::fs::read(name).unwrap()).collect()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_database_with_pending_and_sent_mails_is_no_key() {
    let scratch = Scratch::new("at-rest");
    let store = SqliteStore::open(scratch.file("auth.db")).await.unwrap();
    {
        let service = Service::over(store.clone(), mailer(&settings("STARTTLS", "at-rest.test")));
        service.auth.register(ADA, password(), None, &client()).await.unwrap();
        let sent = || async { service.events.count("mail_sent") == 1 };
        until("the first mail", Duration::from_secs(30), sent).await;
    }
    let pending = auth(store.clone(), auth_core::Mailbox::new(), crate::service::SECRET, Recorder::default());
    pending.register("bob@at-rest.example.com", password(), None, &client()).await.unwrap();
    pending.forgot_password(ADA, &client()).await.unwrap();
    let stats = pending.outbox_stats().await.unwrap();
    assert_eq!(stats.queued, 2, "mails that were not sent yet");

    let [message] = &received(ADA).await[..] else { panic!("one mail was sent") };
    let (token, bytes) = (message.token(), files(&scratch));
    let secret = token.split('.').nth(1).unwrap();
    let raw =
        mail_parser::decoders::base64::base64_decode(secret.replace('-', "+").replace('_', "/").as_bytes());
    assert!(holds(&bytes, ADA.as_bytes()), "the search works");
    for (what, part) in
        [("link", secret.as_bytes()), ("secret", &raw.unwrap()), ("password", PASSWORD.as_bytes())]
    {
        assert!(!holds(&bytes, part), "the {what} of a mail is in the database");
    }

    // The thief runs the worker over a copy, with the same code but without the secret.
    let copy = Scratch::new("at-rest-copy");
    for name in ["auth.db", "auth.db-wal"] {
        std::fs::copy(scratch.file(name), copy.file(name)).unwrap();
    }
    let copied = SqliteStore::open(copy.file("auth.db")).await.unwrap();
    let thief = auth_core::Mailbox::new();
    let other = auth(copied, thief.clone(), "q1We5Rt8Yu2Io6Pa9Sd3Fg7Hj0Kl4ZxC", Recorder::default());
    other.deliver_due_mails().await.unwrap();
    let stolen = thief.take();
    let links: Vec<&MailedToken> = stolen.iter().filter_map(|mail| mail.message.token()).collect();
    assert_eq!(links.len(), 2);
    // The service sends them, too, under the same ids.
    assert_eq!(pending.deliver_due_mails().await.unwrap().sent, 2);
    for link in links {
        pending.verify_email(&link.expose(), None, &client()).await.unwrap_err();
        pending.reset_password(&link.expose(), password(), &client()).await.unwrap_err();
    }
    pending.verify_email(&token, None, &client()).await.unwrap();
}
