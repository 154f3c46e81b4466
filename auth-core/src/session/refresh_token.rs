//! The refresh token: session and generation, a dot, and the secret that proves them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::crypto::digest::Digest;
use crate::crypto::random::{RandomError, RandomSource};
use crate::crypto::secret::Secret;
use crate::id::{SessionId, UserId};
use crate::session::refresh_keys::{KeyIndex, LINK_BYTES, RefreshKeys, TAG_BYTES};

/// The version of the text form. Version 1 had no tag; it was never released.
const VERSION: u8 = 2;
/// 21 bytes (version, session id, generation) in unpadded base64url.
const JTI_CHARS: usize = 28;
/// 32 bytes in unpadded base64url.
const SECRET_CHARS: usize = 43;

/// The text is not a token of this service. The reason is not given to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed token")]
pub struct MalformedToken;

/// An opaque rotating token that a client exchanges for a new access token.
///
/// The text form is `jti.secret`: `jti` is base64url(version u8 = 2, session id 16 bytes, generation u32
/// big-endian), `secret` is base64url(link 16 bytes, tag 16 bytes). The tag proves at any time that this service
/// issued the token: [`parse`](Self::parse) accepts no other. A store keeps only a digest of the current
/// generation.
#[derive(Clone)]
pub struct RefreshToken {
    session_id: SessionId,
    generation: u32,
    /// The link and its tag.
    secret: Secret,
    keys: KeyIndex,
}

impl RefreshToken {
    /// Makes the first token of a session, generation 0.
    ///
    /// # Errors
    ///
    /// - [`RandomError`] when the generator fails.
    pub fn first(
        session_id: SessionId,
        keys: &RefreshKeys,
        random: &dyn RandomSource,
    ) -> Result<Self, RandomError> {
        let mut link = Zeroizing::new([0; LINK_BYTES]);
        random.fill(&mut *link)?;
        let tag = keys.first_tag(session_id, &link);
        Ok(Self::of(session_id, 0, (&link, &tag), KeyIndex::CURRENT))
    }

    fn of(
        session_id: SessionId,
        generation: u32,
        (link, tag): (&[u8; LINK_BYTES], &[u8; TAG_BYTES]),
        keys: KeyIndex,
    ) -> Self {
        let mut secret = Zeroizing::new([0; LINK_BYTES + TAG_BYTES]);
        secret.iter_mut().zip(link.iter().chain(tag)).for_each(|(to, from)| *to = *from);
        Self { session_id, generation, secret: Secret::from_bytes(*secret), keys }
    }

    /// Reads the text form, and checks that this service issued it. Reads no store.
    ///
    /// Only the canonical text of a token is accepted: no padding, no other alphabet, no stray bits, no
    /// white space.
    ///
    /// # Errors
    ///
    /// - [`MalformedToken`] for everything else, also for a token whose tag is wrong.
    pub fn parse(text: &str, keys: &RefreshKeys) -> Result<Self, MalformedToken> {
        let (jti, secret) = split(text)?;
        let [version, rest @ ..] = decode::<21>(jti)?;
        let (session_id, generation) = rest.split_first_chunk::<16>().ok_or(MalformedToken)?;
        let generation = generation.try_into().map_err(|_| MalformedToken)?;
        if version != VERSION {
            return Err(MalformedToken);
        }
        let (session_id, generation) = (SessionId::from_bytes(*session_id), u32::from_be_bytes(generation));
        let secret = Secret::from_bytes(decode::<{ LINK_BYTES + TAG_BYTES }>(secret)?);
        let (link, tag) = halves(&secret).ok_or(MalformedToken)?;
        let keys = keys.prove(session_id, generation, link, tag).ok_or(MalformedToken)?;
        Ok(Self { session_id, generation, secret, keys })
    }

