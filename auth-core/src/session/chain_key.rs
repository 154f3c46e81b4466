//! The key that chains the secrets of a session's refresh tokens.

use std::fmt;

use crate::crypto::keys::{RootSecret, SubKey};
use crate::crypto::secret::Secret;
use crate::id::SessionId;

/// Derives the next refresh secret of a session from the presented one.
#[derive(Clone)]
pub struct ChainKey(SubKey);

impl ChainKey {
    /// Derives the key from the root secret.
    pub fn new(root: &RootSecret) -> Self {
        Self(root.derive("auth-core/refresh-chain/v1"))
    }

    /// The secret of `generation`, from the secret of the generation before.
    ///
    /// The parent's secret is an input, so neither a copy of the database, nor this key, nor both
    /// together make a token without having held its parent.
    pub(crate) fn next(&self, session: SessionId, generation: u32, parent: &Secret) -> Secret {
        let parts: [&[u8]; 3] = [session.as_bytes(), &generation.to_be_bytes(), parent.expose()];
        Secret::from_bytes(self.0.mac("refresh/v1", &parts))
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;

    #[test]
    fn the_chain_depends_on_session_generation_and_parent() {
        let root = RootSecret::generate(&SystemRandom).unwrap();
        let chain = ChainKey::new(&root);
        let (a, b) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let parent = Secret::from_bytes([7; 32]);
        let child = *chain.next(a, 1, &parent).expose();
        assert_eq!(child, *chain.next(a, 1, &parent).expose());
        assert_ne!(child, *chain.next(b, 1, &parent).expose());
        assert_ne!(child, *chain.next(a, 2, &parent).expose());
        assert_ne!(child, *chain.next(a, 1, &Secret::from_bytes([8; 32])).expose());
        let other = ChainKey::new(&RootSecret::generate(&SystemRandom).unwrap());
        assert_ne!(child, *other.next(a, 1, &parent).expose());
    }
}
