//! The threads of the pool and their queue.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::engine::Engine;
use super::priority;
use super::queue::{FairQueue, Share};
use super::settings::Settings;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Receiver, SyncSender, sync_channel, thread};

/// Work for a thread and its memory. The job answers through a channel that it owns. It is called without an
/// engine if it lost its place in the queue.
pub(super) type Job = Box<dyn FnOnce(Option<&mut Engine>) + Send>;

/// The refusal of a job: no thread is idle and the queue has no place for it.
pub(super) struct Full;

/// The handle to the threads. They end when it is dropped.
pub(super) struct Threads {
    waiting: Arc<Mutex<Waiting>>,
    inboxes: Vec<SyncSender<Job>>,
}

/// The waiting jobs or the idle threads; one of the two is empty.
struct Waiting {
    jobs: FairQueue<Job>,
    /// The numbers of idle threads. The last one to become idle works first: its memory is still in the
    /// processor's cache, and under light load the other threads stay asleep.
    idle: Vec<usize>,
}

impl Threads {
    pub(super) fn start(settings: &Arc<Settings>) -> io::Result<Self> {
        let jobs = FairQueue::new(settings.policy.queue as usize);
        let waiting = Arc::new(Mutex::new(Waiting { jobs, idle: Vec::new() }));
        let mut inboxes = Vec::new();
        for number in 0..settings.policy.threads as usize {
            let (inbox, jobs) = sync_channel(1);
            inboxes.push(inbox);
            let (settings, waiting) = (Arc::clone(settings), Arc::clone(&waiting));
            let run = move || {
                priority::lower();
                if number == 0 {
                    crate::user::password::warm_up();
                }
                work_until_closed(&settings, &waiting, number, &jobs);
            };
            thread::Builder::new().name(format!("auth-hashing-{number}")).spawn(run)?;
        }
        Ok(Self { waiting, inboxes })
    }

    /// Gives the job to an idle thread, or else to the queue.
    pub(super) fn push(&self, share: Share, job: Job) -> Result<(), Full> {
        let mut waiting = lock(&self.waiting);
        if let Some(inbox) = waiting.idle.pop().and_then(|number| self.inboxes.get(number)) {
            // The inbox of an idle thread is empty, so this never blocks and never fails.
            return inbox.try_send(job).map_err(|_| Full);
        }
        let displaced = waiting.jobs.push(share, job).map_err(|_| Full)?;
        drop(waiting);
        if let Some(displaced) = displaced {
            displaced(None);
        }
        Ok(())
    }

    /// Whether a job of this share would be refused now.
    pub(super) fn are_full_for(&self, share: Share) -> bool {
        let waiting = lock(&self.waiting);
        waiting.idle.is_empty() && waiting.jobs.is_full_for(share)
    }

    /// The number of jobs that wait for a thread.
    pub(super) fn queued(&self) -> usize {
        lock(&self.waiting).jobs.len()
    }
}

/// Runs one thread until the pool is dropped and the queue is empty.
fn work_until_closed(
    settings: &Arc<Settings>,
    waiting: &Mutex<Waiting>,
    number: usize,
    inbox: &Receiver<Job>,
) {
    let mut engine = Engine::new(Arc::clone(settings));
    loop {
        let Some(job) = next_or_idle(waiting, number).or_else(|| inbox.recv().ok()) else { return };
        if catch_unwind(AssertUnwindSafe(|| job(Some(&mut engine)))).is_err() {
            engine = Engine::new(Arc::clone(settings));
        }
    }
}

/// Takes the next job. If there is none, marks the thread idle.
fn next_or_idle(waiting: &Mutex<Waiting>, number: usize) -> Option<Job> {
    let mut waiting = lock(waiting);
    let job = waiting.jobs.pop();
    if job.is_none() {
        waiting.idle.push(number);
    }
    job
}

/// Locks the queue. No code that could panic runs under the lock.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
