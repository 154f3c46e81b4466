//! What the limiter promises, shown with a clock that stands still until it is moved.

mod model;

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;

use super::*;
use chrono::{DateTime, Utc};

const NANOSECOND: Duration = Duration::from_nanos(1);
const MINUTE: Duration = Duration::from_mins(1);
const FIVE_IN_15_MINUTES: Rule = Rule::Quota { count: 5, window: Duration::from_mins(15) };
const AFTER_100_ONE_IN_15_MINUTES: Rule =
    Rule::ConsecutiveFailures { failures: 100, then_every: Duration::from_mins(15) };

#[derive(Debug, Default)]
struct FakeClock(AtomicU64);

impl FakeClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(nanos(by), Ordering::Relaxed);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

fn limiter(max_keys: usize) -> (Arc<FakeClock>, InProcessLimiter) {
    let clock = Arc::new(FakeClock::default());
    let max_keys = NonZeroUsize::new(max_keys).unwrap();
    (Arc::clone(&clock), InProcessLimiter::with_capacity(clock, max_keys))
}

fn bucket(limit: &'static str, number: u64) -> Bucket {
    // Spread over the first byte like a hash, which picks the shard.
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    key[8..].copy_from_slice(&number.to_be_bytes());
    Bucket { limit, key }
}

/// The limiter's futures are ready at once: it never waits.
fn ready<T>(future: impl Future<Output = Result<T, StoreError>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.unwrap(),
        Poll::Pending => panic!("the limiter waited"),
    }
}

fn acquire(limiter: &InProcessLimiter, bucket: &Bucket, rule: &Rule) -> AcquireOutcome {
    ready(limiter.acquire(bucket, rule))
}

fn granted(limiter: &InProcessLimiter, bucket: &Bucket, rule: &Rule) -> bool {
    matches!(acquire(limiter, bucket, rule), AcquireOutcome::Granted { .. })
}

/// How many places are granted until one is refused, and what the refusal says.
fn drain(limiter: &InProcessLimiter, bucket: &Bucket, rule: &Rule) -> (u32, Duration) {
    let mut places = 0;
    loop {
        match acquire(limiter, bucket, rule) {
            AcquireOutcome::Granted { .. } => places += 1,
            AcquireOutcome::Refused { retry_after } => return (places, retry_after),
        }
    }
}

#[test]
fn a_burst_is_granted_and_one_more_is_refused() {
    let (clock, limiter) = limiter(100);
    let bucket = bucket("log_in", 1);
    for taken in 1..=5 {
        let expected = AcquireOutcome::Granted { remaining: 5 - taken, reset_after: 3 * MINUTE * taken };
        assert_eq!(acquire(&limiter, &bucket, &FIVE_IN_15_MINUTES), expected);
    }
    let refused = AcquireOutcome::Refused { retry_after: 3 * MINUTE };
    assert_eq!(acquire(&limiter, &bucket, &FIVE_IN_15_MINUTES), refused);
    // A refusal counts nothing, and `retry_after` is exact to the nanosecond.
    clock.advance((3 * MINUTE).saturating_sub(NANOSECOND));
    let refused = AcquireOutcome::Refused { retry_after: NANOSECOND };
    assert_eq!(acquire(&limiter, &bucket, &FIVE_IN_15_MINUTES), refused);
    clock.advance(NANOSECOND);
    assert_eq!(drain(&limiter, &bucket, &FIVE_IN_15_MINUTES), (1, 3 * MINUTE));
    clock.advance(15 * MINUTE);
    assert_eq!(drain(&limiter, &bucket, &FIVE_IN_15_MINUTES), (5, 3 * MINUTE));
}

#[test]
fn buckets_of_another_limit_or_key_are_counted_apart() {
    let (_, limiter) = limiter(100);
    for bucket in [bucket("log_in", 1), bucket("log_in", 2), bucket("register", 1)] {
        assert_eq!(drain(&limiter, &bucket, &FIVE_IN_15_MINUTES).0, 5);
    }
}

