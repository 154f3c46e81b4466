//! Promise 13: the example server under bursts of a thousand log-ins at once.
//!
//! How much more memory it takes than before, how soon it turns away what is too much, and how long
//! health and token checks take meanwhile.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::json;

use crate::burst;
use crate::connection::Connection;
use crate::server::Server;

const CLIENTS: usize = 1000;
const BURSTS: usize = 10;
/// What a hash takes, by the default policy.
const MEMORY_KIB: u64 = 19_456;
/// What everything else may take more than before: connections, requests, answers.
const SLACK_KIB: u64 = 64 << 10;

/// Whether everything stays within its bounds.
pub(crate) fn measure() -> bool {
    // Not the file system but the queue is measured.
    let server = Server::start(&[("DATABASE_URL", "memory:")]);
    let token = session(&server);
    let before = memory_kib(&server, "VmRSS:");
    let threads = u64::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    let stop = AtomicBool::new(false);
    let (mut outcome, health, check) = std::thread::scope(|scope| {
        let health = scope.spawn(|| watch(&server, "/health", "", &stop));
        let check = scope.spawn(|| watch(&server, "/api/v1/users/me", &token, &stop));
        let outcome = burst::bursts(server.address, CLIENTS, BURSTS);
        stop.store(true, Relaxed);
        (outcome, health.join().unwrap(), check.join().unwrap())
    });
    let peak = memory_kib(&server, "VmHWM:");
    let allowed = before + threads * MEMORY_KIB + SLACK_KIB;
    println!("{BURSTS} bursts of {CLIENTS} log-ins at once, {threads} hashing threads, queue of 64");
    println!("answers: {} worked for (401), {} turned away (503)", outcome.refused.len(), outcome.busy.len());
    let mut holds = true;
    let mut line = |what: &str, measured: String, most: String, within: bool| {
        println!("| {what} | {measured} | {most} | {} |", if within { "yes" } else { "NO" });
        holds &= within;
    };
    println!("| what | measured | at most | holds |\n|---|---|---|---|");
    line(
        "memory at its peak",
        format!("{} MiB", peak >> 10),
        format!("{} MiB", allowed >> 10),
        peak <= allowed,
    );
    let (mut health, mut check) = (health, check);
    for (what, took, most) in [
        ("turned away, median", quantile(&mut outcome.busy, 0.5), 50),
        ("turned away, p99", quantile(&mut outcome.busy, 0.99), 50),
        ("health meanwhile, p99", quantile(&mut health, 0.99), 100),
        ("token check meanwhile, p99", quantile(&mut check, 0.99), 100),
    ] {
        let most = Duration::from_millis(most);
        line(what, format!("{took:.1?}"), format!("{most:?}"), took < most);
    }
    println!("watched meanwhile: {} times health, {} times a token", health.len(), check.len());
    assert!(outcome.busy.len() > CLIENTS * BURSTS / 2, "the queue was never full");
    holds
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
    let token = (0..100)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            let mails = connection.get("/dev/mailbox.json", "").body.to_string();
            let (_, link) = mails.split_once("/#/verify-email?token=")?;
            Some(link.chars().take_while(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect::<String>())
        })
        .expect("a verification mail");
    assert_eq!(connection.post("/api/v1/auth/verify-email", &json!({"token": token})).status, 200);
    let answer = connection.post("/api/v1/auth/login", &user);
    answer.body["access_token"].as_str().unwrap().to_owned()
}

/// Asks every ten milliseconds until told to stop.
fn watch(server: &Server, path: &str, token: &str, stop: &AtomicBool) -> Vec<Duration> {
    let mut connection = Connection::open(server.address);
    let mut times = Vec::new();
    while !stop.load(Relaxed) {
        let answer = connection.get(path, token);
        assert_eq!(answer.status, 200, "{path}");
        times.push(answer.took);
        std::thread::sleep(Duration::from_millis(10));
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
