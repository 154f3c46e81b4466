//! Writing down the SQL that stores run.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// How the statements begin that set a connection up. Whether a pool opens one more is none of a request's
/// doing: one that was given back a moment ago may still be on its way.
const OF_A_NEW_CONNECTION: [&str; 2] = ["PRAGMA ", "SET "];

/// The statements that sqlx reports to have run, in order.
#[derive(Debug, Clone)]
pub struct SqlLog {
    statements: Arc<Mutex<Vec<String>>>,
    thread: Option<ThreadId>,
}

impl SqlLog {
    /// The statements of the whole process, for a global subscriber: what a thread's subscriber gets depends
    /// on the other threads do.
    pub fn of_the_process() -> Self {
        Self { statements: Arc::default(), thread: None }
    }

    /// Those that this thread reports. To be given to all threads, too.
    pub fn of_this_thread() -> Self {
        Self { thread: Some(thread::current().id()), ..Self::of_the_process() }
    }

    /// Those since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.statements.lock().unwrap())
    }
}

impl Visit for SqlLog {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let sets_up = OF_A_NEW_CONNECTION.iter().any(|words| value.trim_start().starts_with(words));
        // The first words, and the whole text where there is more.
        if ["summary", "db.statement"].contains(&field.name()) && !value.trim().is_empty() && !sets_up {
            self.statements.lock().unwrap().push(value.trim().to_owned());
        }
    }
}

impl Subscriber for SqlLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn event(&self, event: &Event<'_>) {
        if self.thread.is_none_or(|thread| thread == thread::current().id()) {
            event.record(&mut self.clone());
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
