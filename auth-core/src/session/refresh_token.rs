//! The refresh token: the text a client holds, `jti.secret`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::crypto::digest::Digest;
use crate::crypto::random::{RandomError, RandomSource};
use crate::crypto::secret::Secret;
use crate::id::{SessionId, UserId};
use crate::session::chain_key::ChainKey;

/// The only version of the text form so far.
const VERSION: u8 = 1;
/// 21 bytes (version, session id, generation) in unpadded base64url.
const JTI_CHARS: usize = 28;
/// 32 bytes in unpadded base64url.
const SECRET_CHARS: usize = 43;

/// The text is not a token. The reason is not given to the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed token")]
pub struct MalformedToken;

/// An opaque rotating token that a client exchanges for a new access token.
///
/// The text form is `jti.secret`: `jti` is base64url(version u8, session id 16 bytes, generation u32
/// big-endian), `secret` is base64url(32 bytes). A store keeps only a digest of the current generation.
#[derive(Clone)]
pub struct RefreshToken {
    session_id: SessionId,
    generation: u32,
    secret: Secret,
}

impl RefreshToken {
    #[cfg(test)]
    pub(crate) const fn new(session_id: SessionId, generation: u32, secret: Secret) -> Self {
        Self { session_id, generation, secret }
    }

    /// Makes the first token of a session, generation 0.
    ///
    /// # Errors
    ///
    /// - [`RandomError`] when the generator fails.
    pub fn first(session_id: SessionId, random: &dyn RandomSource) -> Result<Self, RandomError> {
        Ok(Self { session_id, generation: 0, secret: Secret::generate(random)? })
    }

    /// Reads the text form. Only the canonical text of a token is accepted: no padding, no other
    /// alphabet, no stray bits, no white space.
    ///
    /// # Errors
    ///
    /// - [`MalformedToken`] for everything else, before any allocation or store access.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let (jti, secret) = split(text)?;
        let [version, rest @ ..] = decode::<21>(jti)?;
        let (session_id, generation) = rest.split_first_chunk::<16>().ok_or(MalformedToken)?;
        let generation = generation.try_into().map_err(|_| MalformedToken)?;
        if version != VERSION {
            return Err(MalformedToken);
        }
        Ok(Self {
            session_id: SessionId::from_bytes(*session_id),
            generation: u32::from_be_bytes(generation),
            secret: Secret::from_bytes(decode::<32>(secret)?),
        })
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

    /// The token that rotation makes out of this one; `None` after 2^32 - 1 rotations.
    pub fn child(&self, chain: &ChainKey) -> Option<Self> {
        let generation = self.generation.checked_add(1)?;
        let secret = chain.next(self.session_id, generation, &self.secret);
        Some(Self { session_id: self.session_id, generation, secret })
    }

    /// Returns the digest that is stored, bound to session and user.
    pub fn digest(&self, user_id: UserId) -> Digest {
        Digest::of("refresh/v1", &[self.session_id.as_bytes(), user_id.as_bytes(), self.secret.expose()])
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

    fn token() -> RefreshToken {
        RefreshToken::new(SessionId::from_bytes([3; 16]), 7, Secret::from_bytes([9; 32]))
    }

    #[test]
    fn the_text_form_round_trips() {
        let text = token().expose();
        assert_eq!(text.len(), 72);
        let parsed = RefreshToken::parse(&text).unwrap();
        assert_eq!(parsed.session_id(), token().session_id());
        assert_eq!(parsed.generation(), 7);
        assert_eq!(*parsed.expose(), *text);
    }

    #[test]
    fn debug_hides_the_secret() {
        let shown = format!("{:?}", token());
        assert!(shown.contains("generation: 7"));
        assert!(!shown.contains("CQkJ"));
    }

    #[test]
    fn every_truncation_and_extension_is_refused() {
        let text = token().expose();
        for end in 0..text.len() {
            assert!(RefreshToken::parse(&text[..end]).is_err(), "length {end}");
        }
        for extra in ["=", " ", "\n", "A", ".", "\0"] {
            assert!(RefreshToken::parse(&format!("{}{extra}", *text)).is_err());
            assert!(RefreshToken::parse(&format!("{extra}{}", *text)).is_err());
        }
    }

    #[test]
    fn a_shorter_or_longer_first_part_is_refused() {
        let text = token().expose();
        for cut in 0..JTI_CHARS {
            let shorter = format!("{}{}", &text[..cut], &text[JTI_CHARS..]);
            assert!(RefreshToken::parse(&shorter).is_err(), "{shorter}");
        }
        assert!(RefreshToken::parse(&format!("{}AAAA{}", &text[..JTI_CHARS], &text[JTI_CHARS..])).is_err());
    }

    #[test]
    fn stray_bits_and_other_versions_are_refused() {
        let text = token().expose();
        // The last character of 32 encoded bytes carries two unused bits.
        assert!(RefreshToken::parse(&format!("{}l", &text[..71])).is_err());
        let other_version = format!("Ag{}", &text[2..]);
        assert!(RefreshToken::parse(&other_version).is_err());
        assert!(RefreshToken::parse(&text.replace('-', "+").replace('_', "/").replace('C', "+")).is_err());
    }

    #[test]
    fn the_digest_is_bound_to_its_user_and_session() {
        let (a, b) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let other = RefreshToken::new(SessionId::from_bytes([4; 16]), 7, Secret::from_bytes([9; 32]));
        assert!(!token().digest(a).matches(&token().digest(b)));
        assert!(!token().digest(a).matches(&other.digest(a)));
    }

    #[test]
    fn every_generation_but_the_last_has_a_child() {
        let chain = ChainKey::new(&RootSecret::generate(&SystemRandom).unwrap());
        let last = RefreshToken::new(SessionId::from_bytes([3; 16]), u32::MAX, Secret::from_bytes([9; 32]));
        assert!(last.child(&chain).is_none());
        let child = token().child(&chain).unwrap();
        assert_eq!((child.session_id(), child.generation()), (token().session_id(), 8));
        assert_ne!(child.secret.expose(), token().secret.expose());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_accepts_only_canonical_text(text in "[A-Za-z0-9_=+./-]{0,80}|.{0,80}") {
            if let Ok(token) = RefreshToken::parse(&text) {
                prop_assert_eq!(&*token.expose(), &text);
            }
        }

        #[test]
        fn every_token_round_trips(session: [u8; 16], generation: u32, secret: [u8; 32]) {
            let token = RefreshToken::new(SessionId::from_bytes(session), generation, Secret::from_bytes(secret));
            let parsed = RefreshToken::parse(&token.expose()).unwrap();
            prop_assert_eq!(parsed.generation(), generation);
            prop_assert_eq!(parsed.session_id(), SessionId::from_bytes(session));
            prop_assert_eq!(parsed.secret.expose(), &secret);
        }
    }
}
