//! Several processes, each with its own connection, on one Redis.
//!
//! The other processes run this test binary. The environment names the Redis.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use auth_core::{AcquireOutcome, RateLimiter, Rule};
use auth_redis::RedisLimiter;
use tokio::task::JoinSet;

use crate::server::{PATIENCE, SHARED, bucket, hourly};

const URL: &str = "AUTH_REDIS_TEST_URL";

const PROCESSES: usize = 3;
const CALLERS: usize = 64;
/// The tries of each caller for each permit.
const ASKS: usize = 5;
/// Fewer permits than callers ask for, and no round number.
const PLACES: u32 = 251;
/// The rounds after which processes that started too late to get a permit may stop.
const ROUNDS: u128 = 10;

fn rules() -> [Rule; 2] {
    let Rule::Quota { window: every, .. } = hourly(1) else { unreachable!() };
    [hourly(PLACES), Rule::ConsecutiveFailures { failures: PLACES, then_every: every }]
}

/// Another process, which counts in the buckets that it is given.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "processes::another_process", "--nocapture", "--test-threads=1"])
            .env(URL, SHARED.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn count_at(&mut self, number: u128) {
        self.input.write_all(format!("{number}\n").as_bytes()).unwrap();
    }

    /// Reads the next line of the process.
    fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "a process ended by itself");
            if let Some((_, answer)) = line.trim_end().split_once("counted ") {
                return answer.to_owned();
            }
        }
    }

    /// Ends the process, which must print nothing more.
    fn end(self) {
        let Self { mut child, input, .. } = self;
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}

/// Counts in each bucket that the parent names. Without a parent it counts once alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process() {
    match env::var(URL) {
        Ok(url) => {
            let limiter = Arc::new(RedisLimiter::connect(&url).await.unwrap().patience(PATIENCE));
            println!("counted ready");
            for line in std::io::stdin().lines() {
                let number = line.unwrap().parse().unwrap();
                let [first, second] = take_all(Arc::clone(&limiter), number).await;
                println!("counted {first} {second}");
            }
        }
        Err(_) => assert_eq!(take_all(Arc::new(SHARED.limiter().await), 1).await, [PLACES; 2]),
    }
}

/// Acquires as many permits of both rules as possible, with 64 concurrent callers. It releases half of them
/// at once and acquires them again.
async fn take_all(limiter: Arc<RedisLimiter>, number: u128) -> [u32; 2] {
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
                        limiter.release(&bucket, &rule).await.unwrap();
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
    matches!(limiter.acquire(bucket, rule).await.unwrap(), AcquireOutcome::Granted { .. })
}

/// Lets all processes count in one bucket, and returns the permits of each for both rules.
fn race(processes: &mut [Process], number: u128) -> Vec<[u32; 2]> {
    for process in &mut *processes {
        process.count_at(number);
    }
    let got = |process: &mut Process| {
        let answer = process.answer();
        let (quota, streak) = answer.split_once(' ').unwrap();
        [quota, streak].map(|own| own.parse().unwrap())
    };
    processes.iter_mut().map(got).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_get_exactly_what_the_rules_allow() {
    let mut processes: Vec<Process> = (0..PROCESSES).map(|_| Process::start()).collect();
    for process in &mut processes {
        assert_eq!(process.answer(), "ready");
    }
    let limiter = SHARED.limiter().await;
    let mut raced = false;
    for number in 2..2 + ROUNDS {
        let granted_each = race(&mut processes, number);
        println!("the processes were granted {granted_each:?}");
        let mut won = [0, 1].map(|rule| granted_each.iter().map(|own| own[rule]).sum::<u32>());
        // A permit that was released and not acquired again is still free.
        for (won, rule) in won.iter_mut().zip(rules()) {
            while *won <= PLACES && granted(&limiter, &bucket("processes", number), &rule).await {
                *won += 1;
            }
        }
        assert_eq!(won, [PLACES; 2]);
        // The first process may take all permits before the others start.
        raced = granted_each.iter().flatten().all(|own| *own > 0);
        if raced {
            break;
        }
    }
    assert!(raced, "a process that got nothing raced nobody, {ROUNDS} times");
    processes.into_iter().for_each(Process::end);
}
