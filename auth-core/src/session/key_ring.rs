//! The keys that sign and verify access tokens: one signer, any number of verifiers.

mod key;
mod signature;
#[cfg(test)]
pub(crate) mod tests;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use key::{KeyError, SigningKey, VerifyingKey};

use crate::crypto::random::{RandomError, RandomSource};

/// Why a key does not fit into a ring. Keys are named by their `kid`, never shown.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// Two different keys have one name, so a token could not say which of them signed it.
    #[error("two different keys have the kid `{0}`")]
    DuplicateKid(String),
    /// The key is in the ring already, under this or another name. A key in there twice outlives
    /// the retirement of either entry.
    #[error("the key `{kid}` is in the ring already, as `{present}`")]
    SameKey {
        /// The name of the refused key.
        kid: String,
        /// The name of the same key in the ring.
        present: String,
    },
    /// One of the two is an HS256 secret, the other a public key. Choosing between them by the token's
    /// header is the classic algorithm confusion (RFC 8725, section 3.1).
    #[error("the keys `{kid}` and `{present}` must not be in one ring: one is a shared secret, one is not")]
    MixedKinds {
        /// The name of the refused key.
        kid: String,
        /// The name of the signer in the ring.
        present: String,
    },
}

crate::__debug_as_chain! { KeyRingError }

/// The key that signs access tokens, and all keys whose tokens are still accepted.
///
/// A token names its key by `kid`, which is nothing but a look-up in this ring; the algorithm is the
/// key's own, whatever the token says. Every ring is valid: what [`KeyRingError`] describes is refused
/// when a key is added, weak secrets already when the key is made.
///
/// **To replace a key** without logging anyone out: first let every instance
/// [`also_verify`](Self::also_verify) the new key, then make it the signer and keep the old one for
/// verifying, [`until`](VerifyingKey::until) the last of its tokens has expired. **After a leak** drop
/// the old key at once: its access tokens are refused, and refreshing brings new ones.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use auth_core::{KeyRing, SigningKey, VerifyingKey};
/// use chrono::DateTime;
///
/// # let (new, old) = ("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE", "Zr7LwXs4TbNcPd1HgKe9UaRq8Jv0Yf2m");
/// let retires: DateTime<chrono::Utc> = "2026-12-01T00:00:00Z".parse()?;
/// let ring = KeyRing::new(SigningKey::hs256(new)?).also_verify(VerifyingKey::hs256(old)?.until(retires))?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct KeyRing {
    signer: SigningKey,
    others: Vec<VerifyingKey>,
}

impl KeyRing {
    /// A ring of one key, which signs and verifies.
    pub fn new(signer: SigningKey) -> Self {
        Self { signer, others: Vec::new() }
    }

    /// A ring of one shared secret of at least 32 bytes: enough for a service that reads its own
    /// tokens.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Weak`] when the secret is short, repetitive or a placeholder.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        SigningKey::hs256(secret).map(Self::new)
    }

    /// Makes a ring of one new secret that is not stored, for tests and demonstrations: all access tokens
    /// end with the process.
    ///
    /// # Errors
    ///
    /// - [`RandomError`] when the generator fails.
    pub fn generate(random: &dyn RandomSource) -> Result<Self, RandomError> {
        SigningKey::generate_hs256(random).map(Self::new)
    }

    /// Accepts the tokens of one more key.
    ///
    /// # Errors
    ///
    /// - [`KeyRingError`], as each variant says.
    pub fn also_verify(mut self, key: VerifyingKey) -> Result<Self, KeyRingError> {
        let kid = || key.kid().to_owned();
        if let Some(same) = self.keys().find(|other| other.same_material(&key)) {
            return Err(KeyRingError::SameKey { kid: kid(), present: same.kid().to_owned() });
        }
        if self.keys().any(|other| other.kid() == key.kid()) {
            return Err(KeyRingError::DuplicateKid(kid()));
        }
        if self.signer.key().is_secret() != key.is_secret() {
            return Err(KeyRingError::MixedKinds { kid: kid(), present: self.signer.kid().to_owned() });
        }
        self.others.push(key);
        Ok(self)
    }

    /// The public keys of the ring as a JWK set (RFC 7517), for a `jwks.json` that other services
    /// read. Retired keys are left out. A shared secret is never published: its set is empty.
    pub fn jwks(&self, now: DateTime<Utc>) -> Value {
        let keys: Vec<Value> =
            self.keys().filter(|key| !key.retired(now)).filter_map(VerifyingKey::jwk).collect();
        json!({ "keys": keys })
    }

    pub(crate) const fn signer(&self) -> &SigningKey {
        &self.signer
    }

    /// All keys that verify, the signer's first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        std::iter::once(self.signer.key()).chain(&self.others)
    }
}
