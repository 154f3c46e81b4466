//! The outcome of a case: the broken promise, and what was seen.

use std::error::Error;

use auth_core::store::StoreError;
use auth_core::{EmailError, NameError};

use super::Violation;

/// What a case saw that the contract forbids; becomes a [`Violation`] of that case.
#[derive(Debug)]
pub(super) struct Broken(pub(super) String);

pub(super) type Outcome<T = ()> = Result<T, Broken>;

impl Broken {
    pub(super) fn of(self, case: &'static str) -> Violation {
        Violation { case, detail: self.0 }
    }
}

/// A call that fails breaks the case.
impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        let mut detail = format!("a call failed: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        Self(detail)
    }
}

impl From<EmailError> for Broken {
    fn from(error: EmailError) -> Self {
        Self(format!("auth-core refuses an address that the suite made: {error}"))
    }
}

impl From<NameError> for Broken {
    fn from(error: NameError) -> Self {
        Self(format!("auth-core refuses a name that the suite made: {error}"))
    }
}

/// Says what was done before something was seen.
pub(super) trait Context {
    /// Puts this before the detail.
    fn context(self, what: &str) -> Self;
}

impl<T> Context for Outcome<T> {
    fn context(self, what: &str) -> Self {
        self.map_err(|Broken(detail)| Broken(format!("{what}: {detail}")))
    }
}

/// Ends the case unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($detail:tt)+) => {
        if !$holds {
            return Err($crate::suite::check::Broken(format!($($detail)+)));
        }
    };
}

/// Ends the case unless the found value is the expected one.
macro_rules! ensure_eq {
    ($found:expr, $expected:expr, $($what:tt)+) => {{
        let (found, expected) = (&$found, &$expected);
        if found != expected {
            let what = format!($($what)+);
            return Err($crate::suite::check::Broken(format!("{what}: expected {expected:?}, found {found:?}")));
        }
    }};
}

pub(super) use {ensure, ensure_eq};

/// How many of these outcomes are this one.
pub(super) fn times<T: PartialEq>(outcomes: &[T], outcome: &T) -> usize {
    outcomes.iter().filter(|other| *other == outcome).count()
}

/// Returns where the only winner of a race stands; `what` names the method and its guard.
pub(super) fn only<T: PartialEq>(outcomes: &[T], won: &T, what: &str) -> Outcome<usize> {
    let winners = times(outcomes, won);
    let callers = outcomes.len();
    ensure!(winners == 1, "{what}: {winners} of {callers} concurrent callers won, not exactly one");
    outcomes.iter().position(|outcome| outcome == won).ok_or_else(|| Broken("no winner".to_owned()))
}
