//! The threads of the pool and their queue.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::engine::Engine;
use super::priority;
use super::settings::Settings;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Receiver, SyncSender, sync_channel, thread};

/// Work for a thread and its memory. The job answers through a channel that it owns.
pub(super) type Job = Box<dyn FnOnce(&mut Engine) + Send>;

/// The refusal of a job: no thread is idle and the queue is full.
pub(super) struct Full;

/// The handle to the threads. They end when it is dropped.
pub(super) struct Threads {
    waiting: Arc<Mutex<Waiting>>,
    inboxes: Vec<SyncSender<Job>>,
    queue: usize,
}

/// The waiting jobs or the idle threads; one of the two is empty.
#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// The numbers of idle threads. The last one to become idle works first: its memory is still in the
    /// processor's cache, and under light load the other threads stay asleep.
    idle: Vec<usize>,
}

impl Threads {
    pub(super) fn start(settings: &Arc<Settings>) -> io::Result<Self> {
        let waiting = Arc::new(Mutex::new(Waiting::default()));
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
        Ok(Self { waiting, inboxes, queue: settings.policy.queue as usize })
    }

    /// Gives the job to an idle thread, or else to the queue.
    pub(super) fn push(&self, job: Job) -> Result<(), Full> {
        let mut waiting = lock(&self.waiting);
        if let Some(inbox) = waiting.idle.pop().and_then(|number| self.inboxes.get(number)) {
            // The inbox of an idle thread is empty, so this never blocks and never fails.
            return inbox.try_send(job).map_err(|_| Full);
        }
        if waiting.jobs.len() >= self.queue {
            return Err(Full);
        }
        waiting.jobs.push_back(job);
        Ok(())
    }

    /// Whether a job would be refused now.
    pub(super) fn are_full(&self) -> bool {
        let waiting = lock(&self.waiting);
        waiting.idle.is_empty() && waiting.jobs.len() >= self.queue
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
        if catch_unwind(AssertUnwindSafe(|| job(&mut engine))).is_err() {
            engine = Engine::new(Arc::clone(settings));
        }
    }
}

/// Takes the job that waited longest. If there is none, marks the thread idle.
fn next_or_idle(waiting: &Mutex<Waiting>, number: usize) -> Option<Job> {
    let mut waiting = lock(waiting);
    let job = waiting.jobs.pop_front();
    if job.is_none() {
        waiting.idle.push(number);
    }
    job
}

/// Locks the queue. No code that could panic runs under the lock.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
