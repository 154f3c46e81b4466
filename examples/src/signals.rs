//! The signals that ask a server to stop.

use std::fs;
use std::future::pending;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM, SIGINT and SIGHUP, which mean the same: a stop without loss.
///
/// A server that was started with `nohup` ignores SIGHUP, as its operator asked for.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
    hang_up: Option<Signal>,
}

impl Signals {
    /// Handles the signals from now on.
    pub(crate) fn handle() -> Self {
        let handled = |kind| {
            let signal: io::Result<Signal> = signal(kind);
            signal.inspect_err(|error| tracing::error!(%error, "a signal cannot be handled")).ok()
        };
        Self {
            terminate: handled(SignalKind::terminate()),
            interrupt: handled(SignalKind::interrupt()),
            hang_up: if ignores_hang_up() { None } else { handled(SignalKind::hangup()) },
        }
    }

    /// Waits for the next of them and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            () = received(self.terminate.as_mut()) => "SIGTERM",
            () = received(self.interrupt.as_mut()) => "SIGINT",
            () = received(self.hang_up.as_mut()) => "SIGHUP",
        }
    }
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => _ = signal.recv().await,
        None => pending().await,
    }
}

/// Whether this process inherited that SIGHUP is ignored: bit 0 of `SigIgn` (proc(5)). Elsewhere than on Linux: no.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