#[test]
fn a_given_back_place_can_be_taken_again() {
    let (_, limiter) = limiter(100);
    let bucket = bucket("log_in", 1);
    drain(&limiter, &bucket, &FIVE_IN_15_MINUTES);
    ready(limiter.release(&bucket, &FIVE_IN_15_MINUTES));
    assert_eq!(drain(&limiter, &bucket, &FIVE_IN_15_MINUTES), (1, 3 * MINUTE));
}

#[test]
fn giving_back_never_frees_more_than_was_taken() {
    let (_, limiter) = limiter(100);
    let bucket = bucket("log_in", 1);
    for rule in [FIVE_IN_15_MINUTES, AFTER_100_ONE_IN_15_MINUTES] {
        assert!(granted(&limiter, &bucket, &rule));
        for _ in 0..10 {
            ready(limiter.release(&bucket, &rule));
        }
        assert!(limiter.is_empty());
    }
    assert_eq!(drain(&limiter, &bucket, &FIVE_IN_15_MINUTES).0, 5);
    assert_eq!(drain(&limiter, &bucket, &AFTER_100_ONE_IN_15_MINUTES).0, 100);
}

#[test]
fn an_unknown_bucket_costs_nothing_to_keep() {
    let (clock, limiter) = limiter(100);
    let bucket = bucket("log_in", 1);
    for rule in [FIVE_IN_15_MINUTES, AFTER_100_ONE_IN_15_MINUTES] {
        ready(limiter.release(&bucket, &rule));
        ready(limiter.reset(&bucket, &rule));
        assert_eq!(limiter.len(), 0);
        assert!(granted(&limiter, &bucket, &rule));
        assert_eq!((limiter.len(), limiter.is_empty()), (1, false));
        ready(limiter.reset(&bucket, &rule));
        assert_eq!((limiter.len(), limiter.is_empty()), (0, true));
    }
    // Buckets whose places are all free again make room for new ones.
    for number in 0..50 {
        assert!(granted(&limiter, &self::bucket("log_in", number), &FIVE_IN_15_MINUTES));
    }
    clock.advance(3 * MINUTE);
    for number in 50..100 {
        assert!(granted(&limiter, &self::bucket("log_in", number), &FIVE_IN_15_MINUTES));
    }
    assert_eq!(limiter.len(), 50);
}

#[test]
fn a_cleared_bucket_is_fresh() {
    let (_, limiter) = limiter(100);
    let bucket = bucket("log_in", 1);
    for (rule, places) in [(FIVE_IN_15_MINUTES, 5), (AFTER_100_ONE_IN_15_MINUTES, 100)] {
        assert_eq!(drain(&limiter, &bucket, &rule).0, places);
        ready(limiter.reset(&bucket, &rule));
        assert_eq!(drain(&limiter, &bucket, &rule).0, places);
    }
}

#[test]
fn consecutive_failures_never_lock_for_good() {
    let (clock, limiter) = limiter(100);
    let bucket = bucket("log_in_account", 1);
    let rule = AFTER_100_ONE_IN_15_MINUTES;
    assert_eq!(drain(&limiter, &bucket, &rule), (100, 15 * MINUTE));
    for _ in 0..1000 {
        clock.advance((15 * MINUTE).saturating_sub(NANOSECOND));
        let refused = AcquireOutcome::Refused { retry_after: NANOSECOND };
        assert_eq!(acquire(&limiter, &bucket, &rule), refused);
        clock.advance(NANOSECOND);
        let one = AcquireOutcome::Granted { remaining: 0, reset_after: 15 * MINUTE };
        assert_eq!(acquire(&limiter, &bucket, &rule), one);
        assert_eq!(drain(&limiter, &bucket, &rule), (0, 15 * MINUTE));
    }
    // Waiting does not save up tries, nor reset the count.
    clock.advance(Duration::from_hours(400 * 24));
    assert_eq!(drain(&limiter, &bucket, &rule), (1, 15 * MINUTE));
}

