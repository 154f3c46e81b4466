//! The cost of refresh, log-in and clean-up with ten thousand users and with more, and the effect
//! of a clean-up on concurrent refreshes.

#![expect(clippy::cast_precision_loss, reason = "figures need no exact arithmetic")]

mod beside;

use std::collections::HashMap;
use std::env;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use auth_core::store::Store;
use auth_core::{
    Auth, Clock as _, Digest, Email, Epoch, Password, RandomError, RandomSource, RefreshKeys, RefreshToken,
    RootSecret, Session, SessionId, SystemClock, SystemRandom, TokenStore as _, UserStore as _,
};
use hkdf::Hkdf;
use sha2::Sha256;

use super::{Bounds, client, percentile, service};
use crate::{PASSWORD, SECRET};

/// A database with many users and one session each, which are found by number.
pub trait Table: Sized {
    /// The store over it.
    type Store: Store + Clone + 'static;

    /// Creates and fills a database `auth_scale_USERS`. The sessions are ordered by their end, and
    /// [`expired`] of them have ended. User `n` has the address number `n * SCATTER`, and session
    /// `n` is of the user with the id number `n * SCATTER`, each modulo the number of users.
    fn filled(url: &str, users: u64, password_hash: &str) -> impl Future<Output = Self>;

    /// The store, with 16 connections.
    fn store(&self) -> &Self::Store;

    /// The number of users.
    fn users(&self) -> u64;

    /// Inserts this number of expired sessions, of users scattered as all.
    fn insert_expired(&mut self, count: u64) -> impl Future<Output = ()>;

    /// The bytes on disk of a table with its indexes.
    fn bytes(&mut self, table: &str) -> impl Future<Output = u64>;

    /// Reads tables and indexes once, to fill the server's memory.
    fn warmed(&mut self) -> impl Future<Output = ()>;

    /// Sets whether a commit waits for the disk, for the whole server.
    fn commits_wait(&mut self, wait: bool) -> impl Future<Output = ()>;

    /// Waits until the server has written its changed pages to disk, so that the next measurement
    /// does not run beside that work.
    fn settled(&mut self) -> impl Future<Output = ()>;

    /// Forgets all slow statements.
    fn forget_slow(&mut self) -> impl Future<Output = ()>;

    /// The number of statements over 50 ms since then, and the slowest in milliseconds.
    fn slow(&mut self) -> impl Future<Output = (i64, f64)>;

    /// Removes the database.
    fn dropped(self) -> impl Future<Output = ()>;
}

/// A factor that scatters numbers. It is coprime to all powers of ten, so that each number of a
/// table occurs once.
pub const SCATTER: u64 = 6_180_339_887;

/// The milliseconds of the first `UUIDv7`, and the remaining digits of all ids.
pub const FIRST_ID: u64 = 0x0190_0000_0000;
/// The digits of an id that follow its time.
pub const REST_OF_ID: &str = "70008000000000000000";

/// The number of sessions that have ended: a tenth; in a small table, half.
pub fn expired(users: u64) -> u64 {
    (users / 10 + 20_000).min(users / 2)
}

/// The inner and the outer pad of the HMAC-SHA-256 that tags refresh tokens, in hexadecimal, so that SQL
/// can compute the tag of a session's first token.
pub fn tag_pads() -> [String; 2] {
    let mut key = [0_u8; 64];
    Hkdf::<Sha256>::new(None, SECRET.as_bytes()).expand(b"auth-core/refresh-tag/v2", &mut key).unwrap();
    [0x36, 0x5c].map(|byte| key.iter().fold(String::new(), |hex, part| hex + &format!("{:02x}", part ^ byte)))
}

/// A random source that makes one link for all sessions, so that SQL can compute their digests.
#[derive(Debug)]
struct Ones;

impl RandomSource for Ones {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        buffer.fill(0x11);
        Ok(())
    }
}

/// The first refresh token of a session.
fn first_token(number: u64) -> String {
    let keys = RefreshKeys::new(&RootSecret::new(SECRET).unwrap());
    RefreshToken::first(SessionId::from_bytes(id(number)), &keys, &Ones).unwrap().expose().to_string()
}

fn id(number: u64) -> [u8; 16] {
    let rest = u128::from_str_radix(REST_OF_ID, 16).unwrap();
    (u128::from(FIRST_ID + number) << 80 | rest).to_be_bytes()
}

/// The address of a user, a different one for each number.
fn email(users: u64, number: u64) -> Email {
    Email::parse(&format!("user{}@example.com", number * SCATTER % users)).unwrap()
}

/// The number of a session that is not expired, a different one for each number.
fn live(users: u64, number: u64) -> u64 {
    expired(users) + number * SCATTER % (users - expired(users))
}

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
struct Subject<T> {
    table: T,
    auth: Auth,
    /// The current tokens of sessions that were refreshed here.
    tokens: HashMap<u64, String>,
    turns: u64,
    refreshes: Vec<f64>,
    log_ins: Vec<f64>,
    purges: Vec<f64>,
}

