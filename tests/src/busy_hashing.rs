//! A hashing pool that has room for nothing more.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use auth_core::{HashingError, HashingPool, Password, Verified};
use tokio::task::unconstrained;

/// Every thread of a pool held and every place of its queue taken, until it is dropped.
pub struct BusyHashing {
    hold: Arc<Hold>,
    jobs: Vec<Job>,
}

type Job = Pin<Box<dyn Future<Output = Result<Verified, HashingError>> + Send>>;

impl BusyHashing {
    /// For a pool of this number of threads.
    pub fn of(pool: &HashingPool, threads: u32) -> Self {
        let mut busy = Self::threads_of(pool, threads);
        while busy.add(pool) {}
        busy
    }

    /// Holds this number of threads, and takes no place in the queue.
    pub fn threads_of(pool: &HashingPool, threads: u32) -> Self {
        let mut busy = Self { hold: Arc::default(), jobs: Vec::new() };
        for held in 1..=threads {
            assert!(busy.add(pool), "the queue is full");
            let begun = Instant::now();
            while busy.hold.held.load(SeqCst) < held {
                assert!(begun.elapsed() < Duration::from_mins(1), "a thread is not held");
                std::thread::yield_now();
            }
        }
        busy
    }

    /// Adds a job; returns false if there is no place for it.
    fn add(&mut self, pool: &HashingPool) -> bool {
        let waker = Waker::from(Arc::clone(&self.hold));
        loop {
            let pool = pool.clone();
            // Unconstrained: else the runtime itself wakes what was polled too often, on this thread.
            let verified = async move { pool.verify(&Password::new("wrong"), None).await };
            let mut job: Job = Box::pin(unconstrained(verified));
            match job.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => {
                    self.jobs.push(job);
                    return true;
                }
                Poll::Ready(Err(HashingError::Busy { .. })) => return false,
                // Answered before it was asked again: the thread is not held.
                Poll::Ready(_) => std::thread::yield_now(),
            }
        }
    }
}

impl fmt::Debug for BusyHashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusyHashing").finish_non_exhaustive()
    }
}

impl Drop for BusyHashing {
    fn drop(&mut self) {
        *self.hold.released.lock().unwrap() = true;
        self.hold.release.notify_all();
    }
}

/// A waker that holds who wakes it: a hashing thread that has an answer for it.
#[derive(Default)]
struct Hold {
    held: AtomicU32,
    released: Mutex<bool>,
    release: Condvar,
}

impl Wake for Hold {
    fn wake(self: Arc<Self>) {
        self.held.fetch_add(1, SeqCst);
        drop(self.release.wait_while(self.released.lock().unwrap(), |released| !*released).unwrap());
    }
}
