//! Sessions, dead letters and clean-up.

use async_trait::async_trait;
use auth_core::{Auth, Client, Mail, MailError, MailErrorKind, Mailbox, Mailer, Password, SessionTokens};
use auth_testkit::FakeClock;

use crate::place::{ADA, PASSWORD, Place};

async fn log_in(auth: &Auth, agent: &str) -> SessionTokens {
    let client = Client::new("192.0.2.7".parse().ok(), Some(agent));
    auth.log_in(ADA, Password::new(PASSWORD), &client).await.unwrap()
}

async fn lives(auth: &Auth, grant: &SessionTokens) -> bool {
    auth.restore(&grant.refresh_token.expose(), &Client::unknown()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_and_end_singly_or_together() {
    for place in Place::each("session").await {
        place.create(ADA);
        let auth = place.service(Mailbox::new()).await;
        let (first, second) = (log_in(&auth, "Firefox").await, log_in(&auth, "Chromium").await);
        let third = log_in(&auth, "curl").await;

        let listed = place.run(&["session", "list", ADA]).expect(0).out;
        let lines: Vec<&str> = listed.lines().collect();
        assert!(lines[0].starts_with("session ") && lines.len() == 4, "{listed}");
        assert!(lines[1].starts_with(&first.session.id.to_string()) && lines[1].ends_with("Firefox"));
        assert!(lines[2].contains("192.0.2.7"));
        let json = place.run(&["session", "list", ADA, "--json"]).expect(0).json();
        assert_eq!(json["sessions"][1]["id"], second.session.id.to_string());
        assert_eq!(json["sessions"][1]["user_agent"], "Chromium");
        for secret in ["digest", "hash", "epoch"] {
            assert!(!json.to_string().contains(secret), "{json}");
        }

        place.run(&["session", "end", ADA, &second.session.id.to_string()]).expect(0);
        assert!(lives(&auth, &first).await && !lives(&auth, &second).await && lives(&auth, &third).await);
        place.run(&["session", "end", ADA, &second.session.id.to_string()]).expect(67);
        let all = place.run(&["session", "end", ADA, "--all", "--json"]).expect(0).json();
        assert_eq!(all["ended"], 2);
        assert!(!lives(&auth, &first).await && !lives(&auth, &third).await);
        assert_eq!(place.run(&["session", "list", ADA]).expect(0).out, "no live sessions\n");
    }
}

/// More users than one batch has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sessions_of_everyone_end() {
    for place in Place::each("everyone").await {
        place.create(ADA);
        let auth = place.service(Mailbox::new()).await;
        let mut grants = vec![log_in(&auth, "Firefox").await, log_in(&auth, "curl").await];
        for number in 0..40 {
            let email = format!("user{number}@example.com");
            auth.create_user(&email, Password::new(PASSWORD), None).await.unwrap();
            if number % 13 == 0 {
                let client = Client::unknown();
                grants.push(auth.log_in(&email, Password::new(PASSWORD), &client).await.unwrap());
            }
        }
        place.run(&["user", "disable", "user1@example.com"]).expect(0);
        let ended = place.run(&["session", "end", "--everyone", "--json"]).expect(0).json();
        assert_eq!(ended, serde_json::json!({ "users": 41, "ended": grants.len() }));
        for grant in &grants {
            assert!(!lives(&auth, grant).await);
        }
        let again = place.run(&["session", "end", "--everyone"]).expect(0).out;
        assert_eq!(again, "all sessions of 41 users ended (0 were live), and all mailed links are dead\n");
        log_in(&auth, "Firefox").await;
    }
}

/// A row that somebody wrote by hand must not keep the sessions of others, or its own, alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_session_ends_and_keeps_no_other_alive() {
    for place in Place::each("corrupt").await {
        place.create(ADA);
        let auth = place.service(Mailbox::new()).await;
        let broken = log_in(&auth, "Firefox").await;
        let mut grants = Vec::new();
        for number in 0..40 {
            let email = format!("user{number}@example.com");
            auth.create_user(&email, Password::new(PASSWORD), None).await.unwrap();
            if number % 13 == 0 {
                let client = Client::unknown();
                grants.push(auth.log_in(&email, Password::new(PASSWORD), &client).await.unwrap());
            }
        }
        let epoch = auth.user(broken.user.id).await.unwrap().epoch;
        place.execute("UPDATE auth_sessions SET ip = 'nowhere' WHERE user_agent = 'Firefox'").await;
        for arguments in [&["session", "end", "--everyone"][..], &["session", "end", ADA, "--all"]] {
            let ran = place.run(arguments).expect(70);
            assert!(ran.err.contains("ip"), "{}", ran.err);
        }
        assert_eq!(auth.user(broken.user.id).await.unwrap().epoch, epoch.next().next());
        for grant in &grants {
            assert!(!lives(&auth, grant).await);
        }
        let ran = place.run(&["session", "end", "--everyone"]).expect(70);
        assert!(ran.err.contains(&format!("user {}: ", broken.user.id)), "{}", ran.err);
        assert!(ran.err.contains("40 users are done"), "{}", ran.err);
    }
}

