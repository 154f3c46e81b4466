//! `StoreError`, and the text of an error with its causes.

use std::error::Error;
use std::fmt;

/// What kind of failure a store met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The store cannot be reached or cannot work now; trying again later may help. The outcome of
    /// a write that failed this way is unknown.
    Unavailable,
    /// A record with this identifier exists already and differs.
    Conflict,
    /// A kept record makes no sense; somebody must look at it.
    Corrupt,
}

/// A store could not do its work. Opaque: the cause is in [`source`](Error::source), for logs.
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// The store cannot be reached or cannot work now.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: StoreErrorKind::Unavailable, source: source.into() }
    }

    /// A record with this identifier exists already and differs.
    pub fn conflict(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: StoreErrorKind::Conflict, source: source.into() }
    }

    /// A kept record makes no sense.
    pub fn corrupt(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: StoreErrorKind::Corrupt, source: source.into() }
    }

    /// What kind of failure this is.
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Conflict => "the store holds a conflicting record",
            StoreErrorKind::Corrupt => "the store holds a corrupt record",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// Joins the message of an error and those of its sources with ": ", for logs.
///
/// A source whose text the message already ends with is not repeated.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}

/// Implements `Debug` of an error by its message and those of its sources, for what can go wrong before a service
/// starts: `fn main() -> Result<(), Box<dyn Error>>` prints an error that way.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug_as_chain {
    ($($error:ty),+ $(,)?) => {
        $(impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&$crate::error_chain(self))
            }
        })+
    };
}
