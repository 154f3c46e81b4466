//! Shows how far an import is: as a bar on a terminal, as lines if asked.

use std::cell::Cell;
use std::io::{Read, Write as _};
use std::time::Duration;

use auth_core::{Clock as _, SystemClock};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::summary::Counts;

/// The time between two lines of progress: slow enough for a log, quick enough to see that it is not stuck.
const PAUSE: Duration = Duration::from_secs(2);

/// The progress of an import, and standard error.
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the last line was written, if there are lines of progress.
    last_line: Option<Duration>,
    json: bool,
    /// Whether standard error refused a report.
    pub(super) lost: Cell<bool>,
}

impl Progress {
    pub(super) fn new(json: bool, asked: bool) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if !json {
            // Drawn only if standard error is a terminal.
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let last_line = (asked && bar.is_hidden()).then(|| SystemClock.monotonic());
        Self { bar, last_line, json, lost: Cell::new(false) }
    }

    pub(super) fn of_stream(&self, source: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        self.bar.set_style(style("{spinner} {bytes} {msg}"));
        Box::new(self.bar.wrap_read(source))
    }

    pub(super) fn of_file(&self, source: impl Read + Send + 'static, bytes: u64) -> Box<dyn Read + Send> {
        self.bar.set_length(bytes);
        self.bar.set_style(style("{bar:30} {percent:>3} % {msg}, {eta} left"));
        Box::new(self.bar.wrap_read(source))
    }

    pub(super) fn show(&mut self, counts: &Counts) {
        let Counts { lines, inserted, present, done, refused, .. } = *counts;
        self.bar.set_message(format!(
            "{} written, {} there already, {} refused",
            HumanCount(inserted),
            HumanCount(present + done),
            HumanCount(refused)
        ));
        let now = SystemClock.monotonic();
        if self.last_line.is_none_or(|last| now < last + PAUSE) {
            return;
        }
        self.last_line = Some(now);
        let (read, size) = (self.bar.position(), self.bar.length());
        let line = if self.json {
            json!({ "progress": { "bytes": read, "of": size, "lines": lines, "inserted": inserted,
                "present": present, "done": done, "refused": refused } })
            .to_string()
        } else {
            let percent = size.map_or_else(String::new, |size| format!("{} %, ", 100 * read / size.max(1)));
            format!(
                "{percent}{lines} lines: {inserted} written, {} there already, {refused} refused",
                present + done
            )
        };
        // Nobody misses a line of progress.
        _ = writeln!(std::io::stderr(), "{line}");
    }

    /// Reports what happened to a line.
    pub(super) fn report(&self, line: u64, key: &str, text: &str) {
        let text = if self.json {
            json!({ "line": line, key: text }).to_string()
        } else {
            format!("line {line}: {text}")
        };
        let written = self.bar.suspend(|| writeln!(std::io::stderr(), "{text}"));
        self.lost.set(self.lost.get() || written.is_err());
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
