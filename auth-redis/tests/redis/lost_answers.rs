//! Calls that Redis executed, but whose answers never arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth_core::{AcquireOutcome, RateLimiter, Rule};
use auth_redis::RedisLimiter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{PATIENCE, SHARED, bucket, hourly};

/// A proxy that can close the connection or fall silent instead of passing on the next answer.
struct Between {
    url: String,
    hang_up: Arc<AtomicBool>,
    fall_silent: Arc<AtomicBool>,
}

impl Between {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = SHARED.url().replace(SHARED.address(), &listener.local_addr().unwrap().to_string());
        let hang_up = Arc::new(AtomicBool::new(false));
        let fall_silent = Arc::new(AtomicBool::new(false));
        let flags = (Arc::clone(&hang_up), Arc::clone(&fall_silent));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (hang_up, fall_silent) = flags.clone();
                tokio::spawn(pass_on(client, hang_up, fall_silent));
            }
        });
        Self { url, hang_up, fall_silent }
    }

    /// Loses the answer to the next call that gets one.
    fn lose_an_answer(&self) {
        assert!(!self.hang_up.swap(true, Ordering::SeqCst), "the answer before was not lost");
    }

    fn has_lost_it(&self) -> bool {
        !self.hang_up.load(Ordering::SeqCst)
    }
}

async fn pass_on(mut client: TcpStream, hang_up: Arc<AtomicBool>, fall_silent: Arc<AtomicBool>) {
    let mut server = TcpStream::connect(SHARED.address()).await.unwrap();
    let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => match read {
                Ok(length) if length > 0 => server.write_all(&asked[..length]).await.unwrap(),
                _ => return,
            },
            read = server.read(&mut answered) => match read {
                Ok(_) if fall_silent.swap(false, Ordering::SeqCst) => std::future::pending().await,
                Ok(length) if length > 0 && !hang_up.swap(false, Ordering::SeqCst) => {
                    if client.write_all(&answered[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}

async fn places(limiter: &RedisLimiter, bucket: &auth_core::Bucket, rule: &Rule) -> u32 {
    let mut places = 0;
    while matches!(limiter.acquire(bucket, rule).await.unwrap(), AcquireOutcome::Granted { .. }) {
        places += 1;
    }
    places
}

fn rules() -> [Rule; 2] {
    [hourly(10), Rule::ConsecutiveFailures { failures: 10, then_every: Duration::from_hours(1) }]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permit_whose_answer_was_lost_costs_at_most_two() {
    let between = Between::start().await;
    let limiter = RedisLimiter::connect(&between.url).await.unwrap().patience(PATIENCE);
    for rule in rules() {
        let bucket = bucket("lost", 1);
        between.lose_an_answer();
        let reserved = limiter.acquire(&bucket, &rule).await.unwrap();
        assert!(between.has_lost_it());
        assert!(matches!(reserved, AcquireOutcome::Granted { remaining: 8, .. }), "{reserved:?}");
        assert_eq!(places(&limiter, &bucket, &rule).await, 8);
        // The lost answer may have taken the last permit. A refusal is safe.
        limiter.release(&bucket, &rule).await.unwrap();
        between.lose_an_answer();
        let reserved = limiter.acquire(&bucket, &rule).await.unwrap();
        assert!(matches!(reserved, AcquireOutcome::Refused { .. }), "{reserved:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_whose_answer_was_lost_is_not_repeated() {
    let between = Between::start().await;
    let limiter = RedisLimiter::connect(&between.url).await.unwrap().patience(PATIENCE);
    for rule in rules() {
        let bucket = bucket("lost_return", 1);
        assert_eq!(places(&limiter, &bucket, &rule).await, 10);
        between.lose_an_answer();
        assert!(limiter.release(&bucket, &rule).await.is_err(), "nobody knows whether it was given back");
        assert!(between.has_lost_it());
        assert_eq!(places(&limiter, &bucket, &rule).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_whose_answer_was_lost_is_repeated() {
    let between = Between::start().await;
    let limiter = RedisLimiter::connect(&between.url).await.unwrap().patience(PATIENCE);
    for rule in rules() {
        let bucket = bucket("lost_reset", 1);
        assert_eq!(places(&limiter, &bucket, &rule).await, 10);
        between.lose_an_answer();
        limiter.reset(&bucket, &rule).await.unwrap();
        assert!(between.has_lost_it());
        assert_eq!(places(&limiter, &bucket, &rule).await, 10);
    }
}

/// As if the machine vanished and another took its name: no side closes the connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_falls_silent_is_replaced() {
    let between = Between::start().await;
    let limiter = RedisLimiter::connect(&between.url).await.unwrap().patience(Duration::from_secs(1));
    between.fall_silent.store(true, Ordering::SeqCst);
    assert!(limiter.acquire(&bucket("silent", 1), &hourly(1)).await.is_err());
    assert!(!between.fall_silent.load(Ordering::SeqCst));
    let asked = Instant::now();
    while limiter.acquire(&bucket("silent", 1), &hourly(1)).await.is_err() {
        assert!(asked.elapsed() < Duration::from_secs(8), "the silent connection is asked again and again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
