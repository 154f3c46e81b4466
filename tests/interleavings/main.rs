//! The orders in which threads can take their steps, tried by shuttle, a scheduler that decides at every
//! lock, channel and thread which goes on.
//!
//! Compiled here are the very files of `auth-core`, over the locks of the scheduler: `crate::sync`, or the
//! `lock` of the memory store, is all that differs. What stands above them awaits nothing while it holds a
//! lock.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::panic::{UnwindSafe, catch_unwind};
mod hashing;
mod limiter;
mod memory;

/// What `auth_core::sync` takes from the standard library.
mod sync {
    pub(crate) use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};
    pub(crate) use shuttle::sync::{Arc, Mutex, MutexGuard};
    pub(crate) use shuttle::thread;
    pub(crate) use std::sync::PoisonError;
}

// The paths that those files name.
mod id {
    pub(crate) use auth_core::{IntentId, SessionId, UserId};
}
mod limit {
    pub(crate) use auth_core::Bucket;
}
mod mail {
    pub(crate) mod one_time_token {
        pub(crate) use auth_core::OneTimeToken;
    }
}
mod session {
    pub(crate) use auth_core::Session;
}
mod store {
    pub(crate) use auth_core::store::*;
}
mod user {
    pub(crate) mod email {
        pub(crate) use auth_core::Email;
    }
    pub(crate) mod password {
        pub(crate) fn warm_up() {}
    }
    pub(crate) use auth_core::{Epoch, PasswordHash, User, UserStatus};
}

/// How many orders of each race are tried.
const ORDERS: usize = 2_000;

/// Whether one of the orders broke what a race checks: for the controls, which race something broken.
fn breaks(race: impl FnOnce() + UnwindSafe) -> bool {
    catch_unwind(race).is_err()
}