/// A mailer that sends no mail.
#[derive(Debug)]
struct Refuses;

#[async_trait]
impl Mailer for Refuses {
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        Err(MailError::new(MailErrorKind::Permanent, "550 no such\u{1b}[2J mailbox"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_and_enqueued_again() {
    for place in Place::each("letters").await {
        place.create(ADA);
        let refused = place.service(Refuses).await;
        for _ in 0..3 {
            place.run(&["reset", ADA]).expect(0);
        }
        assert_eq!(refused.deliver_due_mails().await.unwrap().dead_lettered, 3);

        let listed = place.run(&["dead-letter", "list"]).expect(0).out;
        assert_eq!(listed.lines().count(), 4);
        assert!(listed.contains("password_reset  ada@example.com") && listed.contains("550 no such"));
        assert!(!listed.contains('\u{1b}'), "a terminal must not obey a mail server");
        let json = place.run(&["dead-letter", "list", "--limit", "1", "--json"]).expect(0).json();
        assert_eq!(json["dead_letters"].as_array().unwrap().len(), 1);
        let letter = &json["dead_letters"][0];
        assert_eq!((&letter["mail"], &letter["attempts"]), (&"password_reset".into(), &1.into()));

        let id = letter["id"].as_str().unwrap();
        place.run(&["dead-letter", "requeue", id]).expect(0);
        place.run(&["dead-letter", "requeue", id]).expect(67);
        let all = place.run(&["dead-letter", "requeue", "--all", "--json"]).expect(0).json();
        assert_eq!(all["requeued"], 2);
        assert_eq!(place.run(&["dead-letter", "list"]).expect(0).out, "no dead letters\n");
        let sent = place.service(Mailbox::new()).await.deliver_due_mails().await.unwrap();
        assert_eq!((sent.sent, sent.dead_lettered), (3, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clean_up_deletes_expired_records_alone() {
    for place in Place::each("clean").await {
        place.create(ADA);
        // Long ago, by the clock of tests.
        let past = FakeClock::default();
        let auth = place.service_with(Mailbox::new(), |builder| builder.clock(past)).await;
        auth.register("grace@example.com", Password::new(PASSWORD), None, &Client::unknown()).await.unwrap();
        auth.deliver_due_mails().await.unwrap();
        log_in(&place.service(Mailbox::new()).await, "Firefox").await;
        log_in(&auth, "Firefox").await;
        let cleaned = place.run(&["clean-up", "--json"]).expect(0).json();
        let expected = serde_json::json!({
            "sessions": 1, "one_time_tokens": 1, "unverified_users": 1, "dead_letters": 0,
        });
        assert_eq!(cleaned, expected);
        let again = place.run(&["clean-up"]).expect(0).out;
        assert_eq!(again, "deleted: 0 sessions, 0 links, 0 unverified users, 0 dead letters\n");
        assert_eq!(place.users().await, 1);
    }
}
