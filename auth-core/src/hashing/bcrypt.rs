//! Verifies bcrypt strings of older systems.

use std::hint::black_box;

use super::comparison::Comparison;

/// The bytes of a password that bcrypt reads.
const READ_BYTES: usize = 72;

/// A bcrypt string that may be verified.
pub(super) struct StoredBcrypt<'a> {
    text: &'a str,
    cost: u32,
}

impl<'a> StoredBcrypt<'a> {
    /// Reads a `$2a$`, `$2b$` or `$2y$` string of a cost up to `max_cost`.
    ///
    /// `$2x$` marks hashes of a broken implementation in which different passwords can be equal
    /// (`crypt_blowfish`, CVE-2011-2483); they never match.
    pub(super) fn read(text: &'a str, max_cost: u32) -> Option<Self> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return None;
        }
        let cost = text.parse::<::bcrypt::HashParts>().ok()?.get_cost();
        (4..=max_cost).contains(&cost).then_some(Self { text, cost })
    }

    /// Compares in constant time, always with the work of one bcrypt of `cost`.
    pub(super) fn compare(&self, password: &[u8], cost: u32) -> Comparison {
        let matches = ::bcrypt::verify(password, self.text).unwrap_or(false);
        // 2^c + (2^c + 2^(c+1) + ... + 2^(cost-1)) = 2^cost.
        (self.cost..cost).for_each(burn);
        if matches { reading(password) } else { Comparison::Different }
    }
}

/// Returns what a match says of this password.
///
/// bcrypt reads 72 bytes: a longer password is the same to it as every other that begins with them, and the owner of 72
/// bytes may be the owner of a longer one. It repeats a shorter password with a zero byte after each: `a\0a` is the same
/// to it as `a`, and zero bytes alone are the same as none.
fn reading(password: &[u8]) -> Comparison {
    match Comparison::of_zero_bytes(password) {
        Comparison::Same if password.len() >= READ_BYTES => Comparison::Alike,
        comparison => comparison,
    }
}

/// Computes one bcrypt for nothing.
pub(super) fn burn(cost: u32) {
    // Only a cost below 4 or above 31 can fail, and neither passes the policy.
    let _ = black_box(::bcrypt::hash_with_salt(black_box("nobody"), cost, [0; 16]));
}
