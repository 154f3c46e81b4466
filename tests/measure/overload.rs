//! Guarantee 13: the example server under bursts of a thousand log-ins at once.
//!
//! How much more memory it takes than before, how soon it turns away what is too much, and how long
//! health and token checks take meanwhile.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use auth_core::HashingPolicy;
use serde_json::json;

use crate::burst::{self, Outcome};
use crate::connection::Connection;
use crate::number;
use crate::server::Server;

const CLIENTS: usize = 1000;
/// What everything else may take more than before: connections, requests, answers.
const SLACK_KIB: u64 = 64 << 10;
/// How soon an answer must be there that costs no hash, nearly always: the clients are on the same
/// processors.
const TURNED_AWAY_WITHIN: Duration = Duration::from_millis(50);
/// How soon nearly all that hash nothing must be answered meanwhile.
const ANSWERED_WITHIN: Duration = Duration::from_millis(100);
/// How often those are asked for.
const EVERY: Duration = Duration::from_millis(10);

/// What was measured, and whether it is within its bound.
#[derive(Debug)]
struct Bound {
    what: &'static str,
    measured: String,
    stated: String,
    holds: bool,
}

/// Whether everything stays within its bounds.
pub(crate) fn measure() -> bool {
    let bounds = bursts(number("EXHAUSTION_BURSTS", 10));
    for bound in bounds.iter().filter(|bound| !bound.holds) {
        eprintln!("BROKEN: {}: {}, not {}", bound.what, bound.measured, bound.stated);
    }
    let broken = bounds.iter().filter(|bound| !bound.holds).count();
    println!("proof exhaustion: {} bounds, {broken} broken", bounds.len());
    broken == 0
}

fn bursts(count: usize) -> Vec<Bound> {
    // Not the file system but the queue is measured.
    let server = Server::start(&[("DATABASE_URL", "memory:")]);
    let token = session(&server);
    let before = memory_kib(&server, "VmRSS:");
    let stop = AtomicBool::new(false);
    let (outcome, health, check) = std::thread::scope(|scope| {
        let health = scope.spawn(|| watch(&server, "/health", "", &stop));
        let check = scope.spawn(|| watch(&server, "/api/v1/users/me", &token, &stop));
        let outcome = burst::bursts(server.address, CLIENTS, count);
        stop.store(true, Relaxed);
        (outcome, health.join().unwrap(), check.join().unwrap())
    });
    let peak = memory_kib(&server, "VmHWM:");
    println!(
        "proof exhaustion: {count} bursts of {CLIENTS} log-ins at once: {} judged (401), {} turned away (503), {} answered otherwise; asked meanwhile {} times for health, {} times with a token",
        outcome.refused.len(),
        outcome.busy.len(),
        outcome.other.len(),
        health.len(),
        check.len()
    );
    let bounds = judge(count, before, peak, &outcome, [health, check]);
    println!("| what | measured | bound | holds |\n|---|---|---|---|");
    for Bound { what, measured, stated, holds } in &bounds {
        println!("| {what} | {measured} | {stated} | {} |", if *holds { "yes" } else { "NO" });
    }
    bounds
}

fn judge(
    bursts: usize,
    before: u64,
    peak: u64,
    outcome: &Outcome,
    [health, check]: [Vec<Duration>; 2],
) -> Vec<Bound> {
    // What the example server has too.
    let HashingPolicy { threads, memory_kib, queue, .. } = HashingPolicy::default();
    let allowed = before + u64::from(threads * memory_kib) + SLACK_KIB;
    // While a burst comes in, a thread may end a hash and take another from the queue.
    let excess = bursts * (CLIENTS - 4 * usize::try_from(threads + queue).unwrap());
    let turned_away = outcome.busy.len();
    let in_time = outcome.busy.iter().filter(|took| **took < TURNED_AWAY_WITHIN).count();
    let mut bounds = vec![
        Bound {
            what: "memory at its peak",
            measured: format!("{} MiB", peak >> 10),
            stated: format!("at most {} MiB", allowed >> 10),
            holds: peak <= allowed,
        },
        Bound {
            what: "turned away within 50 ms",
            measured: format!("{in_time} of {turned_away}; {}", spread(&outcome.busy)),
            stated: format!("99 of 100, and at least {excess} in all"),
            holds: 100 * in_time >= 99 * turned_away && turned_away >= excess && outcome.other.is_empty(),
        },
    ];
    for (what, mut took) in [("health meanwhile, p99", health), ("token check meanwhile, p99", check)] {
        let p99 = quantile(&mut took, 0.99);
        bounds.push(Bound {
            what,
            measured: format!("{p99:.1?}"),
            stated: format!("less than {ANSWERED_WITHIN:?}"),
            holds: p99 < ANSWERED_WITHIN,
        });
    }
    bounds
}

fn spread(times: &[Duration]) -> String {
    if times.is_empty() {
        return "none".to_owned();
    }
    let mut times = times.to_vec();
    let [median, p99, slowest] = [0.5, 0.99, 1.0].map(|part| quantile(&mut times, part));
    format!("median {median:.1?}, p99 {p99:.1?}, slowest {slowest:.1?}")
}

/// A value of the server's `/proc/PID/status`, in KiB.
fn memory_kib(server: &Server, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// A session of a verified user.
fn session(server: &Server) -> String {
    let mut connection = Connection::open(server.address);
    let user = json!({"email": "ada@example.com", "password": "correct horse battery"});
    assert_eq!(connection.post("/api/v1/auth/register", &user).status, 202);
    let token = connection.mailed_link("verify-email", "ada@example.com");
    assert_eq!(connection.post("/api/v1/auth/verify-email", &json!({"token": token})).status, 200);
    let answer = connection.post("/api/v1/auth/login", &user);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

/// Sends a request every ten milliseconds until `stop` is set. Each answer is timed from the moment when its
/// request was due, so that a late answer does not hide the requests that could not be sent meanwhile.
fn watch(server: &Server, path: &str, token: &str, stop: &AtomicBool) -> Vec<Duration> {
    let mut connection = Connection::open(server.address);
    let (mut times, mut due) = (Vec::new(), Instant::now());
    while !stop.load(Relaxed) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        assert_eq!(connection.get(path, token).status, 200, "{path}");
        times.push(due.elapsed());
        due += EVERY;
    }
    times
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list of some thousand"
)]
fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}
