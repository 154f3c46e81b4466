//! Kills processes that send a thousand mails.
//!
//! The killed processes are this test binary; environment variables make it send.

use std::collections::HashMap;
use std::env;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use auth_core::store::{OutboxStats, Store};
use auth_core::{Auth, Mailbox};
use auth_mailer::{Plaintext, SmtpMailer, SmtpSettings};
use auth_mysql::MySqlStore;
use auth_sqlite::SqliteStore;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tokio::task::JoinSet;

use crate::servers::{Received, Scratch, count, received, sink};
use crate::service::{Recorder, SECRET, Service, TIMEOUT, auth, client, password, templates};

const DATABASE: &str = "AUTH_MAILER_TEST_DATABASE";
const URL: &str = "AUTH_MAILER_TEST_URL";
const MAILS: usize = 1_000;
/// How many are enqueued at once: with more, a slow disk would exceed the time limit of the store.
const AT_ONCE: usize = 32;

/// Starts this binary in a process that sends the mails of a database.
fn start(database: &str, url: &str) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::a_process_that_sends", "--test-threads=1"])
        .env(DATABASE, database)
        .env(URL, url)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Sends until killed if a parent set the variables; otherwise checks that an empty URL is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_sends() {
    let (Ok(database), Ok(url)) = (env::var(DATABASE), env::var(URL)) else {
        assert!(SmtpSettings::from_url("", Plaintext::Refused).is_err());
        return;
    };
    let settings = SmtpSettings::from_url(&url, Plaintext::Refused).unwrap();
    let settings = settings.from_address("no-reply@kill.test").timeout(TIMEOUT);
    let mailer = SmtpMailer::new(&settings, templates()).unwrap();
    let _service = if database.starts_with("mysql://") {
        Service::over(MySqlStore::connect(&database).await.unwrap(), mailer)
    } else {
        Service::over(SqliteStore::open(database).await.unwrap(), mailer)
    };
    std::future::pending::<()>().await;
}

/// Enqueues the mails by registering.
async fn enqueue<S>(store: S, part: &'static str) -> Auth
where
    S: Store + Clone + 'static,
{
    let auth = auth(store, Mailbox::new(), SECRET, Recorder::default());
    let mut tasks = JoinSet::new();
    for number in 0..MAILS {
        if tasks.len() == AT_ONCE {
            tasks.join_next().await.unwrap().unwrap();
        }
        let auth = auth.clone();
        tasks.spawn(async move {
            auth.register(&format!("user-{number}{part}"), password(), None, &client()).await.unwrap();
        });
    }
    tasks.join_all().await;
    auth
}

/// Starts sending processes and kills one of them repeatedly; returns the number of kills.
async fn kill(auth: &Auth, database: &str, part: &str, processes: usize) -> u32 {
    let (authority, starttls) = (sink().get("SINK_CA"), sink().get("SINK_STARTTLS"));
    let url = format!("smtp://authtest:auth-test%40pw%2F1@localhost:{starttls}?ca={authority}");
    let mut senders: Vec<Child> = (0..processes).map(|_| start(database, &url)).collect();
    let mut kills = 0_u32;
    loop {
        let (before, step) = (count(part).await, u64::from(kills * 37 % 101) + 20);
        let begun = Instant::now();
        let queued = loop {
            let OutboxStats { queued, .. } = auth.outbox_stats().await.unwrap();
            if queued == 0 || count(part).await >= before + step {
                break queued;
            }
            for sender in &mut senders {
                assert!(sender.try_wait().unwrap().is_none(), "a sender ended by itself");
            }
            assert!(
                begun.elapsed() < Duration::from_mins(3),
                "{queued} mails are queued, and too few are sent"
            );
            tokio::time::sleep(Duration::from_micros(u64::from(kills * 397 % 2_000))).await;
        };
        let mut killed = senders.remove(0);
        killed.kill().unwrap();
        assert!(!killed.wait().unwrap().success());
        if queued > 0 {
            kills += 1;
            senders.push(start(database, &url));
        } else if senders.is_empty() {
            return kills;
        }
    }
}

async fn assert_all_arrived_and_each_link_works_once(auth: &Auth, part: &str, kills: u32) {
    assert_eq!(auth.outbox_stats().await.unwrap(), OutboxStats::default(), "nothing left, nothing dead");
    let mut mails: HashMap<String, Vec<Received>> = HashMap::new();
    for message in received(part).await {
        mails.entry(message.to.clone()).or_default().push(message);
    }
    let copies: usize = mails.values().map(Vec::len).sum();
    println!("{kills} kills, {copies} copies of {} mails", mails.len());
    assert_eq!(mails.len(), MAILS);
    assert!(kills >= 8, "{kills} kills are too few");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mails_arrive_although_their_process_is_killed() {
    const PART: &str = "@kill.example.com";
    let scratch = Scratch::new("kill");
    let file = scratch.file("auth.db");
    let auth = enqueue(SqliteStore::open(&file).await.unwrap(), PART).await;
    let kills = kill(&auth, file.to_str().unwrap(), PART, 1).await;
    assert_all_arrived_and_each_link_works_once(&auth, PART, kills).await;
}

/// An empty database on the server that `scripts/test` starts.
async fn empty_database() -> String {
    let server = env::var("AUTH_TEST_MYSQL_URL").expect("no MySQL to test with: run `scripts/test`");
    let mut url: url::Url = server.parse().unwrap();
    let options: sqlx::mysql::MySqlConnectOptions = server.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    for sql in ["DROP DATABASE IF EXISTS auth_test_mails", "CREATE DATABASE auth_test_mails"] {
        connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await.unwrap();
    }
    url.set_path("auth_test_mails");
    url.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_mails_in_mysql_survive_killed_processes() {
    const PART: &str = "@mysql.kill.example.com";
    let database = empty_database().await;
    let auth = enqueue(MySqlStore::connect(&database).await.unwrap(), PART).await;
    let kills = kill(&auth, &database, PART, 3).await;
    assert_all_arrived_and_each_link_works_once(&auth, PART, kills).await;
}
