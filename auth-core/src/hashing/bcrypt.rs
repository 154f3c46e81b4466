//! Verifies bcrypt strings of older systems.

use std::hint::black_box;

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
    ///
    /// Like every bcrypt, it reads only the first 72 bytes of a password. The Argon2 hash that replaces it
    /// reads all bytes.
    pub(super) fn matches(&self, password: &[u8], cost: u32) -> bool {
        let matches = ::bcrypt::verify(password, self.text).unwrap_or(false);
        // 2^c + (2^c + 2^(c+1) + ... + 2^(cost-1)) = 2^cost.
        (self.cost..cost).for_each(burn);
        matches
    }
}

/// Computes one bcrypt for nothing.
pub(super) fn burn(cost: u32) {
    // Only a cost below 4 or above 31 can fail, and neither passes the policy.
    let _ = black_box(::bcrypt::hash_with_salt(black_box("nobody"), cost, [0; 16]));
}
