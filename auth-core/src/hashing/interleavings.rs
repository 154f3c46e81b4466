//! The hashing pool's threads: no job is lost or run twice, and no thread sleeps while a job waits.

use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::mpsc::channel;

use super::queue::Share;
use super::threads::{Job, Threads};
use super::{CostFloor, Engine, HashingPolicy, Secrets, Settings};
use crate::sync::{Arc, Mutex, breaks, thread, try_orders};

fn pool(threads: u32, queue: u32) -> Threads {
    // A thread reserves its memory when it starts; the jobs here need little of it.
    let policy = HashingPolicy {
        threads,
        queue,
        memory_kib: 8,
        parallelism: 1,
        floor: CostFloor::Off,
        ..HashingPolicy::default()
    };
    Threads::start(&Arc::new(Settings::checked(&policy, Secrets::of(None)).unwrap())).unwrap()
}

/// Pushes a job and returns whether there was room before: another caller may have taken it since.
fn push_unguarded(pool: &Threads, job: Job) -> bool {
    let room = !pool.are_full_for(Share::default());
    let _either = pool.push(Share::default(), job);
    room
}

fn race(push: fn(&Threads, Job) -> bool) {
    try_orders(move || {
        let pool = Arc::new(pool(2, 1));
        let (done, results) = channel();
        let callers: Vec<_> = (0..3)
            .map(|number| {
                let (pool, done) = (Arc::clone(&pool), done.clone());
                thread::spawn(move || push(&pool, Box::new(move |_| done.send(number).unwrap())))
            })
            .collect();
        drop(done);
        let taken: Vec<usize> = callers
            .into_iter()
            .enumerate()
            .filter_map(|(number, caller)| caller.join().unwrap().then_some(number))
            .collect();
        // If no thread woke for a job, this would wait for ever, which the scheduler reports.
        let mut finished: Vec<usize> = results.iter().collect();
        finished.sort_unstable();
        assert_eq!(finished, taken);
        assert!(!taken.is_empty());
        assert!(pool.queued() == 0 && !pool.are_full_for(Share::default()));
    });
}

#[test]
fn every_job_that_was_taken_is_done_once_in_any_order() {
    race(|pool, job| pool.push(Share::default(), job).is_ok());
}

#[test]
fn a_job_that_is_taken_without_a_place_for_it_is_seen() {
    assert!(breaks(|| race(push_unguarded)));
}

fn one_at_a_time(threads: u32) {
    try_orders(move || {
        let pool = pool(threads, 1);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let taken = (0..4)
            .filter(|_| {
                let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
                let job = move |_: Option<&mut Engine>| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    drop(gate.lock());
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                pool.push(Share::default(), Box::new(job)).is_ok()
            })
            .count();
        // One runs, one waits. If the thread was not ready when the first came, the second was refused.
        assert!((1..=2).contains(&taken), "{taken} were taken");
        drop(held);
        drop(pool);
        assert!(most.load(Ordering::SeqCst) <= 1);
    });
}

#[test]
fn no_more_jobs_run_or_wait_than_there_are_threads_and_places() {
    one_at_a_time(1);
}

#[test]
fn a_thread_more_is_seen() {
    assert!(breaks(|| one_at_a_time(2)));
}