impl<T: Table> Subject<T> {
    async fn filled(url: &str, users: u64, password_hash: &str) -> Self {
        let began = Instant::now();
        let table = T::filled(url, users, password_hash).await;
        eprintln!("{users} users and sessions in {:.0?}", began.elapsed());
        let auth = service(table.store().clone());
        let tokens = HashMap::new();
        Self { table, auth, tokens, turns: 0, refreshes: vec![], log_ins: vec![], purges: vec![] }
    }

    /// Returns the next session of the table and its token.
    fn next_session(&mut self) -> (u64, String) {
        self.turns += 1;
        let number = live(self.table.users(), self.turns);
        (number, self.tokens.remove(&number).unwrap_or_else(|| first_token(number)))
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
        let (store, now) = (self.table.store(), SystemClock.now());
        let email = email(self.table.users(), self.turns);
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
        let purged = self.table.store().purge_sessions(SystemClock.now(), PURGED).await.unwrap();
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

async fn compare<T: Table>(subjects: &mut [Subject<T>], commits: &str, bounds: &mut Bounds) {
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
        println!("| {} | {} |", subject.table.users(), cells.join(" | "));
        let bounded =
            [("refresh", GROWTH), ("log-in", GROWTH), ("clean-up's statement", GROWTH_OF_STATEMENT)];
        for ((what, most), (ours, floor)) in bounded.into_iter().zip(medians.into_iter().zip(floor)) {
            let what = format!("{what}, {} users, commits {commits}", subject.table.users());
            bounds.check(what, ours / floor, 0.0..=most);
        }
    }
    println!();
}

async fn compare_clean_ups<T: Table>(subjects: &mut [Subject<T>], bounds: &mut Bounds) {
    println!("| users and sessions | {CLEANED} sessions cleaned up p50, s | ratio |\n|---|---|---|");
    let mut took = vec![Vec::new(); subjects.len()];
    for _ in 0..CLEAN_UPS {
        for (subject, took) in subjects.iter_mut().zip(&mut took) {
            took.push(subject.clean_up().await);
        }
    }
    let medians: Vec<_> = took.iter_mut().map(|took| percentile(took, 50)).collect();
    for (subject, median) in subjects.iter().zip(&medians) {
        let (users, ratio) = (subject.table.users(), median / medians[0]);
        println!("| {users} | {median:.2} | {ratio:.2} |");
        bounds.check(format!("clean-up, {users} users"), ratio, 0.0..=GROWTH);
    }
    println!();
}

async fn sizes<T: Table>(subjects: &mut [Subject<T>]) {
    println!("\n| users and sessions | bytes per user | bytes per session | all, MiB |\n|---|---|---|---|");
    for Subject { table, .. } in subjects {
        let (users, sessions) = (table.bytes("auth_users").await, table.bytes("auth_sessions").await);
        let users_of_table = table.users();
        let per = |bytes: u64| bytes / users_of_table;
        println!("| {users_of_table} | {} | {} | {} |", per(users), per(sessions), (users + sessions) >> 20);
    }
    println!();
}

/// Measures databases with the numbers of users that `USERS` lists, prints, and fails if a bound is broken.
pub async fn measure<T: Table>(url: &str) -> ExitCode {
    let users = env::var("USERS").unwrap_or_else(|_| "10000,100000".to_owned());
    let (mut subjects, mut bounds) = (Vec::<Subject<T>>::new(), Bounds::default());
    let hash = real_hash().await;
    for users in users.split(',').map(|users| users.parse().expect("USERS are numbers")) {
        subjects.push(Subject::filled(url, users, &hash).await);
    }
    sizes(&mut subjects).await;
    for subject in &mut subjects {
        subject.table.warmed().await;
    }
    // Waiting for the disk costs the same with any number of users, and hides the differences.
    for (waits, commits) in [(false, "do not wait"), (true, "wait")] {
        subjects[0].table.commits_wait(waits).await;
        subjects[0].table.settled().await;
        println!("Commits {commits} for the disk:\n");
        compare(&mut subjects, commits, &mut bounds).await;
    }
    compare_clean_ups(&mut subjects, &mut bounds).await;
    subjects[0].table.settled().await;
    beside::compare(subjects.last_mut().unwrap(), &mut bounds).await;
    for subject in subjects {
        subject.table.dropped().await;
    }
    bounds.judge()
}

/// A hash with the default parameters, as long as those of a real service.
async fn real_hash() -> String {
    let auth = Auth::builder(auth_core::MemoryStore::new(), auth_core::Mailbox::new())
        .secret(SECRET)
        .build()
        .unwrap();
    auth.hashing().hash(&Password::new(PASSWORD)).await.unwrap().expose().to_owned()
}
