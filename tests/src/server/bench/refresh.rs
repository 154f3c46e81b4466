//! The cost of a refresh through `Auth` and a store, over an owned and over a shared pool. The floor is
//! the same two statements by bare sqlx on one held connection.
//!
//! `CONNECTIONS=8 CONTENDER=own SECONDS=20` runs one contender alone, for a profile.

#![expect(clippy::cast_precision_loss, reason = "figures need no exact arithmetic")]

use std::env;
use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use auth_core::store::Store;
use auth_core::{
    Auth, Clock as _, Email, Epoch, Password, SessionId, SystemClock, SystemRandom, User, UserId, UserStatus,
};

use super::{Bounds, client, percentile, service};
use crate::PASSWORD;

/// A database that runs the statements of a refresh without a store.
#[async_trait]
pub trait Floor: Sync {
    /// Opens a connection that rotates this session.
    async fn connect(&self, session: SessionId) -> Box<dyn Bare>;
}

/// A held connection.
#[async_trait]
pub trait Bare: Send {
    /// Reads the session joined to its user, and replaces its refresh token.
    async fn refresh(&mut self);
}

/// Length of a round: short, so that other work on the machine affects all contenders alike.
const ROUND: Duration = Duration::from_millis(250);
const ROUNDS: usize = 20;
/// The contender with bounds: a store that opened its pool itself.
const OWN: &str = "own pool";

/// One client.
enum Caller {
    /// Refreshes its token through `Auth`.
    Service(Auth, String),
    /// Runs the same statements for a session on a held connection.
    Bare(Box<dyn Bare>),
}

impl Caller {
    async fn refresh(&mut self) {
        match self {
            Self::Service(auth, token) => {
                *token = auth.refresh(token, &client()).await.unwrap().refresh_token.expose().to_string();
            }
            Self::Bare(connection) => connection.refresh().await,
        }
    }
}

/// Inserts a user and logs in; returns its id and the refresh token.
async fn log_in(auth: &Auth, store: &impl Store) -> (UserId, String) {
    static NUMBERS: AtomicU32 = AtomicU32::new(0);
    let now = SystemClock.now();
    let id = UserId::generate(now, &SystemRandom).unwrap();
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let email = format!("bench{}-{number}@example.com", now.timestamp_micros());
    let user = User {
        id,
        email: Email::parse(&email).unwrap(),
        name: None,
        password_hash: Some(auth.hashing().hash(&Password::new(PASSWORD)).await.unwrap()),
        password_changed_at: now,
        epoch: Epoch::from_u64(1),
        status: UserStatus::Active,
        email_verified_at: Some(now),
        contested_at: None,
        created_at: now,
    };
    let _ = store.insert_user(&user).await.unwrap();
    let grant = auth.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap();
    (id, grant.refresh_token.expose().to_string())
}

/// Processor time of this process so far, in nanoseconds.
fn cpu() -> u64 {
    fs::read_dir("/proc/self/task").unwrap().fold(0, |sum, thread| {
        // A thread may end meanwhile.
        let spent = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap_or_default();
        sum + spent.split(' ').next().and_then(|spent| spent.parse::<u64>().ok()).unwrap_or_default()
    })
}

/// Callers of one kind, and their figures of each round.
struct Contender {
    name: &'static str,
    callers: Vec<Caller>,
    /// Refreshes per second and microseconds of processor time per refresh, for each round.
    rounds: Vec<(f64, f64)>,
    latencies: Vec<f64>,
}

impl Contender {
    fn new(name: &'static str, callers: Vec<Caller>) -> Self {
        Self { name, callers, rounds: Vec::new(), latencies: Vec::new() }
    }

    async fn through_auth(name: &'static str, auth: &Auth, store: &impl Store, callers: usize) -> Self {
        let mut all = Vec::new();
        for _ in 0..callers {
            all.push(Caller::Service(auth.clone(), log_in(auth, store).await.1));
        }
        Self::new(name, all)
    }

    async fn bare(floor: &impl Floor, auth: &Auth, store: &impl Store, callers: usize) -> Self {
        let mut all = Vec::new();
        for _ in 0..callers {
            let (user, _) = log_in(auth, store).await;
            let session = store.find_sessions_by_user(user).await.unwrap()[0].id;
            all.push(Caller::Bare(floor.connect(session).await));
        }
        Self::new("bare", all)
    }

