use auth_core::{Mail, Message};

/// The mails there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MailKind {
    /// "Confirm your address".
    VerifyEmail,
    /// "Choose a new password".
    ResetPassword,
    /// "You already have an account".
    AlreadyRegistered,
    /// "Your password was changed".
    PasswordChanged,
    /// "We logged you out to be safe".
    SessionsEnded,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::AlreadyRegistered,
        Self::PasswordChanged,
        Self::SessionsEnded,
    ];

    /// The kind of a mail; `None` for one that a newer `auth-core` knows and this crate does not.
    pub const fn of(mail: &Mail) -> Option<Self> {
        Some(match mail.message {
            Message::VerifyEmail { .. } => Self::VerifyEmail,
            Message::ResetPassword { .. } => Self::ResetPassword,
            Message::AlreadyRegistered { .. } => Self::AlreadyRegistered,
            Message::PasswordChanged { .. } => Self::PasswordChanged,
            Message::SessionsEnded { .. } => Self::SessionsEnded,
            _ => return None,
        })
    }

    /// The name of its table in a language file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::AlreadyRegistered => "already_registered",
            Self::PasswordChanged => "password_changed",
            Self::SessionsEnded => "sessions_ended",
        }
    }

    /// Whether it carries a token.
    pub(crate) const fn has_token(self) -> bool {
        matches!(self, Self::VerifyEmail | Self::ResetPassword)
    }
}
