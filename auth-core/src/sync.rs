//! Locks, channels and threads of the standard library.
//!
//! With `--cfg shuttle` the unit tests get those of shuttle: a scheduler that chooses at every lock, channel
//! and thread which thread runs next. The tests named `interleavings` try many orders of their threads.
//! `scripts/test-interleavings` runs them.

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::thread;

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard};
#[cfg(all(test, shuttle))]
pub(crate) use shuttle::thread;

// shuttle's locks return the standard library's error.
pub(crate) use std::sync::PoisonError;

/// Runs a race in 2,000 orders of its threads' steps, chosen at random.
///
/// # Panics
///
/// If one of the orders panics or waits for ever.
#[cfg(all(test, shuttle))]
pub(crate) fn try_orders(race: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    // Bytes: the stack of one thread. shuttle's default of 32 KiB is too small for unoptimized code.
    config.stack_size = 1 << 20;
    shuttle::Runner::new(shuttle::scheduler::RandomScheduler::new(2_000), config).run(race);
}

/// Returns whether a race panics in any order: a race of something broken must.
#[cfg(all(test, shuttle))]
pub(crate) fn breaks(race: impl FnOnce() + std::panic::UnwindSafe) -> bool {
    std::panic::catch_unwind(race).is_err()
}