    /// The text form.
    ///
    /// # Security
    ///
    /// The holder of the text holds the session. Give it to the client only (an `HttpOnly` cookie).
    pub fn expose(&self) -> Zeroizing<String> {
        let mut jti = [0; 21];
        jti.iter_mut()
            .zip([VERSION].iter().chain(self.session_id.as_bytes()).chain(&self.generation.to_be_bytes()))
            .for_each(|(to, from)| *to = *from);
        let mut text = Zeroizing::new(String::with_capacity(JTI_CHARS + 1 + SECRET_CHARS));
        URL_SAFE_NO_PAD.encode_string(jti, &mut text);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.secret.expose(), &mut text);
        text
    }

    /// The session this token claims to belong to.
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// How often the session's token was rotated when this one was made.
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Derives the token that rotation makes out of this one; `None` after 2^32 - 1 rotations, or if the token
    /// was parsed with other keys.
    pub fn child(&self, keys: &RefreshKeys) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let (link, _) = halves(&self.secret)?;
        let link = Zeroizing::new(keys.next_link(self.keys, self.session_id, generation, link)?);
        let tag = keys.tag(self.keys, self.session_id, generation, &link)?;
        Some(Self::of(self.session_id, generation, (&link, &tag), self.keys))
    }

    /// Returns the digest that is stored, bound to session and user.
    pub fn digest(&self, user_id: UserId) -> Digest {
        Digest::of("refresh/v2", &[self.session_id.as_bytes(), user_id.as_bytes(), self.secret.expose()])
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("session_id", &self.session_id)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// Splits a secret into its link and its tag.
fn halves(secret: &Secret) -> Option<(&[u8; LINK_BYTES], &[u8; TAG_BYTES])> {
    let (link, tag) = secret.expose().split_first_chunk()?;
    Some((link, tag.try_into().ok()?))
}

/// Splits `28 characters . 43 characters`, the outer shape of both opaque tokens.
pub(crate) fn split(text: &str) -> Result<(&str, &str), MalformedToken> {
    match text.split_once('.') {
        Some((jti, secret)) if secret.len() == SECRET_CHARS => Ok((jti, secret)),
        _ => Err(MalformedToken),
    }
}

/// Decodes canonical unpadded base64url of exactly `N` bytes.
pub(crate) fn decode<const N: usize>(text: &str) -> Result<[u8; N], MalformedToken> {
    let mut bytes = [0; N];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(length) if length == N => Ok(bytes),
        _ => Err(MalformedToken),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::keys::RootSecret;
    use crate::crypto::random::SystemRandom;

    fn keys() -> RefreshKeys {
        RefreshKeys::new(&RootSecret::new("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE").unwrap())
    }

    fn token_of(session: [u8; 16], generation: u32, link: [u8; 16]) -> RefreshToken {
        let session = SessionId::from_bytes(session);
        let tag = keys().tag(KeyIndex::CURRENT, session, generation, &link).unwrap();
        RefreshToken::of(session, generation, (&link, &tag), KeyIndex::CURRENT)
    }

    fn token() -> RefreshToken {
        token_of([3; 16], 7, [9; 16])
    }

    fn parse(text: &str) -> Result<RefreshToken, MalformedToken> {
        RefreshToken::parse(text, &keys())
    }

    #[test]
    fn the_text_form_round_trips() {
        let text = token().expose();
        assert_eq!(text.len(), 72);
        let parsed = parse(&text).unwrap();
        assert_eq!(parsed.session_id(), token().session_id());
        assert_eq!(parsed.generation(), 7);
        assert_eq!(*parsed.expose(), *text);
    }

    /// Computed by another program, from the definitions in docs/flows.md.
    #[test]
    fn a_token_and_its_child_are_the_documented_bytes() {
        let keys = RefreshKeys::new(&RootSecret::new("n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P").unwrap());
        let first = "AgMDAwMDAwMDAwMDAwMDAwMAAAAA.CQkJCQkJCQkJCQkJCQkJCcU0-fnHQc1nGbjpvWRqJJY";
        let child = "AgMDAwMDAwMDAwMDAwMDAwMAAAAB.FY4hp6tUIffnma_zVzmnb5ujTt8gqVhPB9EIs1GEGMk";
        let token = RefreshToken::parse(first, &keys).unwrap();
        assert_eq!((token.session_id(), token.generation()), (SessionId::from_bytes([3; 16]), 0));
        assert_eq!(*token.child(&keys).unwrap().expose(), child);
    }

    #[test]
    fn debug_hides_the_secret() {
        let shown = format!("{:?}", token());
        assert!(shown.contains("generation: 7"));
        assert!(!shown.contains("CQkJ"));
    }

    #[test]
    fn no_two_first_tokens_have_one_link() {
        let id = SessionId::from_bytes([3; 16]);
        let first =
            || RefreshToken::first(id, &keys(), &SystemRandom).unwrap().expose()[JTI_CHARS..].to_owned();
        let all: std::collections::BTreeSet<String> = (0..1_000).map(|_| first()).collect();
        assert_eq!(all.len(), 1_000);
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let text = token().expose();
        for end in 0..text.len() {
            assert!(parse(&text[..end]).is_err(), "length {end}");
        }
        for extra in ["=", " ", "\n", "A", ".", "\0"] {
            assert!(parse(&format!("{}{extra}", *text)).is_err());
            assert!(parse(&format!("{extra}{}", *text)).is_err());
        }
    }

    #[test]
    fn a_shorter_or_longer_first_part_is_refused() {
        let text = token().expose();
        for cut in 0..JTI_CHARS {
            let shorter = format!("{}{}", &text[..cut], &text[JTI_CHARS..]);
            assert!(parse(&shorter).is_err(), "{shorter}");
        }
        assert!(parse(&format!("{}AAAA{}", &text[..JTI_CHARS], &text[JTI_CHARS..])).is_err());
    }

    #[test]
    fn every_other_bit_is_refused() {
        let text = token().expose();
        let (jti, secret) = split(&text).unwrap();
        let bytes: Vec<u8> = [decode::<21>(jti).unwrap().as_slice(), &decode::<32>(secret).unwrap()].concat();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let (jti, secret) = wrong.split_at(21);
            let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(jti), URL_SAFE_NO_PAD.encode(secret));
            assert!(parse(&text).is_err(), "bit {bit}");
        }
        // The last character of 32 encoded bytes carries two unused bits.
        let last = text.chars().last().unwrap();
        for other in ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']) {
            assert_eq!(parse(&format!("{}{other}", &text[..71])).is_ok(), other == last, "{other}");
        }
        assert!(parse(&text.replace('-', "+").replace('_', "/").replace('C', "+")).is_err());
    }

    #[test]
    fn a_token_of_another_root_secret_is_refused_unless_it_is_known() {
        let other = RootSecret::new("u7Kq2mX9vB4nT6pR8sW1zY3cF5hJ0gLd").unwrap();
        let text = token().expose();
        assert!(RefreshToken::parse(&text, &RefreshKeys::new(&other)).is_err());
        let old = RootSecret::new("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE").unwrap();
        let both = RefreshKeys::new(&other).with_previous(&old);
        let child = RefreshToken::parse(&text, &both).unwrap().child(&both).unwrap();
        assert_eq!(*child.expose(), *token().child(&keys()).unwrap().expose());
    }

    #[test]
    fn the_digest_is_bound_to_its_user_and_session() {
        let (a, b) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        assert!(token().digest(a).matches(&token().digest(a)));
        assert!(!token().digest(a).matches(&token().digest(b)));
        assert!(!token().digest(a).matches(&token_of([4; 16], 7, [9; 16]).digest(a)));
    }

    #[test]
    fn every_generation_but_the_last_has_a_child() {
        assert!(token_of([3; 16], u32::MAX, [9; 16]).child(&keys()).is_none());
        let child = token().child(&keys()).unwrap();
        assert_eq!((child.session_id(), child.generation()), (token().session_id(), 8));
        assert_ne!(child.secret.expose(), token().secret.expose());
        assert_eq!(*parse(&child.expose()).unwrap().expose(), *child.expose());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_accepts_only_canonical_text(text in "[A-Za-z0-9_=+./-]{0,80}|.{0,80}") {
            if let Ok(token) = parse(&text) {
                prop_assert_eq!(&*token.expose(), &text);
            }
        }

        #[test]
        fn every_token_round_trips(session: [u8; 16], generation: u32, link: [u8; 16]) {
            let token = token_of(session, generation, link);
            let parsed = parse(&token.expose()).unwrap();
            prop_assert_eq!(parsed.generation(), generation);
            prop_assert_eq!(parsed.session_id(), SessionId::from_bytes(session));
            prop_assert_eq!(parsed.secret.expose(), token.secret.expose());
        }
    }
}
