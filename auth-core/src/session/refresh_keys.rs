//! The keys of refresh tokens: one chains their secrets, one proves that this service issued them.

use std::fmt;

use subtle::ConstantTimeEq;

use crate::crypto::keys::{RootSecret, SubKey};
use crate::id::SessionId;

/// Bytes of a link: 128 random bits, which OWASP ASVS 5.0 (11.5.1) asks of a token.
pub(crate) const LINK_BYTES: usize = 16;
/// Bytes of a tag: a forger has one chance in 2^128 for each try.
pub(crate) const TAG_BYTES: usize = 16;

/// The two keys of one root secret.
#[derive(Clone)]
struct KeyPair {
    chain: SubKey,
    tag: SubKey,
}

impl KeyPair {
    fn new(root: &RootSecret) -> Self {
        Self {
            chain: root.derive("auth-core/refresh-chain/v2"),
            tag: root.derive("auth-core/refresh-tag/v2"),
        }
    }
}

/// Which root secret a refresh token belongs to: a place in the list of [`RefreshKeys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyIndex(usize);

impl KeyIndex {
    /// That of the current root secret.
    pub(crate) const CURRENT: Self = Self(0);
}

/// Derives the links and tags of refresh tokens.
///
/// New sessions use the keys of the current root secret. A session stays with the keys that it began
/// with, so that two processes of which one does not know a new root secret yet derive the same child.
#[derive(Clone)]
pub struct RefreshKeys {
    current: KeyPair,
    previous: Vec<KeyPair>,
}

impl RefreshKeys {
    /// Derives the keys from the root secret.
    pub fn new(root: &RootSecret) -> Self {
        Self { current: KeyPair::new(root), previous: Vec::new() }
    }

    /// Accepts the tokens of another root secret, too: an earlier one, or the next.
    #[must_use]
    pub fn with_previous(mut self, root: &RootSecret) -> Self {
        self.previous.push(KeyPair::new(root));
        self
    }

    fn pairs(&self) -> impl Iterator<Item = &KeyPair> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    fn pair(&self, index: KeyIndex) -> Option<&KeyPair> {
        self.pairs().nth(index.0)
    }

    /// Derives the link of `generation` from that of the generation before; `None` if the index is that of
    /// other keys.
    ///
    /// The parent's link is an input, so neither a copy of the database, nor the keys, nor both together
    /// make a token without having held its parent.
    pub(crate) fn next_link(
        &self,
        index: KeyIndex,
        session: SessionId,
        generation: u32,
        parent: &[u8; LINK_BYTES],
    ) -> Option<[u8; LINK_BYTES]> {
        let parts: [&[u8]; 3] = [session.as_bytes(), &generation.to_be_bytes(), parent];
        Some(truncated(self.pair(index)?.chain.mac("refresh/v2", &parts)))
    }

    /// Derives the tag that proves a link; `None` if the index is that of other keys.
    pub(crate) fn tag(
        &self,
        index: KeyIndex,
        session: SessionId,
        generation: u32,
        link: &[u8; LINK_BYTES],
    ) -> Option<[u8; TAG_BYTES]> {
        Some(tag(self.pair(index)?, session, generation, link))
    }

    /// Derives the tag of the first token of a new session, under the current root secret.
    pub(crate) fn first_tag(&self, session: SessionId, link: &[u8; LINK_BYTES]) -> [u8; TAG_BYTES] {
        tag(&self.current, session, 0, link)
    }

    /// Returns the root secret under which this tag proves this link; `None` if there is none. Compares in
    /// constant time.
    pub(crate) fn prove(
        &self,
        session: SessionId,
        generation: u32,
        link: &[u8; LINK_BYTES],
        presented: &[u8; TAG_BYTES],
    ) -> Option<KeyIndex> {
        let proves = |pair| bool::from(tag(pair, session, generation, link).ct_eq(presented));
        self.pairs().position(proves).map(KeyIndex)
    }
}

fn tag(pair: &KeyPair, session: SessionId, generation: u32, link: &[u8; LINK_BYTES]) -> [u8; TAG_BYTES] {
    let parts: [&[u8]; 3] = [session.as_bytes(), &generation.to_be_bytes(), link];
    truncated(pair.tag.mac("refresh-tag/v2", &parts))
}

fn truncated(mac: [u8; 32]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
    bytes
}

impl fmt::Debug for RefreshKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshKeys([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;

    const CURRENT: KeyIndex = KeyIndex::CURRENT;

    fn root() -> RootSecret {
        RootSecret::generate(&SystemRandom).unwrap()
    }

    #[test]
    fn a_link_depends_on_session_generation_parent_and_secret() {
        let keys = RefreshKeys::new(&root());
        let (a, b) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let link = keys.next_link(CURRENT, a, 1, &[7; 16]);
        assert_eq!(link, keys.next_link(CURRENT, a, 1, &[7; 16]));
        assert_ne!(link, keys.next_link(CURRENT, b, 1, &[7; 16]));
        assert_ne!(link, keys.next_link(CURRENT, a, 2, &[7; 16]));
        assert_ne!(link, keys.next_link(CURRENT, a, 1, &[8; 16]));
        assert_ne!(link, RefreshKeys::new(&root()).next_link(CURRENT, a, 1, &[7; 16]));
    }

    #[test]
    fn a_tag_proves_one_link_of_one_session_and_generation() {
        let keys = RefreshKeys::new(&root());
        let (a, b) = (SessionId::from_bytes([1; 16]), SessionId::from_bytes([2; 16]));
        let tag = keys.tag(CURRENT, a, 1, &[7; 16]).unwrap();
        assert_eq!(keys.prove(a, 1, &[7; 16], &tag), Some(CURRENT));
        assert_eq!(keys.prove(b, 1, &[7; 16], &tag), None);
        assert_eq!(keys.prove(a, 2, &[7; 16], &tag), None);
        assert_eq!(keys.prove(a, 1, &[8; 16], &tag), None);
        assert_eq!(RefreshKeys::new(&root()).prove(a, 1, &[7; 16], &tag), None);
        for bit in 0..128 {
            let mut wrong = tag;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.prove(a, 1, &[7; 16], &wrong), None, "bit {bit}");
        }
    }

    #[test]
    fn the_tokens_of_a_previous_secret_are_proven_under_it() {
        let (old, new, session) = (root(), root(), SessionId::from_bytes([1; 16]));
        let before = RefreshKeys::new(&old);
        let after = RefreshKeys::new(&new).with_previous(&old);
        let tag = before.tag(CURRENT, session, 1, &[7; 16]).unwrap();
        assert_eq!(RefreshKeys::new(&new).prove(session, 1, &[7; 16], &tag), None);
        let index = after.prove(session, 1, &[7; 16], &tag).unwrap();
        assert_ne!(index, CURRENT);
        assert_eq!(
            after.next_link(index, session, 2, &[7; 16]),
            before.next_link(CURRENT, session, 2, &[7; 16])
        );
        assert_eq!(after.tag(index, session, 1, &[7; 16]), Some(tag));
        assert_eq!(before.tag(index, session, 1, &[7; 16]), None, "an index of other keys");
    }
}
