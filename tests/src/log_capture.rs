//! Captures a thread's output: what is passed to `said`, its log lines and its panics.

use std::any::Any;
use std::cell::RefCell;
use std::error::Error;
use std::fmt::{Debug, Write};
use std::panic::{set_hook, take_hook};
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Metadata, Subscriber};

thread_local! {
    /// Who writes down the panics of this thread.
    static PANICS: RefCell<Option<LogCapture>> = const { RefCell::new(None) };
}

/// Everything that was written.
#[derive(Debug, Clone, Default)]
pub struct LogCapture(Arc<Mutex<String>>);

impl LogCapture {
    /// Writes a value down as `{:?}` and `{:#?}` print it.
    pub fn debug(&self, value: &(impl Debug + ?Sized)) {
        self.line(&format!("{value:?}\n{value:#?}"));
    }

    /// Writes down an error and all of its sources.
    pub fn error(&self, error: &dyn Error) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.line(&format!("{error} {error:?}"));
            cause = error.source();
        }
    }

    /// Writes down a text.
    pub fn line(&self, text: &str) {
        writeln!(self.0.lock().unwrap(), "{text}").unwrap();
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// Writes down every span and event of this thread, at every level, and every panic, until dropped.
pub fn listen(captured: &LogCapture) -> Listening {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |panic| {
            PANICS.with_borrow(|captured| {
                if let Some(captured) = captured {
                    captured.line(&panic.to_string());
                }
            });
            usual(panic);
        }));
    });
    PANICS.set(Some(captured.clone()));
    Listening { _events: tracing::subscriber::set_default(Listener(captured.clone())) }
}

/// What [`listen`] gives.
#[derive(Debug)]
pub struct Listening {
    _events: DefaultGuard,
}

impl Drop for Listening {
    fn drop(&mut self) {
        PANICS.set(None);
    }
}

/// What a panic said, of what `catch_unwind` or a task's end gives.
pub fn said(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(said) => *said,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| String::new(), |said| (*said).to_owned()),
    }
}

struct Listener(LogCapture);

impl Visit for Listener {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.line(&format!("{field}={value:?}"));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Self(self.0.clone()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Self(self.0.clone()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Self(self.0.clone()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
