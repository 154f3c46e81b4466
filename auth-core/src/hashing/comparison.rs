//! What the match of an imported hash says of a password.

use super::Verified;
use crate::user::PasswordHash;

/// The result of comparing a password with an imported hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// The hash is of this password.
    Same,
    /// The hash is of this password, or of another that its algorithm does not distinguish. The owner's password may be
    /// the other one, so nothing may be made of this one that does distinguish them.
    Alike,
    /// The hash is of another password.
    Different,
}

impl Comparison {
    /// Returns what a match says of this password, under an algorithm that pads passwords with zero bytes.
    ///
    /// Zero bytes alone would match the hash of the empty password, with which nobody logs in.
    pub(super) fn of_zero_bytes(password: &[u8]) -> Self {
        if password.iter().all(|byte| *byte == 0) {
            Self::Different
        } else if password.contains(&0) {
            Self::Alike
        } else {
            Self::Same
        }
    }

    /// Returns the verdict, with the Argon2 hash of the password as typed.
    pub(super) fn verified(self, fresh: PasswordHash) -> Verified {
        match self {
            Self::Same => Verified::MatchOutdated(fresh),
            Self::Alike => Verified::Match,
            Self::Different => Verified::NoMatch,
        }
    }
}
