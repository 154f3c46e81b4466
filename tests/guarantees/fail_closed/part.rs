//! What a flow calls: each part can fail at each of its calls.

use std::sync::{Arc, Mutex, MutexGuard};

use auth_core::{HashingPool, RandomError, RandomSource, SystemRandom};
use auth_testkit::{Fault, cheap_hashing};
use auth_tests::{Behavior, BusyHashing};

/// What a flow calls. The hashing threads are none of them: they come with the library, each of their
/// jobs draws a salt first, and what can go wrong in them is a full queue; see [`Unreliable::occupy_at`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Store,
    Limiter,
    Mailer,
    Generator,
}

#[derive(Default)]
struct Plan {
    calls: Vec<&'static str>,
    fault: Option<(usize, Fault)>,
    occupied: Option<(usize, HashingPool)>,
    /// What occupies the hashing threads now.
    occupying: Option<BusyHashing>,
}

/// A generator that goes wrong at one call, or fills the hashing threads there.
#[derive(Clone)]
pub(crate) struct Unreliable {
    plan: Arc<Mutex<Plan>>,
    /// For the controls: what fails was done, it says.
    lies: bool,
}

impl Unreliable {
    pub(crate) fn new(manner: Behavior) -> Self {
        Self { plan: Arc::default(), lies: manner == Behavior::LyingAboutErrors }
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
            let occupying = BusyHashing::of(&pool, cheap_hashing().threads);
            self.plan().occupying = Some(occupying);
        }
        match fault {
            None => SystemRandom.fill(buffer),
            Some(Fault::ErrorBefore | Fault::ErrorAfterCommit) if self.lies => Ok(()),
            Some(Fault::ErrorBefore) => Err(RandomError::new("fails on purpose")),
            Some(Fault::ErrorAfterCommit) => {
                SystemRandom.fill(buffer)?;
                Err(RandomError::new("fails on purpose with a full buffer"))
            }
            Some(Fault::Panic) => panic!("panics on purpose"),
            Some(fault) => panic!("no fault of a generator: {fault:?}"),
        }
    }
}
