//! The content and the lifetime of the keys in Redis.

use std::time::Duration;

use auth_core::{AcquireOutcome, Auth, Bucket, Client, Mailbox, MemoryStore, Password, RateLimiter, Rule};

use crate::server::{SHARED, Server, bucket, cheap, hourly};

/// The key of a bucket. Only tests of this crate may know its form.
fn key(kind: char, bucket: &Bucket) -> String {
    format!("auth:{kind}:{}:{:032x}", bucket.limit, u128::from_be_bytes(bucket.key))
}

async fn milliseconds_left(key: &str) -> i64 {
    SHARED.command(&["PTTL", key]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_holds_no_readable_address_or_account() {
    let server = Server::start();
    let store = MemoryStore::new();
    let auth = Auth::builder(store, Mailbox::new())
        .secret("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE")
        .policy(cheap())
        .rate_limiter(server.limiter().await)
        .build()
        .unwrap();
    let client = Client::new("192.0.2.77".parse().ok(), Some("Firefox"));
    let password = || Password::new("correct horse battery");
    auth.register("ada@lovelace.example", password(), Some("Ada"), &client).await.unwrap();
    auth.forgot_password("ada@lovelace.example", &client).await.unwrap();
    assert!(auth.log_in("ada@lovelace.example", Password::new("wrong"), &client).await.is_err());

    let keys: Vec<String> = server.command(&["KEYS", "*"]).await;
    assert!(keys.len() >= 7, "{keys:?}");
    let mut held = keys.join("\n");
    for key in &keys {
        held.push_str(&server.command::<String>(&["GET", key]).await);
        assert!(server.command::<i64>(&["PTTL", key]).await > 0, "{key} is kept for good");
        let (name, digest) = key.rsplit_once(':').unwrap();
        assert_eq!(digest.len(), 32, "{key}");
        assert!(digest.chars().all(|digit| digit.is_ascii_hexdigit()), "{key}");
        assert!(["auth:q:", "auth:f:"].iter().any(|kind| name.starts_with(kind)), "{key}");
    }
    // A digest or a time could contain shorter texts by chance.
    for readable in ["ada@", "lovelace", "192.0", "0.2.77", "c000024d", "Firefox", "example"] {
        assert!(!held.to_lowercase().contains(&readable.to_lowercase()), "{readable} stands in {held}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_stored_until_all_its_permits_are_free() {
    let limiter = SHARED.limiter().await;
    let (bucket, hour) = (bucket("expiry", 1), 3_600_000);
    for taken in 1..=3 {
        let _granted = limiter.acquire(&bucket, &hourly(3)).await.unwrap();
        let left = milliseconds_left(&key('q', &bucket)).await;
        assert!(left <= taken * hour && left > taken * hour - 60_000, "{left} ms with {taken} taken");
    }
    // A refusal extends no lifetime.
    let _refused = limiter.acquire(&bucket, &hourly(3)).await.unwrap();
    assert!(milliseconds_left(&key('q', &bucket)).await <= 3 * hour);
    for _ in 0..3 {
        limiter.release(&bucket, &hourly(3)).await.unwrap();
    }
    assert_eq!(milliseconds_left(&key('q', &bucket)).await, -2, "a bucket with all places free is not held");

    let brief = Rule::Quota { count: 1, window: Duration::from_millis(50) };
    let _granted = limiter.acquire(&bucket, &brief).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(milliseconds_left(&key('q', &bucket)).await, -2, "Redis lets it go by itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consecutive_failures_are_stored_as_long_as_tries_would_take() {
    let limiter = SHARED.limiter().await;
    let (bucket, day) = (bucket("expiry", 1), 24 * 3_600_000);
    for (then_every, held) in [(Duration::from_mins(15), day + 3_600_000), (Duration::from_millis(1), day)] {
        let rule = Rule::ConsecutiveFailures { failures: 100, then_every };
        let _granted = limiter.acquire(&bucket, &rule).await.unwrap();
        let left = milliseconds_left(&key('f', &bucket)).await;
        assert!(left <= held && left > held - 60_000, "{left} ms for {rule:?}");
        limiter.reset(&bucket, &rule).await.unwrap();
        assert_eq!(milliseconds_left(&key('f', &bucket)).await, -2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_costs_at_most_one_window_or_wait() {
    let limiter = SHARED.limiter().await;
    let bucket = bucket("clock", 1);
    let failures = Rule::ConsecutiveFailures { failures: 3, then_every: Duration::from_hours(1) };
    // Written by a clock that was 70 years ahead.
    let ahead = "4000000000000000";
    let _: () = SHARED.command(&["SET", &key('q', &bucket), ahead, "EX", "900"]).await;
    let _: () = SHARED.command(&["SET", &key('f', &bucket), &format!("3 {ahead}"), "EX", "900"]).await;
    for rule in [hourly(3), failures] {
        let AcquireOutcome::Refused { retry_after } = limiter.acquire(&bucket, &rule).await.unwrap() else {
            panic!("{rule:?} is used up")
        };
        assert!(retry_after <= Duration::from_hours(1), "{rule:?} waits {retry_after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_value_fails_and_grants_nothing() {
    let limiter = SHARED.limiter().await;
    let bucket = bucket("sense", 1);
    let failures = Rule::ConsecutiveFailures { failures: 3, then_every: Duration::from_hours(1) };
    for (kind, rule) in [('q', hourly(3)), ('f', failures)] {
        let key = key(kind, &bucket);
        let _: () = SHARED.command(&["SET", &key, "nonsense", "EX", "900"]).await;
        assert!(limiter.acquire(&bucket, &rule).await.is_err(), "{rule:?}");
        let _: i64 = SHARED.command(&["DEL", &key]).await;
        let _: i64 = SHARED.command(&["RPUSH", &key, "7"]).await;
        assert!(limiter.acquire(&bucket, &rule).await.is_err(), "{rule:?}");
        limiter.reset(&bucket, &rule).await.unwrap();
        assert!(limiter.acquire(&bucket, &rule).await.is_ok(), "{rule:?}");
    }
}
