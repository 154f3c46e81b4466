//! The phases of one SMTP conversation.

use std::fmt;

/// The phase that a sending has reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    #[default]
    Connect,
    StartTls,
    LogIn,
    Sender,
    Recipient,
    Data,
    /// The content is being sent: the server may accept it although no reply arrives.
    Content,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::StartTls => "STARTTLS",
            Self::LogIn => "logging in",
            Self::Sender => "MAIL FROM",
            Self::Recipient => "RCPT TO",
            Self::Data => "DATA",
            Self::Content => "the content",
        })
    }
}
