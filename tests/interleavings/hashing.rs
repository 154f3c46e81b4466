//! The hashing pool's threads: no job is lost, none is done twice, and nobody sleeps while work waits.

#[path = "../../auth-core/src/hashing/threads.rs"]
mod threads;

mod settings {
    use auth_core::HashingPolicy;

    pub(super) struct Settings {
        pub(super) policy: HashingPolicy,
    }
}

mod engine {
    use shuttle::sync::Arc;

    use super::settings::Settings;

    /// The memory of a thread, which no interleaving touches.
    pub(super) struct Engine;

    impl Engine {
        pub(super) fn new(_: Arc<Settings>) -> Self {
            Self
        }
    }
}

/// The order of steps is the scheduler's, whatever the priority.
mod priority {
    pub(super) const fn lower() {}
}

use auth_core::HashingPolicy;
use settings::Settings;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::sync::mpsc::channel;
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use threads::{Job, Threads};

use crate::breaks;

fn pool(threads: u32, queue: u32) -> Threads {
    let mut policy = HashingPolicy::default();
    (policy.threads, policy.queue) = (threads, queue);
    Threads::start(&Arc::new(Settings { policy })).unwrap()
}

/// Says that a job was taken if there seemed to be room for it.
fn push_unguarded(pool: &Threads, job: Job) -> bool {
    let room = !pool.are_full();
    let _either = pool.push(job);
    room
}

fn race(push: fn(&Threads, Job) -> bool) {
    shuttle::check_random(
        move || {
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
            // A job that nobody wakes up for would leave this waiting for ever, which the scheduler reports.
            let mut finished: Vec<usize> = results.iter().collect();
            finished.sort_unstable();
            assert_eq!(finished, taken);
            assert!(!taken.is_empty());
            assert!(pool.queued() == 0 && !pool.are_full());
        },
        super::ORDERS,
    );
}

#[test]
fn every_job_that_was_taken_is_done_once_in_any_order() {
    race(|pool, job| pool.push(job).is_ok());
}

#[test]
fn a_job_that_is_taken_without_a_place_for_it_is_seen() {
    assert!(breaks(|| race(push_unguarded)));
}

fn one_at_a_time(threads: u32) {
    shuttle::check_random(
        move || {
            let pool = pool(threads, 1);
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let gate = Arc::new(Mutex::new(()));
            let held = gate.lock().unwrap();
            let taken = (0..4)
                .filter(|_| {
                    let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
                    let job = move |_: &mut engine::Engine| {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        drop(gate.lock());
                        running.fetch_sub(1, Ordering::SeqCst);
                    };
                    pool.push(Box::new(job)).is_ok()
                })
                .count();
            // One at work, one waiting; the first may have come before the thread was ready.
            assert!((1..=2).contains(&taken), "{taken} were taken");
            drop(held);
            drop(pool);
            assert!(most.load(Ordering::SeqCst) <= 1);
        },
        super::ORDERS,
    );
}

#[test]
fn no_more_jobs_run_or_wait_than_there_are_threads_and_places() {
    one_at_a_time(1);
}

#[test]
fn a_thread_more_is_seen() {
    assert!(breaks(|| one_at_a_time(2)));
}
