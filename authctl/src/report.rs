//! The results of commands, as text and as JSON.

use std::fmt;

use auth_core::{
    CreateUserError, Failure, FailureKind, SessionError, StoreError, StoreErrorKind, UserError, error_chain,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// The exit status of a command: the numbers of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Done = 0,
    Usage = 64,
    Refused = 65,
    NoInput = 66,
    NotFound = 67,
    Unavailable = 69,
    Internal = 70,
    CannotCreate = 73,
    ReportLost = 74,
    BadSettings = 78,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::NoInput => "no_input",
            Self::NotFound => "not_found",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::CannotCreate => "cannot_create",
            Self::ReportLost => "report_lost",
            Self::BadSettings => "bad_settings",
        }
    }
}

/// The result of a command that succeeded.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) status: Status,
    pub(crate) text: String,
    pub(crate) json: Value,
    /// Whether a reader that closes its pipe loses something: nothing else says what an import did.
    pub(crate) needs_reader: bool,
}

impl Report {
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        Self { status: Status::Done, text: text.into(), json, needs_reader: false }
    }
}

/// The reason why a command failed.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: Status,
    message: String,
}

impl Problem {
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "error": { "status": self.status.name(), "exit": self.status as u8, "message": self.message } })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match error.kind() {
            StoreErrorKind::Unavailable => Status::Unavailable,
            StoreErrorKind::Conflict | StoreErrorKind::Corrupt => Status::Internal,
        };
        Self::new(status, error_chain(&error))
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind() {
            FailureKind::Busy { .. } | FailureKind::Unavailable => Status::Unavailable,
            FailureKind::Internal => Status::Internal,
        };
        Self::new(status, error_chain(&failure))
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Failed(failure) => failure.into(),
            UserError::Disabled => {
                Self::new(Status::Refused, "the user is disabled: `authctl user enable` comes first")
            }
            UserError::NotFound => Self::new(Status::NotFound, "there is no such user"),
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Failed(failure) => failure.into(),
            SessionError::NotFound => Self::new(Status::NotFound, "the user has no such session"),
        }
    }
}

impl From<CreateUserError> for Problem {
    fn from(error: CreateUserError) -> Self {
        match error {
            CreateUserError::Failed(failure) => failure.into(),
            refused => Self::new(Status::Refused, refused.to_string()),
        }
    }
}

pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Replaces control characters in text of unknown origin, which a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Formats one line for each field.
pub(crate) fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name:width$}  {value}")).collect();
    lines.join("\n")
}

/// Formats columns under their names, or returns `nothing` if there are no rows.
pub(crate) fn table<const N: usize>(names: [&str; N], rows: &[[String; N]], nothing: &str) -> String {
    if rows.is_empty() {
        return nothing.to_owned();
    }
    let mut widths = names.map(|name| name.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(names)];
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    lines.join("\n")
}
