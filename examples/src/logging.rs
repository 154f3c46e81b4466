//! Log lines on standard error: for people in development, for machines in production.
//!
//! A log that cannot be written never holds or fails a request. One thread writes; what it cannot keep up with is
//! dropped and counted.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::LogFormat;

/// Lines that wait to be written: some seconds of a busy server, at most about 10 MB.
const WAITING_LINES: usize = 20_000;

/// How often lost lines are reported.
const REPORTED_EVERY: Duration = Duration::from_mins(1);

/// The thread that writes. When it is dropped, the lines that wait are written, for at most a second.
pub(crate) struct Logging {
    _writer: WorkerGuard,
    pub(crate) lost: LostLines,
}

/// Counts the lines that were dropped because nobody read them in time.
#[derive(Clone)]
pub(crate) struct LostLines(ErrorCounter);

impl fmt::Debug for Logging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logging").finish_non_exhaustive()
    }
}

/// Starts logging at the levels of `RUST_LOG`, by default `info`.
pub(crate) fn start(format: LogFormat) -> Logging {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("log")
        .finish(io::stderr());
    let lost = LostLines(writer.error_counter());
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    // Internal errors would be printed to standard error, and panic when it cannot be written.
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false).with_writer(writer);
    // This fails only if the process already has a logger.
    _ = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
    };
    Logging { _writer: guard, lost }
}

impl LostLines {
    /// Reports lost lines, once there is room for the report.
    pub(crate) async fn report(self, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        let mut reported = 0;
        loop {
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(REPORTED_EVERY) => {}
            }
            let lost = self.0.dropped_lines();
            if lost > reported {
                tracing::warn!(
                    lines = lost - reported,
                    "log lines were lost, because they were not read in time"
                );
                reported = lost;
            }
        }
    }
}
