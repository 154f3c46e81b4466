//! Locks, channels and threads: what the files use whose interleavings are proved. A proof compiles those
//! files with a module of this name that has the same from a scheduler which tries one order after another.

pub(crate) use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub(crate) use std::thread;