#[test]
fn a_released_failure_can_be_taken_again() {
    let (clock, limiter) = limiter(100);
    let bucket = bucket("log_in_account", 1);
    let rule = AFTER_100_ONE_IN_15_MINUTES;
    assert_eq!(drain(&limiter, &bucket, &rule).0, 100);
    ready(limiter.release(&bucket, &rule));
    assert_eq!(drain(&limiter, &bucket, &rule).0, 1);
    clock.advance(15 * MINUTE);
    for _ in 0..10 {
        assert_eq!(drain(&limiter, &bucket, &rule).0, 1);
        ready(limiter.release(&bucket, &rule));
    }
    assert_eq!(drain(&limiter, &bucket, &rule), (1, 15 * MINUTE));
}

#[test]
fn rules_without_sense_or_end_refuse_or_hold_but_never_panic() {
    let (clock, limiter) = limiter(100);
    let bucket = bucket("log_in", 1);
    for rule in [
        Rule::Quota { count: 0, window: MINUTE },
        Rule::Quota { count: 5, window: Duration::ZERO },
        Rule::ConsecutiveFailures { failures: 5, then_every: Duration::ZERO },
    ] {
        assert_eq!(acquire(&limiter, &bucket, &rule), NEVER);
        ready(limiter.release(&bucket, &rule));
        assert!(limiter.is_empty());
    }
    for now in [Duration::ZERO, Duration::from_nanos(u64::MAX)] {
        clock.advance(now);
        for (count, window) in [
            (1, Duration::MAX),
            (u32::MAX, Duration::MAX),
            (u32::MAX, NANOSECOND),
            (3, Duration::from_nanos(2)),
        ] {
            for rule in [
                Rule::Quota { count, window },
                Rule::ConsecutiveFailures { failures: count, then_every: window },
            ] {
                let _ = acquire(&limiter, &bucket, &rule);
                let _ = acquire(&limiter, &bucket, &rule);
                ready(limiter.release(&bucket, &rule));
            }
        }
    }
}

#[test]
fn free_tries_wait_for_nothing() {
    let (_, limiter) = limiter(100);
    let (bucket, rule) = (bucket("log_in", 1), Rule::ConsecutiveFailures { failures: 2, then_every: MINUTE });
    let first = AcquireOutcome::Granted { remaining: 1, reset_after: Duration::ZERO };
    assert_eq!(acquire(&limiter, &bucket, &rule), first);
    let last = AcquireOutcome::Granted { remaining: 0, reset_after: MINUTE };
    assert_eq!(acquire(&limiter, &bucket, &rule), last);
}

#[test]
fn no_free_tries_still_grant_one() {
    let (_, limiter) = limiter(100);
    let rule = Rule::ConsecutiveFailures { failures: 0, then_every: MINUTE };
    assert_eq!(drain(&limiter, &bucket("log_in_account", 1), &rule), (1, MINUTE));
}

#[test]
fn ten_times_the_capacity_of_keys_keeps_the_bound() {
    for max_keys in [1, 7, 1000, 30_000] {
        let (_, limiter) = limiter(max_keys);
        for number in 0..10 * max_keys as u64 {
            assert!(granted(&limiter, &bucket("log_in", number), &FIVE_IN_15_MINUTES));
            assert!(granted(&limiter, &bucket("log_in_account", number), &AFTER_100_ONE_IN_15_MINUTES));
            assert!(number % 100 > 0 || limiter.len() <= max_keys.max(2));
        }
        // One of each kind is kept even where there is room for one alone.
        assert!(limiter.len() <= max_keys.max(2), "{} of {max_keys}", limiter.len());
        assert!(limiter.len() >= max_keys * 9 / 10, "{} of {max_keys}", limiter.len());
    }
}

