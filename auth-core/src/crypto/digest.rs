//! Digests, stored instead of secrets.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// A SHA-256 digest of a secret, bound to what the secret is for.
///
/// A plain hash suffices because the secrets behind it have 128 random bits or more (OWASP ASVS 5.0, 6.5.2);
/// a password hash would only be slower. There is no `==`: comparison is [`Digest::matches`], in
/// constant time.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes a stored digest.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// Hashes length-delimited parts, so that no two lists of parts collide.
    pub(crate) fn of(label: &str, parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(label.as_bytes());
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let ab_c = Digest::of("t", &[b"ab", b"c"]);
        let a_bc = Digest::of("t", &[b"a", b"bc"]);
        assert!(!ab_c.matches(&a_bc));
        assert!(ab_c.matches(&Digest::of("t", &[b"ab", b"c"])));
        assert!(!ab_c.matches(&Digest::of("u", &[b"ab", b"c"])));
    }
}
