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
    /// "Confirm your new address".
    ConfirmEmail,
    /// "Your address was changed".
    EmailChanged,
    /// "We logged you out to be safe".
    SessionsEnded,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::AlreadyRegistered,
        Self::PasswordChanged,
        Self::ConfirmEmail,
        Self::EmailChanged,
        Self::SessionsEnded,
    ];

    /// The kind of a mail; `None` for one that a newer `auth-core` knows and this crate does not.
    pub const fn of(mail: &Mail) -> Option<Self> {
        Some(match mail.message {
            Message::VerifyEmail { .. } => Self::VerifyEmail,
            Message::ResetPassword { .. } => Self::ResetPassword,
            Message::AlreadyRegistered { .. } => Self::AlreadyRegistered,
            Message::PasswordChanged { .. } => Self::PasswordChanged,
            Message::ConfirmEmail { .. } => Self::ConfirmEmail,
            Message::EmailChanged { .. } => Self::EmailChanged,
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
            Self::ConfirmEmail => "confirm_email",
            Self::EmailChanged => "email_changed",
            Self::SessionsEnded => "sessions_ended",
        }
    }

    /// Whether it carries a token.
    pub(crate) const fn has_token(self) -> bool {
        matches!(self, Self::VerifyEmail | Self::ResetPassword | Self::ConfirmEmail)
    }
}