#[test]
fn a_flood_of_buckets_used_once_evicts_itself() {
    let (_, limiter) = limiter(4000);
    // Neighbours, and more of them than the table compares at once.
    let attacked: Vec<_> = (0..20).map(|number| bucket("attacked", number)).collect();
    for bucket in &attacked {
        assert_eq!(drain(&limiter, bucket, &FIVE_IN_15_MINUTES).0, 5);
        assert_eq!(drain(&limiter, bucket, &AFTER_100_ONE_IN_15_MINUTES).0, 100);
    }
    for number in 0..40_000 {
        // Lasts longer than what it shall evict, and yet weighs less.
        assert!(granted(&limiter, &bucket("flood", number), &Rule::Quota { count: 3, window: 60 * MINUTE }));
        assert!(granted(&limiter, &bucket("flood", number), &AFTER_100_ONE_IN_15_MINUTES));
    }
    for bucket in &attacked {
        assert_eq!(drain(&limiter, bucket, &FIVE_IN_15_MINUTES).0, 0);
        assert_eq!(drain(&limiter, bucket, &AFTER_100_ONE_IN_15_MINUTES).0, 0);
    }
}

#[test]
fn no_number_of_quotas_evicts_consecutive_failures() {
    let (_, limiter) = limiter(100);
    let failures = bucket("log_in_account", 1);
    assert_eq!(drain(&limiter, &failures, &AFTER_100_ONE_IN_15_MINUTES).0, 100);
    for number in 0..1000 {
        assert_eq!(drain(&limiter, &bucket("log_in", number), &FIVE_IN_15_MINUTES).0, 5);
    }
    assert_eq!(drain(&limiter, &failures, &AFTER_100_ONE_IN_15_MINUTES).0, 0);
}

/// Releases 64 threads together and counts what they are granted in 50 tries each.
fn race(limiter: &InProcessLimiter, work: impl Fn() -> usize + Sync) -> usize {
    let start = Barrier::new(64);
    let total = thread::scope(|scope| {
        let racer = || {
            start.wait();
            (0..50).map(|_| work()).sum::<usize>()
        };
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(racer)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(limiter.len(), 1);
    total
}

#[test]
fn concurrent_callers_are_granted_exactly_what_the_rule_allows() {
    for rule in [
        Rule::Quota { count: 500, window: MINUTE },
        Rule::ConsecutiveFailures { failures: 500, then_every: MINUTE },
    ] {
        let (_, limiter) = limiter(100);
        let bucket = bucket("log_in", 1);
        let total = race(&limiter, || usize::from(granted(&limiter, &bucket, &rule)));
        assert_eq!(total, 500, "{rule:?}");
    }
}

#[test]
fn concurrent_callers_that_give_back_leave_exactly_the_rest() {
    for rule in [
        Rule::Quota { count: 500, window: MINUTE },
        Rule::ConsecutiveFailures { failures: 500, then_every: MINUTE },
    ] {
        let (_, limiter) = limiter(100);
        let bucket = bucket("log_in", 1);
        assert!(granted(&limiter, &bucket, &rule));
        race(&limiter, || {
            let taken = granted(&limiter, &bucket, &rule);
            if taken {
                ready(limiter.release(&bucket, &rule));
            }
            usize::from(taken)
        });
        assert_eq!(drain(&limiter, &bucket, &rule).0, 499, "{rule:?}");
    }
}

#[test]
fn a_poisoned_lock_still_counts() {
    let (_, limiter) = limiter(100);
    let bucket = bucket("log_in", 1);
    assert!(granted(&limiter, &bucket, &FIVE_IN_15_MINUTES));
    let panicked = thread::scope(|scope| {
        scope
            .spawn(|| limiter.quotas.update(&bucket, 0, |_| -> (Arrival, ()) { panic!("on purpose") }))
            .join()
    });
    assert!(panicked.is_err());
    assert_eq!(drain(&limiter, &bucket, &FIVE_IN_15_MINUTES).0, 4);
}
