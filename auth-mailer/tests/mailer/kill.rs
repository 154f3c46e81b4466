//! kill -9 in the middle of a thousand promised mails.
//!
//! The process that is killed is this test binary again, told by the environment to send.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use auth_core::Mailbox;
use auth_core::store::OutboxStats;
use auth_mailer::{Plaintext, SmtpMailer, SmtpSettings};
use auth_sqlite::SqliteStore;
use tokio::task::JoinSet;

use crate::servers::{Received, Scratch, count, received, sink};
use crate::service::{Recorder, SECRET, Service, TIMEOUT, auth, client, password, templates};

const FILE: &str = "AUTH_MAILER_TEST_FILE";
const URL: &str = "AUTH_MAILER_TEST_URL";
const MAILS: u32 = 1_000;
const PART: &str = "@kill.example.com";

/// Starts this binary again, to send what is promised in a file.
fn start(file: &Path, url: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::a_process_that_sends", "--test-threads=1"])
        .env(FILE, file)
        .env(URL, url)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Sends until killed, for a parent that says what; without one, refuses to send without settings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_sends() {
    let (Some(file), Ok(url)) = (env::var_os(FILE).map(PathBuf::from), env::var(URL)) else {
        assert!(SmtpSettings::from_url("", Plaintext::Refused).is_err());
        return;
    };
    let settings = SmtpSettings::from_url(&url, Plaintext::Refused).unwrap();
    let settings = settings.from_address("no-reply@kill.test").timeout(TIMEOUT);
    let mailer = SmtpMailer::new(&settings, templates()).unwrap();
    let _service = Service::over(SqliteStore::open(file).await.unwrap(), mailer);
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_promised_mails_all_arrive_however_often_their_process_is_killed() {
    let scratch = Scratch::new("kill");
    let file = scratch.file("auth.db");
    let store = SqliteStore::open(&file).await.unwrap();
    let auth = auth(store, Mailbox::new(), SECRET, Recorder::default());
    let mut promises = JoinSet::new();
    for number in 0..MAILS {
        let auth = auth.clone();
        promises.spawn(async move {
            auth.register(&format!("user-{number}{PART}"), password(), None, &client()).await.unwrap();
        });
    }
    promises.join_all().await;

    let (ca, port) = (sink().get("SINK_CA"), sink().get("SINK_STARTTLS"));
    let url = format!("smtp://authtest:auth-test%40pw%2F1@localhost:{port}?ca={ca}");
    let mut kills = 0_u32;
    loop {
        let mut child = start(&file, &url);
        let (before, step) = (count(PART).await, u64::from(kills * 37 % 101) + 20);
        let queued = loop {
            let OutboxStats { queued, .. } = auth.outbox_stats().await.unwrap();
            if queued == 0 || count(PART).await >= before + step {
                break queued;
            }
            assert!(child.try_wait().unwrap().is_none(), "the sender ended by itself");
            tokio::time::sleep(Duration::from_micros(u64::from(kills * 397 % 2_000))).await;
        };
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        if queued == 0 {
            break;
        }
        kills += 1;
    }
    assert_eq!(auth.outbox_stats().await.unwrap(), OutboxStats::default(), "nothing left, nothing dead");

    let mut mails: HashMap<String, Vec<Received>> = HashMap::new();
    for message in received(PART).await {
        mails.entry(message.to.clone()).or_default().push(message);
    }
    let copies: usize = mails.values().map(Vec::len).sum();
    println!("{kills} kills, {copies} copies of {} mails", mails.len());
    assert_eq!(mails.len(), usize::try_from(MAILS).unwrap());
    assert!(kills >= 8, "{kills} kills are too few to tell");
    for (to, copies) in &mails {
        let first = &copies[0];
        for copy in copies {
            assert_eq!(copy.header("Message-ID"), first.header("Message-ID"), "{to}");
            assert_eq!(copy.token(), first.token(), "{to}");
        }
        auth.verify_email(&first.token(), None, &client()).await.unwrap();
        auth.verify_email(&first.token(), None, &client()).await.unwrap_err();
    }
}
