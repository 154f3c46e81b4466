//! Failures of a sending.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use auth_core::MailErrorKind;
use lettre::transport::smtp;

use super::phase::Phase;

/// A mail that was not sent: the phase and the cause.
#[derive(Debug)]
pub(super) struct SmtpError {
    phase: Phase,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    TimedOut(Duration),
    Smtp(smtp::Error),
    Connect(std::io::Error),
    NoStartTls,
    /// A reply that does not belong to this phase.
    UnexpectedReply(u16),
}

impl SmtpError {
    pub(super) const fn timed_out(phase: Phase, after: Duration) -> Self {
        Self { phase, cause: Cause::TimedOut(after) }
    }

    pub(super) const fn smtp(phase: Phase, error: smtp::Error) -> Self {
        Self { phase, cause: Cause::Smtp(error) }
    }

    pub(super) const fn connect(error: std::io::Error) -> Self {
        Self { phase: Phase::Connect, cause: Cause::Connect(error) }
    }

    pub(super) const fn no_starttls() -> Self {
        Self { phase: Phase::StartTls, cause: Cause::NoStartTls }
    }

    pub(super) const fn unexpected(phase: Phase, code: u16) -> Self {
        Self { phase, cause: Cause::UnexpectedReply(code) }
    }

    /// The kind of failure, for the worker.
    pub(super) fn kind(&self) -> MailErrorKind {
        let refused = match &self.cause {
            Cause::Smtp(error) if error.status().is_some() => Some(error.is_permanent()),
            _ => None,
        };
        match (self.phase, refused) {
            (Phase::Recipient | Phase::Data | Phase::Content, Some(true)) => MailErrorKind::Permanent,
            (Phase::Content, None) => MailErrorKind::Unknown,
            _ => MailErrorKind::Transient,
        }
    }

    /// Whether the server answered by the protocol, so that QUIT can be sent.
    pub(super) fn was_answered(&self) -> bool {
        matches!(&self.cause, Cause::Smtp(error) if error.status().is_some())
    }
}

impl fmt::Display for SmtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.phase)?;
        match &self.cause {
            Cause::TimedOut(after) => write!(f, "no answer within {after:?}"),
            Cause::Smtp(_) | Cause::Connect(_) => f.write_str("failed"),
            Cause::NoStartTls => f.write_str("the server does not offer it, and nothing is sent in clear"),
            Cause::UnexpectedReply(code) => write!(f, "an unexpected reply {code}"),
        }
    }
}

impl Error for SmtpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Smtp(error) => Some(error),
            Cause::Connect(error) => Some(error),
            _ => None,
        }
    }
}
