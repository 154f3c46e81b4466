//! The newest answers, by prefix.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// Most answers: with about 40 KiB each, 2.5 MiB. It is for one password that is sent several times.
const ENTRIES: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Answers and when they came.
#[derive(Debug)]
pub(crate) struct Cache {
    answers: Mutex<LruCache<String, (Instant, String)>>,
    pub(crate) lifetime: Duration,
}

impl Cache {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { answers: Mutex::new(LruCache::new(ENTRIES)), lifetime }
    }

    pub(crate) fn get(&self, prefix: &str) -> Option<String> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = answers.get(prefix)?;
        (at.elapsed() < self.lifetime).then(|| answer.clone())
    }

    pub(crate) fn put(&self, prefix: &str, answer: String) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.put(prefix.to_owned(), (Instant::now(), answer));
    }
}
