//! Redis dies, hangs, returns and refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth_core::{
    AcquireOutcome, Auth, Bucket, Client, FailureKind, Limit, LogInError, Mailbox, MemoryStore, Message,
    Password, RateLimiter, RateLimits, Rule, StoreErrorKind,
};
use auth_redis::{OutagePolicy, RedisLimiter};
use tokio::task::JoinSet;

use crate::server::{Server, bucket, cheap, hourly};

/// The longest time of a call with a limit of half a second, on a busy machine.
const SOON: Duration = Duration::from_secs(3);

async fn granted(limiter: &RedisLimiter, bucket: &Bucket, rule: &Rule) -> bool {
    matches!(limiter.acquire(bucket, rule).await.unwrap(), AcquireOutcome::Granted { .. })
}

/// Waits until Redis counts again, at most ten seconds.
async fn counts_again(limiter: &RedisLimiter) {
    let asked = Instant::now();
    while limiter.release(&bucket("again", 1), &hourly(1)).await.is_err() {
        assert!(asked.elapsed() < Duration::from_secs(10), "the limiter does not return to Redis");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Checks that closed limits fail, open limits grant and every other call fails, each soon.
async fn policy_holds(limiter: &RedisLimiter, open: &[&str]) {
    for (number, limit) in (0..).zip(Limit::ALL) {
        let name = limit.name();
        let (bucket, rule) = (bucket(name, number), RateLimits::default().rule(*limit).unwrap());
        let asked = Instant::now();
        match limiter.acquire(&bucket, &rule).await {
            Ok(AcquireOutcome::Granted { .. }) => assert!(open.contains(&name), "{name} is open"),
            Ok(refused) => panic!("{name} was {refused:?} by nobody"),
            Err(error) => {
                assert!(!open.contains(&name), "{name} is closed");
                assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            }
        }
        assert!(limiter.release(&bucket, &rule).await.is_err(), "{name} was released");
        assert!(limiter.reset(&bucket, &rule).await.is_err(), "{name} was reset");
        assert!(asked.elapsed() < SOON, "{name} took {:?}", asked.elapsed());
    }
}

const OPEN: [&str; 9] = [
    "log_in_success",
    "confirm_email_client",
    "verify_client",
    "reset_client",
    "log_out_client",
    "refresh_client",
    "refresh_session",
    "restore_client",
    "restore_session",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_holds_until_a_dead_redis_is_replaced() {
    let mut server = Server::start();
    let limiter = server.limiter().await;
    let other = server.limiter().await.outage(OutagePolicy::open_for([Limit::LogInClient]));
    let closed = server.limiter().await.outage(OutagePolicy::closed());
    server.kill();
    policy_holds(&limiter, &OPEN).await;
    policy_holds(&other, &["log_in_client"]).await;
    policy_holds(&closed, &[]).await;
    server.start_again();
    for limiter in [&limiter, &other, &closed] {
        for _ in 0..2 {
            assert!(granted(limiter, &bucket("log_in_account", 99), &hourly(6)).await);
        }
    }
    assert!(!granted(&limiter, &bucket("log_in_account", 99), &hourly(6)).await, "nobody counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_two_calls_goes_unnoticed() {
    let mut server = Server::start();
    let limiter = server.limiter().await;
    for _ in 0..3 {
        assert!(granted(&limiter, &bucket("restart", 1), &hourly(1)).await, "nothing is stored on disk");
        assert!(!granted(&limiter, &bucket("restart", 1), &hourly(1)).await);
        server.kill();
        server.start_again();
    }
    assert!(granted(&limiter, &bucket("restart", 1), &hourly(1)).await);
    // Redis loses its scripts, then its connections.
    let _: () = server.command(&["SCRIPT", "FLUSH"]).await;
    assert!(!granted(&limiter, &bucket("restart", 1), &hourly(1)).await);
    let _: i64 = server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert!(!granted(&limiter, &bucket("restart", 1), &hourly(1)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_redis_delays_no_caller() {
    let server = Server::start();
    let limiter = Arc::new(RedisLimiter::connect(server.url()).await.unwrap());
    let (used, patient) = (bucket("log_in_account", 1), server.limiter().await);
    assert!(granted(&patient, &used, &hourly(5)).await);
    server.signal("-STOP");
    let asked = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let limiter = Arc::clone(&limiter);
        callers.spawn(async move { limiter.acquire(&used, &hourly(5)).await.is_err() });
    }
    assert!(callers.join_all().await.into_iter().all(|failed| failed), "a hung server grants nothing");
    assert!(asked.elapsed() >= Duration::from_millis(450) && asked.elapsed() < SOON, "{:?}", asked.elapsed());
    // After the first lost answer, no caller waits.
    let asked = Instant::now();
    assert!(limiter.acquire(&used, &hourly(5)).await.is_err());
    assert!(asked.elapsed() < Duration::from_millis(400), "{:?}", asked.elapsed());
    policy_holds(&limiter, &OPEN).await;
    let error = RedisLimiter::connect(server.url()).await.unwrap_err();
    assert!(matches!(error, auth_redis::ConnectError::Unreachable(_)), "{error:?}");
    server.signal("-CONT");
    counts_again(&limiter).await;
    // The calls meanwhile may have taken permits, but gained none.
    let mut more = 0;
    while granted(&patient, &used, &hourly(5)).await {
        more += 1;
    }
    assert!(more <= 4, "{more} of 4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_a_log_in_fails_soon_and_a_refresh_succeeds() {
    let server = Server::start();
    let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    let auth = Auth::builder(store, mailbox.clone())
        .secret("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE")
        .policy(cheap())
        .rate_limiter(server.limiter().await.patience(Duration::from_secs(1)))
        .build()
        .unwrap();
    let client = || Client::new("192.0.2.77".parse().ok(), Some("Firefox"));
    let password = || Password::new("correct horse battery");
    auth.register("ada@example.com", password(), None, &client()).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    let mails = mailbox.mails();
    let Message::VerifyEmail { token, .. } = &mails[0].message else { panic!("{mails:?}") };
    auth.verify_email(&token.expose(), None, &client()).await.unwrap();
    let session = auth.log_in("ada@example.com", password(), &client()).await.unwrap();

    server.signal("-STOP");
    let asked = Instant::now();
    let error = auth.log_in("ada@example.com", password(), &client()).await.unwrap_err();
    let LogInError::Failed(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.kind(), FailureKind::Unavailable);
    assert!(auth.forgot_password("ada@example.com", &client()).await.is_err());
    auth.refresh(&session.refresh_token.expose(), &client()).await.unwrap();
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());

    server.signal("-CONT");
    let asked = Instant::now();
    while auth.log_in("ada@example.com", password(), &client()).await.is_err() {
        assert!(asked.elapsed() < Duration::from_secs(10), "nobody can log in any more");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_under_load_grant_nothing_twice() {
    const PLACES: u32 = 2000;
    let server = Server::start();
    let limiter = Arc::new(server.limiter().await);
    let (bucket, rule) = (bucket("load", 1), hourly(PLACES));
    let done = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        let (limiter, done) = (Arc::clone(&limiter), Arc::clone(&done));
        callers.spawn(async move {
            let mut won = 0;
            while !done.load(Ordering::Relaxed) {
                match limiter.acquire(&bucket, &rule).await {
                    Ok(AcquireOutcome::Granted { .. }) => won += 1,
                    Ok(AcquireOutcome::Refused { .. }) | Err(_) => {}
                }
            }
            won
        });
    }
    for _ in 0..20 {
        let _: i64 = server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    done.store(true, Ordering::Relaxed);
    let won: u32 = callers.join_all().await.into_iter().sum();
    counts_again(&limiter).await;
    let mut rest = 0;
    while granted(&limiter, &bucket, &rule).await {
        rest += 1;
    }
    println!("{won} granted among 20 breaks, {rest} afterwards, {} lost", PLACES - won - rest);
    assert!(won > 0 && won + rest <= PLACES, "{won} and {rest} of {PLACES}");
    assert!(won + rest + 20 * 16 * 2 >= PLACES, "{won} and {rest}: more were lost than broke");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_or_full_memory_is_an_outage_that_ends() {
    let server = Server::start();
    let limiter = server.limiter().await;
    let operator = redis::Client::open(format!("redis://operator:right@{}", server.address())).unwrap();
    let _: () = server.command(&["ACL", "SETUSER", "operator", "on", ">right", "~*", "+@all"]).await;
    let mut operator = operator.get_multiplexed_async_connection().await.unwrap();
    let mut order = async |words: &[&str]| {
        let _: redis::Value = redis::cmd(words[0]).arg(&words[1..]).query_async(&mut operator).await.unwrap();
    };

    order(&["CONFIG", "SET", "requirepass", "another"]).await;
    order(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    policy_holds(&limiter, &OPEN).await;
    order(&["CONFIG", "SET", "requirepass", "auth-test-pw"]).await;
    assert!(granted(&limiter, &bucket("password", 1), &hourly(1)).await);

    order(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(limiter.acquire(&bucket("log_in_client", 1), &hourly(1)).await.is_err());
    assert!(granted(&limiter, &bucket("refresh_client", 1), &hourly(1)).await, "open");
    order(&["CONFIG", "SET", "maxmemory", "0"]).await;
    assert!(granted(&limiter, &bucket("log_in_client", 1), &hourly(1)).await);
}