    async fn round(&mut self, length: Duration) {
        let (began, spent) = (Instant::now(), cpu());
        let tasks: Vec<_> = self
            .callers
            .drain(..)
            .map(|mut caller| {
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    while began.elapsed() < length {
                        let start = Instant::now();
                        caller.refresh().await;
                        latencies.push(start.elapsed().as_secs_f64() * 1e6);
                    }
                    (caller, latencies)
                })
            })
            .collect();
        let mut done = 0.0;
        for task in tasks {
            let (caller, latencies) = task.await.unwrap();
            done += latencies.len() as f64;
            self.callers.push(caller);
            self.latencies.extend(latencies);
        }
        let rate = done / began.elapsed().as_secs_f64();
        self.rounds.push((rate, (cpu() - spent) as f64 / 1e3 / done));
    }

    /// Prints medians; returns the ratios of throughput and processor time to the floor, between
    /// neighbouring rounds.
    fn print(&mut self, floor: &[(f64, f64)]) -> [f64; 2] {
        let median = |values: &mut dyn Iterator<Item = f64>| percentile(&mut values.collect::<Vec<_>>(), 50);
        let pairs = || self.rounds.iter().zip(floor);
        let rate = median(&mut pairs().map(|(ours, floor)| ours.0 / floor.0));
        let spent = median(&mut pairs().map(|(ours, floor)| ours.1 / floor.1));
        println!(
            "| {} | {} | {:.0} | {rate:.2} | {:.0} | {spent:.2} | {:.0} | {:.0} |",
            self.callers.len(),
            self.name,
            median(&mut self.rounds.iter().map(|round| round.0)),
            median(&mut self.rounds.iter().map(|round| round.1)),
            percentile(&mut self.latencies, 50),
            percentile(&mut self.latencies, 99),
        );
        [rate, spent]
    }
}

/// Measures, prints, and fails if a bound is broken. Both stores may have 32 connections.
pub async fn measure<S>(own: &S, shared: &S, floor: &impl Floor) -> ExitCode
where
    S: Store + Clone + 'static,
{
    let (own_auth, shared_auth) = (service(own.clone()), service(shared.clone()));

    if let Ok(name) = env::var("CONTENDER") {
        let number = |name| env::var(name).expect(name).parse::<usize>().expect(name);
        let connections = number("CONNECTIONS");
        let mut contender = match &*name {
            "own" => Contender::through_auth("own", &own_auth, own, connections).await,
            "shared" => Contender::through_auth("shared", &shared_auth, shared, connections).await,
            _ => Contender::bare(floor, &own_auth, own, connections).await,
        };
        contender.round(Duration::from_secs(number("SECONDS") as u64)).await;
        let rounds = contender.rounds.clone();
        contender.print(&rounds);
        return ExitCode::SUCCESS;
    }

    println!(
        "| connections | refresh through | per second | of the floor | client CPU, us | of the floor | p50, us | p99, us |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut bounds = Bounds::default();
    for connections in [1, 8, 32] {
        let mut contenders = [
            Contender::bare(floor, &own_auth, own, connections).await,
            Contender::through_auth(OWN, &own_auth, own, connections).await,
            Contender::through_auth("shared pool", &shared_auth, shared, connections).await,
        ];
        for contender in &mut contenders {
            contender.round(ROUND).await;
            contender.rounds.clear();
            contender.latencies.clear();
        }
        for _ in 0..ROUNDS {
            for contender in &mut contenders {
                contender.round(ROUND).await;
            }
        }
        let rounds = contenders[0].rounds.clone();
        for contender in &mut contenders {
            let [rate, spent] = contender.print(&rounds);
            if contender.name == OWN {
                bounds.check(
                    format!("throughput of the floor, {connections} connections"),
                    rate,
                    0.85..=f64::INFINITY,
                );
                bounds.check(
                    format!("processor time of the floor, {connections} connections"),
                    spent,
                    0.0..=1.4,
                );
            }
        }
    }
    bounds.judge()
}
