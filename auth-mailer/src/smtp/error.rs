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
        let about_this_mail = matches!(self.phase, Phase::Recipient | Phase::Data | Phase::Content);
        match &self.cause {
            Cause::Smtp(error) => match error.status() {
                Some(code) if about_this_mail && error.is_permanent() => {
                    let text = error.source().map(ToString::to_string).unwrap_or_default();
                    refusal(code.into(), &text)
                }
                Some(_) => MailErrorKind::Transient,
                None => self.broken(),
            },
            Cause::TimedOut(_) | Cause::Connect(_) | Cause::NoStartTls | Cause::UnexpectedReply(_) => {
                self.broken()
            }
        }
    }

    /// The kind of a sending that the server did not refuse.
    const fn broken(&self) -> MailErrorKind {
        match self.phase {
            Phase::Content => MailErrorKind::Unknown,
            Phase::Connect
            | Phase::StartTls
            | Phase::LogIn
            | Phase::Sender
            | Phase::Recipient
            | Phase::Data => MailErrorKind::Transient,
        }
    }

    /// Whether the server answered by the protocol, so that QUIT can be sent.
    pub(super) fn was_answered(&self) -> bool {
        matches!(&self.cause, Cause::Smtp(error) if error.status().is_some())
    }
}

/// The kind of a 5xx reply to the recipient or to the content.
///
/// The enhanced code (RFC 3463) decides whether it is about this mail, so that a retry fails, too, or about the
/// sender, whose operator can correct it while the mail waits: a relay that denies (5.7.1), a quota (5.4.5), a sender
/// that is not verified. Without an enhanced code only the replies about a mailbox are about this mail (RFC 5321
/// section 4.2.3); 554 is also what services answer whose sender is not verified.
fn refusal(code: u16, text: &str) -> MailErrorKind {
    let about_this_mail = match enhanced_code(text) {
        // The sender's address: 5.1.7 bad syntax, 5.1.8 bad system (RFC 3463 section 3.2).
        Some((1, 7 | 8)) => false,
        // An address, a mailbox, or what the mail contains.
        Some((1 | 2 | 6, _)) => true,
        // No detail, or one that no standard has.
        Some((0, _)) | None => matches!(code, 550..=553),
        Some(_) => false,
    };
    if about_this_mail { MailErrorKind::Permanent } else { MailErrorKind::Transient }
}

/// Reads subject and detail of the enhanced code at the beginning of a 5xx reply, such as 1 and 1 of `5.1.1`.
fn enhanced_code(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().next()?.split('.').map(|number| number.parse().ok());
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(Some(5)), Some(Some(subject)), Some(Some(detail)), None) => Some((subject, detail)),
        _ => None,
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

#[cfg(test)]
mod tests {
    use MailErrorKind::{Permanent, Transient};

    use super::*;

    /// Replies of real servers.
    #[test]
    fn only_what_is_about_the_mail_is_permanent() {
        for (code, text, kind) in [
            (550, "5.1.1 <ada@example.com>: Recipient address rejected: User unknown", Permanent),
            (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", Permanent),
            (550, "No such user here", Permanent),
            (551, "User not local; please try another path", Permanent),
            (552, "5.2.2 The recipient's inbox is out of storage space", Permanent),
            (550, "5.2.1 The email account that you tried to reach is inactive", Permanent),
            (550, "5.6.0 invalid message content", Permanent),
            (550, "5.0.0 no detail", Permanent),
            (554, "5.7.1 <ada@example.com>: Relay access denied", Transient),
            (554, "Message rejected: Email address is not verified.", Transient),
            (550, "5.4.5 Daily user sending quota exceeded", Transient),
            (550, "5.7.26 Unauthenticated email from example.com is not accepted", Transient),
            (553, "5.1.8 <no-reply@example.com>: Sender address rejected: Domain not found", Transient),
            (530, "5.5.1 Authentication Required", Transient),
            (503, "5.5.1 Error: need MAIL command", Transient),
            (554, "5.0.0 transaction failed", Transient),
            (550, "5.1.1.1 no code", Permanent),
            (554, "", Transient),
        ] {
            assert_eq!(refusal(code, text), kind, "{code} {text}");
        }
    }
}
