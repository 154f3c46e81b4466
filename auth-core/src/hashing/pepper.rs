//! A secret that goes into every password hash and is stored outside the database.

use std::fmt;

use argon2::KeyId;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::keys::{WeakSecret, check_secret};

/// The reason why a pepper was refused.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PepperError {
    /// The secret can be guessed.
    #[error("the secret of pepper {id} {reason}")]
    Weak {
        /// The id of the pepper.
        id: u32,
        /// The weakness of the secret.
        reason: WeakSecret,
    },
    /// Two peppers have the same id, so a stored hash would not name one of them.
    #[error("pepper {id} is given twice")]
    DuplicateId {
        /// The id.
        id: u32,
    },
}

crate::__debug_as_chain! { PepperError }

/// A secret that goes into every new password hash (the secret value of Argon2, RFC 9106 section
/// 3.1), and retired ones that older hashes still need.
///
/// It is stored outside the database, so a stolen copy of the users table is useless for guessing. A hash
/// names its pepper in the `keyid` of its PHC string, so peppers can be replaced. New hashes use the
/// current pepper. A hash with a retired pepper, or without one, is replaced at the next log-in of its
/// user. Do not remove a pepper that stored hashes still name: their users could not log in until they
/// reset their passwords.
///
/// # Examples
///
/// ```
/// # use auth_core::{Pepper, PepperError};
/// # let (new, old) = ("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE", "wV5nB2xMk8Zr4JtQy7LsDf3GhPc6TaEu");
/// let pepper = Pepper::new(2, new)?.retired(1, old)?;
/// # Ok::<(), PepperError>(())
/// ```
#[derive(Clone)]
pub struct Pepper {
    current: Keyed,
    retired: Vec<Keyed>,
}

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Keyed {
    id: u32,
    secret: Vec<u8>,
}

impl Pepper {
    /// Creates the pepper for new hashes.
    ///
    /// Never use the id for another secret. The secret has at least 32 random bytes, for example the output
    /// of `openssl rand -base64 48`.
    ///
    /// # Errors
    ///
    /// - [`PepperError::Weak`] if the secret is short, repetitive or a placeholder.
    pub fn new(id: u32, secret: impl AsRef<[u8]>) -> Result<Self, PepperError> {
        Ok(Self { current: Keyed::checked(id, secret.as_ref())?, retired: Vec::new() })
    }

    /// Adds a pepper that stored hashes may still name.
    ///
    /// # Errors
    ///
    /// - [`PepperError::Weak`] as for [`new`](Self::new).
    /// - [`PepperError::DuplicateId`] if the id is taken.
    pub fn retired(mut self, id: u32, secret: impl AsRef<[u8]>) -> Result<Self, PepperError> {
        if self.all().any(|keyed| keyed.id == id) {
            return Err(PepperError::DuplicateId { id });
        }
        self.retired.push(Keyed::checked(id, secret.as_ref())?);
        Ok(self)
    }

    /// Finds the secret of a `keyid`, current or retired.
    pub(super) fn secret(&self, key_id: &[u8]) -> Option<&[u8]> {
        self.all().find(|keyed| keyed.id.to_be_bytes() == key_id).map(|keyed| keyed.secret.as_slice())
    }

    /// Returns the `keyid` of new hashes.
    pub(super) fn key_id(&self) -> Result<KeyId, argon2::Error> {
        KeyId::new(&self.current.id.to_be_bytes())
    }

    fn all(&self) -> impl Iterator<Item = &Keyed> {
        std::iter::once(&self.current).chain(&self.retired)
    }

    #[cfg(test)]
    pub(super) fn unchecked(id: u32, secret: &[u8]) -> Self {
        Self { current: Keyed { id, secret: secret.to_vec() }, retired: Vec::new() }
    }
}

impl Keyed {
    fn checked(id: u32, secret: &[u8]) -> Result<Self, PepperError> {
        check_secret(secret).map_err(|reason| PepperError::Weak { id, reason })?;
        Ok(Self { id, secret: secret.to_vec() })
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper({}, [redacted])", self.current.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE";

    #[test]
    fn weak_and_ambiguous_peppers_are_refused() {
        let weak = PepperError::Weak { id: 3, reason: WeakSecret::TooShort };
        assert_eq!(Pepper::new(3, "short").unwrap_err(), weak);
        assert_eq!(Pepper::new(2, GOOD).unwrap().retired(3, "short").unwrap_err(), weak);
        let twice = Pepper::new(3, GOOD).unwrap().retired(3, GOOD);
        assert_eq!(twice.unwrap_err(), PepperError::DuplicateId { id: 3 });
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Pepper::new(7, GOOD).unwrap()), "Pepper(7, [redacted])");
    }
}
