//! Several processes, each with a connection of its own, on one Redis.
//!
//! The other processes are this test binary again, told by the environment where to count.

use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use auth_core::{RateLimiter, Reservation, Rule};
use auth_redis::RedisLimiter;
use tokio::task::JoinSet;

use crate::server::{PATIENCE, SHARED, bucket, hourly};

const URL: &str = "AUTH_REDIS_TEST_URL";

const PROCESSES: usize = 3;
const CALLERS: usize = 64;
/// How often each caller asks for each place.
const ASKS: usize = 5;
/// Fewer than are asked for, and not a multiple of anything.
const PLACES: u32 = 251;

fn rules() -> [Rule; 2] {
    let Rule::Quota { window: every, .. } = hourly(1) else { unreachable!() };
    [hourly(PLACES), Rule::Streak { failures: PLACES, then_every: every }]
}

fn start() -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "processes::another_process", "--nocapture", "--test-threads=1"])
        .env(URL, SHARED.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Counts where the parent says, once it says go; without a parent, by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process() {
    match env::var(URL) {
        Ok(url) => {
            let limiter = RedisLimiter::connect(&url).await.unwrap().patience(PATIENCE);
            println!("told ready");
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            let [first, second] = take_all(limiter, line.trim().parse().unwrap()).await;
            println!("told {first} {second}");
        }
        Err(_) => assert_eq!(take_all(SHARED.limiter().await, 1).await, [PLACES; 2]),
    }
}

/// Takes all it can get of both rules, 64 callers at a time; half of what it gets it gives back at once and
/// asks for again.
async fn take_all(limiter: RedisLimiter, number: u128) -> [u32; 2] {
    let limiter = Arc::new(limiter);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let limiter = Arc::clone(&limiter);
        callers.spawn(async move {
            let mut won = [0; 2];
            let bucket = bucket("processes", number);
            for ask in 0..ASKS {
                for (won, rule) in won.iter_mut().zip(rules()) {
                    if !granted(&limiter, &bucket, &rule).await {
                        continue;
                    }
                    if (caller + ask) % 2 == 0 {
                        limiter.give_back(&bucket, &rule).await.unwrap();
                        *won += u32::from(granted(&limiter, &bucket, &rule).await);
                    } else {
                        *won += 1;
                    }
                }
            }
            won
        });
    }
    let won = callers.join_all().await;
    [won.iter().map(|[quota, _]| quota).sum(), won.iter().map(|[_, streak]| streak).sum()]
}

async fn granted(limiter: &RedisLimiter, bucket: &auth_core::Bucket, rule: &Rule) -> bool {
    matches!(limiter.reserve(bucket, rule).await.unwrap(), Reservation::Granted { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_are_granted_exactly_what_the_rules_allow() {
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| start()).collect();
    let mut outputs = Vec::new();
    for child in &mut children {
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.ends_with("told ready\n") {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "a process ended by itself");
        }
        outputs.push(lines);
    }
    for child in &mut children {
        child.stdin.as_mut().unwrap().write_all(b"2\n").unwrap();
    }
    let mut won = [0; 2];
    for (child, mut output) in children.iter_mut().zip(outputs) {
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success());
        let told = text.lines().find_map(|line| line.split_once("told ")).unwrap().1;
        println!("one process was granted {told}");
        for (won, own) in won.iter_mut().zip(told.split(' ')) {
            let own: u32 = own.parse().unwrap();
            assert!(own > 0, "a process that got nothing raced nobody");
            *won += own;
        }
    }
    // What was given back and not got again is still free.
    let limiter = SHARED.limiter().await;
    for (won, rule) in won.iter_mut().zip(rules()) {
        while granted(&limiter, &bucket("processes", 2), &rule).await {
            *won += 1;
        }
    }
    assert_eq!(won, [PLACES; 2]);
}
