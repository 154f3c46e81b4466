//! Users: the user record, its epoch, name and password hash.

pub(crate) mod email;
pub(crate) mod password;

use std::fmt;

use chrono::{DateTime, Utc};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::UserId;
use crate::user::email::Email;

/// A user's credential version: moved by every act that must end all sessions and mailed tokens.
///
/// A session, a one-time token and an access token each carry the epoch they were made under and
/// are dead as soon as the user's differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(u64);

impl Epoch {
    /// Takes a stored epoch.
    pub const fn from_u64(epoch: u64) -> Self {
        Self(epoch)
    }

    /// Returns the number to store. It stays below 2^63: one step per act that moves it.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The epoch after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// Longest name accepted, in Unicode code points.
pub const MAX_NAME_CHARS: usize = 100;

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing but white space. Leave the name out instead.
    #[error("a name must not be empty")]
    Empty,
    /// More than [`MAX_NAME_CHARS`] code points.
    #[error("a name has at most 100 characters")]
    TooLong,
    /// Contains a line break or another control character.
    #[error("a name must not contain control characters")]
    ControlCharacter,
}

impl NameError {
    /// A stable code for machines, such as the field errors of an API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooLong => "too_long",
            Self::ControlCharacter => "control_character",
        }
    }
}

/// The name a user wants to be called by, shown in mails.
///
/// Surrounding white space is removed. Control characters, bidirectional overrides included, are
/// refused, so that a name can disturb neither a log nor the text around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// - [`NameError`], as each variant says.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.chars().count() > MAX_NAME_CHARS {
            return Err(NameError::TooLong);
        }
        if text.chars().any(disturbs_text) {
            return Err(NameError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a name that may be left out: a blank one is none.
    ///
    /// # Errors
    ///
    /// - [`NameError::TooLong`], [`NameError::ControlCharacter`].
    pub fn parse_optional(text: Option<&str>) -> Result<Option<Self>, NameError> {
        text.filter(|text| !text.trim().is_empty()).map(Self::parse).transpose()
    }

    /// Takes a stored name. It is not checked again.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name as text. Escape it for the place where it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line and paragraph separators, and bidirectional controls (UAX 9).
pub(crate) fn disturbs_text(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A stored password hash: a PHC string (Argon2id), or a bcrypt string of an older system.
///
/// Opaque to stores. There is no `==`; verification is the hashing pool's work.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes a stored hash, or one imported from another system. Nothing is checked
    /// here: a text that is no hash simply never matches a password.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text to store.
    ///
    /// # Security
    ///
    /// Offline guessing starts from this text. Keep it in the users table alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// Whether a user may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserStatus {
    /// May log in.
    Active,
    /// Locked out by the service: no log-in, no refresh, no mailed token works.
    Disabled,
}

impl UserStatus {
    /// Every status.
    pub const ALL: [Self; 2] = [Self::Active, Self::Disabled];

    /// Returns a stable name for a store: `active` or `disabled`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// Reads a name that [`as_str`](Self::as_str) returned.
    pub fn from_stored(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// A user as stored.
///
/// Times have microsecond precision. The type has no `Serialize`: what leaves the process is for the
/// service to choose, and never the hash or the epoch.
#[derive(Debug, Clone)]
pub struct User {
    /// Never changes and is never given to another user.
    pub id: UserId,
    /// Unique by its canonical form.
    pub email: Email,
    /// `None` when the user gave none.
    pub name: Option<Name>,
    /// `None` for a user who cannot log in with a password.
    pub password_hash: Option<PasswordHash>,
    /// When the password was last set by a reset or a change; before that, when the user registered.
    pub password_changed_at: DateTime<Utc>,
    /// The credential version.
    pub epoch: Epoch,
    /// Whether the user may act.
    pub status: UserStatus,
    /// When the mailbox of this address was first proven; `None` until then.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// When somebody else last tried to register this address; `None` when nobody did since it was
    /// verified or its password set.
    pub contested_at: Option<DateTime<Utc>>,
    /// When the user registered.
    pub created_at: DateTime<Utc>,
}

impl User {
    /// Whether the mailbox was proven.
    pub const fn email_verified(&self) -> bool {
        self.email_verified_at.is_some()
    }

    /// Whether the user is verified and not disabled: nobody else ever owns a session.
    pub(crate) fn may_act(&self) -> bool {
        self.status == UserStatus::Active && self.email_verified()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stored_status_reads_back() {
        for status in UserStatus::ALL {
            assert_eq!(UserStatus::from_stored(status.as_str()), Some(status));
        }
        assert_eq!(UserStatus::from_stored("Active"), None);
    }

    #[test]
    fn names_are_trimmed_and_kept_free_of_controls() {
        assert_eq!(Name::parse("  Ada Lovelace ").unwrap().as_str(), "Ada Lovelace");
        assert_eq!(Name::parse(" "), Err(NameError::Empty));
        assert_eq!(Name::parse(&"x".repeat(101)), Err(NameError::TooLong));
        assert_eq!(Name::parse("a\nb"), Err(NameError::ControlCharacter));
        assert_eq!(Name::parse("a\u{202e}b"), Err(NameError::ControlCharacter));
        assert!(Name::parse(&"é".repeat(100)).is_ok());
    }

    #[test]
    fn debug_of_a_hash_shows_nothing() {
        assert_eq!(format!("{:?}", PasswordHash::from_stored("$argon2id$")), "PasswordHash([redacted])");
    }

    proptest! {
        #[test]
        fn parsing_a_name_never_panics_and_is_idempotent(text in any::<String>()) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
            }
        }
    }
}
