//! The cost of refresh, log-in and clean-up with ten thousand users and with more, and the effect
//! of a clean-up on concurrent refreshes.
//!
//! Run `scripts/bench/scale`, or `AUTH_TEST_MYSQL_URL=... USERS=10000,1000000 cargo bench -p
//! auth-mysql --bench growth`. It needs an administrator's account: it creates and drops databases
//! named `auth_scale_*`, and uses the slow log.

#![expect(clippy::cast_precision_loss, reason = "figures need no exact arithmetic")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement that cannot be set up must fail"
)]

#[path = "growth/beside.rs"]
mod beside;
mod service;
#[path = "growth/table.rs"]
mod table;

use std::collections::HashMap;
use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use auth_core::{
    Auth, Clock as _, Digest, Epoch, Password, Session, SessionId, SystemClock, SystemRandom,
    TokenStore as _, UserStore as _,
};

use sqlx::MySqlConnection;

use crate::service::{Bounds, PASSWORD, client, percentile};
use crate::table::Table;

const ROUNDS: usize = 24;
const REFRESHES: u64 = 100;
const LOG_INS: u64 = 50;
/// Sessions that one timed clean-up statement deletes.
const PURGED: u32 = 100;
/// Sessions that one timed clean-up deletes.
const CLEANED: u64 = 10_000;
/// Timed clean-ups.
const CLEAN_UPS: usize = 3;

/// A database and its measured times, in microseconds.
struct Subject {
    table: Table,
    auth: Auth,
    /// The current tokens of sessions that were refreshed here.
    tokens: HashMap<u64, String>,
    turns: u64,
    refreshes: Vec<f64>,
    log_ins: Vec<f64>,
    purges: Vec<f64>,
}

impl Subject {
    async fn filled(url: &str, users: u64, password_hash: &str) -> Self {
        let began = Instant::now();
        let table = Table::filled(url, users, password_hash).await;
        eprintln!("{users} users and sessions in {:.0?}", began.elapsed());
        let auth = service::service(&table.store);
        let tokens = HashMap::new();
        Self { table, auth, tokens, turns: 0, refreshes: vec![], log_ins: vec![], purges: vec![] }
    }

    /// Returns the next session of the table and its token.
    fn next_session(&mut self) -> (u64, String) {
        self.turns += 1;
        let number = self.table.live(self.turns);
        (number, self.tokens.remove(&number).unwrap_or_else(|| Table::first_token(number)))
    }

    async fn refresh(&mut self) {
        let (number, token) = self.next_session();
        let began = Instant::now();
        let grant = self.auth.refresh(&token, &client()).await.unwrap();
        self.refreshes.push(micros(began));
        self.tokens.insert(number, grant.refresh_token.expose().to_string());
    }

    /// Makes the store calls of a log-in. Its hash costs the same in each database, so it is left
    /// out.
    async fn log_in(&mut self) {
        self.turns += 1;
        let (store, now) = (&self.table.store, SystemClock.now());
        let email = self.table.email(self.turns);
        let began = Instant::now();
        let user = store.find_by_email(&email).await.unwrap().expect("the user is there");
        let session = Session {
            id: SessionId::generate(now, &SystemRandom).unwrap(),
            user_id: user.id,
            epoch: Epoch::from_u64(1),
            generation: 0,
            digest: Digest::from_bytes([7; 32]),
            created_at: now,
            rotated_at: now,
            idle_expires_at: now + Duration::from_hours(7 * 24),
            expires_at: now + Duration::from_hours(30 * 24),
            ip: client().ip(),
            user_agent: client().user_agent().map(str::to_owned),
        };
        store.insert_session(&session).await.unwrap();
        assert!(!store.find_sessions_by_user(user.id).await.unwrap().is_empty());
        self.log_ins.push(micros(began));
    }

    async fn purge(&mut self) {
        let began = Instant::now();
        let purged = self.table.store.purge_sessions(SystemClock.now(), PURGED).await.unwrap();
        self.purges.push(micros(began));
        assert_eq!(purged, u64::from(PURGED));
    }

    /// Runs one clean-up; returns its seconds per `CLEANED` sessions.
    async fn clean_up(&mut self) -> f64 {
        self.table.insert_expired(CLEANED).await;
        let began = Instant::now();
        let cleaned = self.auth.clean_up().await.unwrap();
        began.elapsed().as_secs_f64() * CLEANED as f64 / cleaned.sessions as f64
    }

    fn medians(&mut self) -> [f64; 3] {
        [&mut self.refreshes, &mut self.log_ins, &mut self.purges].map(|values| percentile(values, 50))
    }
}

fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}

/// Upper bound of a cost, as a multiple of the cost with the fewest users.
const GROWTH: f64 = 1.2;
/// Upper bound for one statement of a clean-up: it finds each session's entry in the index by user
/// on another page. A whole clean-up stays within [`GROWTH`], because it pauses far longer than its
/// statements take.
const GROWTH_OF_STATEMENT: f64 = 2.0;

