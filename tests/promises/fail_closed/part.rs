//! What a flow calls: each part can fail at each of its calls.

use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use auth_core::{HashingError, HashingPool, Password, RandomError, RandomSource, SystemRandom, Verified};
use auth_testkit::{Fault, cheap_hashing};
use auth_tests::Manner;
use tokio::task::unconstrained;

/// What a flow calls. The hashing threads are none of them: they come with the library, each of their
/// jobs draws a salt first, and what can go wrong in them is a full queue; see [`Unreliable::occupy_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Store,
    Limiter,
    Mailer,
    Generator,
}

type Job = Pin<Box<dyn Future<Output = Result<Verified, HashingError>> + Send>>;

#[derive(Default)]
struct Plan {
    calls: Vec<&'static str>,
    fault: Option<(usize, Fault)>,
    occupied: Option<(usize, HashingPool)>,
    /// What occupies the hashing threads now.
    occupying: Option<Occupied>,
}

/// A generator that goes wrong at one call, or fills the hashing threads there.
#[derive(Clone)]
pub(crate) struct Unreliable {
    plan: Arc<Mutex<Plan>>,
    /// For the controls: what fails was done, it says.
    lies: bool,
}

impl Unreliable {
    pub(crate) fn new(manner: Manner) -> Self {
        Self { plan: Arc::default(), lies: manner == Manner::LyingAboutErrors }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap()
    }

    pub(crate) fn reset(&self) {
        *self.plan() = Plan::default();
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.plan().calls.clone()
    }

    pub(crate) fn fail_call(&self, index: usize, fault: Fault) {
        self.plan().fault = Some((index, fault));
    }

    /// At this call, holds the threads of the pool and fills its queue, until the reset. A salt
    /// is drawn in the same poll in which its hash is queued, so that this hash is then turned away.
    pub(crate) fn occupy_at(&self, index: usize, pool: HashingPool) {
        self.plan().occupied = Some((index, pool));
    }
}

impl std::fmt::Debug for Unreliable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unreliable").finish_non_exhaustive()
    }
}

impl RandomSource for Unreliable {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        let (fault, occupied) = {
            let mut plan = self.plan();
            let call = plan.calls.len();
            plan.calls.push("fill");
            let fault = plan.fault.filter(|(index, _)| *index == call).map(|(_, fault)| fault);
            (fault, plan.occupied.take_if(|(index, _)| *index == call))
        };
        if let Some((_, pool)) = occupied {
            let occupying = Occupied::of(&pool);
            self.plan().occupying = Some(occupying);
        }
        match fault {
            None => SystemRandom.fill(buffer),
            Some(Fault::ErrorBefore | Fault::ErrorAfterCommit) if self.lies => Ok(()),
            Some(Fault::ErrorBefore) => Err(RandomError::new("told to fail")),
            Some(Fault::ErrorAfterCommit) => {
                SystemRandom.fill(buffer)?;
                Err(RandomError::new("told to fail with a full buffer"))
            }
            Some(Fault::Panic) => panic!("told to panic"),
            Some(fault) => panic!("no fault of a generator: {fault:?}"),
        }
    }
}

/// Every thread of a pool held and every place of its queue taken, until it is dropped.
struct Occupied {
    hold: Arc<Hold>,
    _jobs: Vec<Job>,
}

impl Occupied {
    fn of(pool: &HashingPool) -> Self {
        let (hold, mut jobs) = (Arc::<Hold>::default(), Vec::new());
        let waker = Waker::from(Arc::clone(&hold));
        loop {
            // A thread that is not held yet will take a job out of the queue.
            let all_held = hold.held.load(SeqCst) == cheap_hashing().threads;
            let pool = pool.clone();
            // Unconstrained: else the runtime itself wakes what was polled too often, on this thread.
            let verified = async move { pool.verify(&Password::new("wrong"), None).await };
            let mut job: Job = Box::pin(unconstrained(verified));
            match job.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending => jobs.push(job),
                Poll::Ready(Err(HashingError::Busy { .. })) if all_held => return Self { hold, _jobs: jobs },
                Poll::Ready(_) => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Occupied {
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
