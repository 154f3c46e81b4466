//! Writing down all that a process says, and searching it for secrets.

use std::error::Error;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Metadata, Subscriber};

/// A part of a secret that is shorter than this may stand anywhere by chance.
const SHORTEST: usize = 12;

/// Everything that was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<String>>);

impl Transcript {
    pub(crate) fn debug(&self, value: &(impl Debug + ?Sized)) {
        writeln!(self.0.lock().unwrap(), "{value:?}\n{value:#?}").unwrap();
    }

    pub(crate) fn error(&self, error: &dyn Error) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            writeln!(self.0.lock().unwrap(), "{error} {error:?}").unwrap();
            cause = error.source();
        }
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// Writes down every span and event of this thread, at every level, until dropped.
pub(crate) fn listen(transcript: &Transcript) -> DefaultGuard {
    tracing::subscriber::set_default(Listener(transcript.clone()))
}

struct Listener(Transcript);

impl Visit for Listener {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.0.lock().unwrap(), "{field}={value:?}").unwrap();
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

/// How bytes may be written.
pub(crate) fn spellings(bytes: &[u8]) -> Vec<String> {
    let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let list = format!("{bytes:?}");
    let inner = list.trim_matches(['[', ']']).to_owned();
    let mut spellings = vec![
        hex.to_uppercase(),
        hex,
        STANDARD.encode(bytes).trim_end_matches('=').to_owned(),
        URL_SAFE_NO_PAD.encode(bytes),
        inner,
    ];
    if let Ok(text) = std::str::from_utf8(bytes) {
        spellings.push(text.to_owned());
        spellings.push(text.chars().rev().collect());
        spellings.push(text.replace(' ', "%20"));
        spellings.push(text.replace(' ', "+"));
    }
    spellings
}

/// Both halves of a text, where they are long enough to mean something.
fn halves(text: &str) -> Vec<String> {
    let (left, right) =
        text.split_at(text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at));
    [left, right].into_iter().filter(|half| half.len() >= SHORTEST).map(str::to_owned).collect()
}

/// Everything that must not be found.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<Vec<String>>);

impl Secrets {
    /// Adds a text; of a token also the bytes behind its parts.
    pub(crate) fn add(&mut self, text: &str) {
        let mut parts = spellings(text.as_bytes());
        // The first part of an opaque token names it and is no secret.
        for part in text.split('.').skip(1).filter(|_| !text.contains(' ')) {
            parts.push(part.to_owned());
            parts.extend(URL_SAFE_NO_PAD.decode(part).ok().into_iter().flat_map(|bytes| spellings(&bytes)));
        }
        self.keep(parts);
    }

    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        self.keep(spellings(bytes));
    }

    fn keep(&mut self, mut parts: Vec<String>) {
        parts.extend(parts.clone().iter().flat_map(|part| halves(part)));
        parts.retain(|part| part.len() >= SHORTEST);
        self.0.push(parts);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// One line for each secret of which some part was written.
    pub(crate) fn found_in(&self, written: &str) -> Vec<String> {
        let found = |parts: &Vec<String>| parts.iter().find(|part| written.contains(part.as_str())).cloned();
        self.0.iter().filter_map(found).collect()
    }
}