async fn compare(subjects: &mut [Subject], commits: &str, bounds: &mut Bounds) {
    for round in 0..=ROUNDS {
        for subject in &mut *subjects {
            for _ in 0..REFRESHES {
                subject.refresh().await;
            }
            for _ in 0..LOG_INS {
                subject.log_in().await;
            }
            subject.purge().await;
            if round == 0 {
                // The first round only prepared the statements.
                for measured in [&mut subject.refreshes, &mut subject.log_ins, &mut subject.purges] {
                    measured.clear();
                }
            }
        }
    }
    println!(
        "| users and sessions | refresh p50, us | ratio | log-in without its hash p50, us | ratio | {PURGED} sessions deleted p50, us | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    let floor = subjects[0].medians();
    for subject in subjects {
        let medians = subject.medians();
        let cells = medians.into_iter().zip(floor);
        let cells: Vec<_> = cells.map(|(ours, floor)| format!("{ours:.0} | {:.2}", ours / floor)).collect();
        println!("| {} | {} |", subject.table.users, cells.join(" | "));
        let bounded =
            [("refresh", GROWTH), ("log-in", GROWTH), ("clean-up's statement", GROWTH_OF_STATEMENT)];
        for ((what, most), (ours, floor)) in bounded.into_iter().zip(medians.into_iter().zip(floor)) {
            let what = format!("{what}, {} users, commits {commits}", subject.table.users);
            bounds.check(what, ours / floor, 0.0..=most);
        }
    }
    println!();
}

async fn compare_clean_ups(subjects: &mut [Subject], bounds: &mut Bounds) {
    println!("| users and sessions | {CLEANED} sessions cleaned up p50, s | ratio |\n|---|---|---|");
    let mut took = vec![Vec::new(); subjects.len()];
    for _ in 0..CLEAN_UPS {
        for (subject, took) in subjects.iter_mut().zip(&mut took) {
            took.push(subject.clean_up().await);
        }
    }
    let medians: Vec<_> = took.iter_mut().map(|took| percentile(took, 50)).collect();
    for (subject, median) in subjects.iter().zip(&medians) {
        let (users, ratio) = (subject.table.users, median / medians[0]);
        println!("| {users} | {median:.2} | {ratio:.2} |");
        bounds.check(format!("clean-up, {users} users"), ratio, 0.0..=GROWTH);
    }
    println!();
}

async fn sizes(subjects: &mut [Subject]) {
    println!("\n| users and sessions | bytes per user | bytes per session | all, MiB |\n|---|---|---|---|");
    for Subject { table, .. } in subjects {
        let (users, sessions) = (table.bytes("auth_users").await, table.bytes("auth_sessions").await);
        let per = |bytes: u64| bytes / table.users;
        println!("| {} | {} | {} | {} |", table.users, per(users), per(sessions), (users + sessions) >> 20);
    }
    println!();
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let url = env::var("AUTH_TEST_MYSQL_URL").expect("AUTH_TEST_MYSQL_URL names the server");
    let mut server = service::connect(&url).await;
    beside::log_slow_statements(&mut server).await;
    wait_for_disk(&mut server, false).await;
    let users = env::var("USERS").unwrap_or_else(|_| "10000,100000".to_owned());
    let (mut subjects, mut bounds) = (Vec::new(), Bounds::default());
    let mut password_hash = None;
    for users in users.split(',').map(|users| users.parse().expect("USERS are numbers")) {
        let hash = match &password_hash {
            Some(hash) => hash,
            None => password_hash.insert(real_hash().await),
        };
        subjects.push(Subject::filled(&url, users, hash).await);
    }
    sizes(&mut subjects).await;
    for subject in &mut subjects {
        subject.table.warmed().await;
    }
    // Waiting for the disk costs the same with any number of users, and hides the differences.
    for (waits, commits) in [(false, "do not wait"), (true, "wait")] {
        wait_for_disk(&mut server, waits).await;
        table::flush_pages(&mut server).await;
        println!("Commits {commits} for the disk:\n");
        compare(&mut subjects, commits, &mut bounds).await;
    }
    compare_clean_ups(&mut subjects, &mut bounds).await;
    table::flush_pages(&mut server).await;
    beside::compare(subjects.last_mut().unwrap(), &mut bounds).await;
    for subject in subjects {
        subject.table.dropped().await;
    }
    bounds.judge()
}

/// Sets whether a commit waits for the disk.
async fn wait_for_disk(server: &mut MySqlConnection, wait: bool) {
    table::run(server, format!("SET GLOBAL innodb_flush_log_at_trx_commit = {}", u8::from(wait))).await;
}

/// A hash with the default parameters, as long as those of a real service.
async fn real_hash() -> String {
    let auth = Auth::builder(auth_core::MemoryStore::new(), auth_core::Mailbox::new())
        .secret("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P")
        .build()
        .unwrap();
    auth.hashing().hash(&Password::new(PASSWORD)).await.unwrap().expose().to_owned()
}
