//! The queue of the threads: waiting, refused and abandoned requests.

use std::sync::mpsc;

use futures_util::FutureExt as _;

use super::*;
use crate::hashing::settings::Counters;

/// Keeps the only thread of a pool busy until dropped.
struct Blocked {
    _release: mpsc::Sender<()>,
    _task: tokio::task::JoinHandle<()>,
}

impl Blocked {
    async fn new(pool: &HashingPool) -> Self {
        let (release, released) = mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let pool = pool.clone();
        let task = tokio::spawn(async move {
            let block = move |_: &mut Engine| {
                let _ = started.send(());
                let _ = released.recv();
                Ok(())
            };
            pool.submit(Share::default(), block).await.unwrap();
        });
        has_started.await.unwrap();
        Self { _release: release, _task: task }
    }
}

#[tokio::test]
async fn a_full_queue_is_busy_and_drains_again() {
    let pool = pool();
    let blocked = Blocked::new(&pool).await;
    pool.admit(Share::default()).expect("the queue has room");
    let password = Password::new("password");
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let (pool, password) = (pool.clone(), password.clone());
            tokio::spawn(async move { pool.hash(&password).await })
        })
        .collect();
    // There is one worker: all tasks have reached their wait when this one runs again.
    let spawned = Instant::now();
    while pool.stats().queued < 4 {
        assert!(spawned.elapsed() < Duration::from_mins(1), "fewer than four wait");
        tokio::task::yield_now().await;
    }
    for _ in 0..2 {
        let HashingError::Busy { retry_after } = pool.hash(&password).await.unwrap_err() else {
            panic!("not busy")
        };
        assert!(retry_after >= Duration::from_secs(1));
    }
    assert!(matches!(pool.verify(&password, None).await, Err(HashingError::Busy { .. })));
    assert!(matches!(pool.admit(Share::default()), Err(HashingError::Busy { .. })));
    assert_eq!(pool.stats().queued, 4);
    // One job has begun: the one that blocks the thread.
    assert_eq!((pool.stats().refused, pool.stats().jobs), (4, 1));
    let waited_before = pool.stats().waited;
    drop(blocked);
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!((pool.stats().queued, pool.stats().hashes), (0, 4));
    assert_eq!((pool.stats().refused, pool.stats().jobs), (4, 5));
    pool.admit(Share::default()).unwrap();
    assert!(pool.stats().waited > waited_before);
}

#[tokio::test]
async fn a_flood_of_one_account_loses_a_place_to_another() {
    let pool = pool();
    let blocked = Blocked::new(&pool).await;
    let ask = |account: u8, network: u8| {
        let (pool, share) =
            (pool.clone(), Share { account: Some([account; 16]), network: Some([network; 16]) });
        async move { pool.hash_for(share, &Password::new("password")).await }
    };
    let mut flood: Vec<_> = (1..=4).map(|network| Box::pin(ask(1, network))).collect();
    for waiting in &mut flood {
        assert!(waiting.now_or_never().is_none());
    }
    assert!(matches!(ask(1, 9).await, Err(HashingError::Busy { .. })));
    let mut other = Box::pin(ask(2, 9));
    assert!((&mut other).now_or_never().is_none());
    let newest = flood.pop().unwrap();
    assert!(matches!(newest.await, Err(HashingError::Busy { .. })), "its place went to the other account");
    assert_eq!((pool.stats().queued, pool.stats().refused), (4, 2));
    drop(blocked);
    other.await.unwrap();
    for waiting in flood {
        waiting.await.unwrap();
    }
}

#[tokio::test]
async fn an_abandoned_request_is_never_computed() {
    let pool = pool();
    let blocked = Blocked::new(&pool).await;
    let password = Password::new("password");
    {
        let given_up = pool.hash(&password);
        tokio::pin!(given_up);
        tokio::select! {
            biased;
            _ = &mut given_up => panic!("the thread is busy"),
            () = std::future::ready(()) => {}
        }
        assert_eq!(pool.stats().queued, 1);
    }
    drop(blocked);
    pool.hash(&password).await.unwrap();
    assert_eq!((pool.stats().skipped, pool.stats().hashes), (1, 1));
    assert_eq!(pool.stats().jobs, 2, "the job that blocked the thread, and the last one");
}

#[test]
fn retry_after_is_the_time_to_empty_the_queue() {
    let pool = pool_with(&HashingPolicy { threads: 2, ..policy() }, None);
    assert_eq!(pool.retry_after(), Duration::from_secs(1), "the least");
    pool.shared.settings.counters.job_nanos.store(2_000_000_000, Relaxed);
    // Two rounds for the waiting jobs, and one for the running job.
    assert_eq!(pool.retry_after(), Duration::from_secs(6));
}

#[test]
fn the_average_moves_an_eighth_of_the_way_to_each_job() {
    let counters = Counters::default();
    for (job, average) in [(16, 16_000), (8, 15_000), (8, 14_125)] {
        counters.average(Duration::from_micros(job));
        assert_eq!(counters.job_nanos.load(Relaxed), average);
    }
}
