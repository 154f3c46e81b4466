//! The root secret and the keys derived from it, one per use.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::crypto::random::{RandomError, RandomSource};
use crate::crypto::secret::Secret;

/// Least length of a configured secret in bytes: RFC 7518 section 3.2 asks an HS256 key to be at
/// least as long as the hash.
pub const MIN_SECRET_BYTES: usize = 32;

/// Why a configured secret was refused. The secret itself is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakSecret {
    /// Fewer than [`MIN_SECRET_BYTES`] bytes.
    #[error("is shorter than 32 bytes")]
    TooShort,
    /// Looks like a value from documentation or a sample file, or is one that this library published.
    #[error("looks like a placeholder")]
    Placeholder,
    /// Repeats itself or uses too few different bytes.
    #[error("repeats itself and can be guessed")]
    Repetitive,
}

/// Refuses secrets that are short, repetitive or copied from a sample.
///
/// Length alone is not enough: of about 104,000 publicly known signing secrets some 1,900 have 32
/// bytes or more, nearly all of them phrases of this kind.
pub(crate) fn check_secret(secret: &[u8]) -> Result<(), WeakSecret> {
    const PLACEHOLDERS: [&str; 17] = [
        // Those that earlier versions of this library's documentation had.
        "u7kq2mx9vb4nr8ty1wz6pl3sd5fg0hjc",
        "q8jv0yf2mzr7lwxs4tbncpd1hgke9uar",
        "outputofopensslrand",
        "changeme",
        "changethis",
        "replaceme",
        "replacethis",
        "placeholder",
        "yoursecret",
        "yourjwt",
        "yourkey",
        "supersecret",
        "secretkey",
        "mysecret",
        "jwtsecret",
        "examplesecret",
        "insecure",
    ];
    if secret.len() < MIN_SECRET_BYTES {
        return Err(WeakSecret::TooShort);
    }
    let letters: String = secret
        .iter()
        .filter(|b| b.is_ascii_alphanumeric())
        .map(|b| char::from(b.to_ascii_lowercase()))
        .collect();
    if PLACEHOLDERS.iter().any(|word| letters.contains(word)) {
        return Err(WeakSecret::Placeholder);
    }
    let different = secret.iter().collect::<std::collections::BTreeSet<_>>().len();
    let repeats = (1..=secret.len() / 2)
        .any(|period| secret.iter().zip(secret.iter().skip(period)).all(|(a, b)| a == b));
    if different < 8 || repeats {
        return Err(WeakSecret::Repetitive);
    }
    Ok(())
}

/// The secret from which the keys of refresh tokens, of mailed tokens and of limiter buckets are derived
/// (HKDF-SHA-256, RFC 5869, one label per use).
///
/// Replacing it ends all sessions, unless the old one is given as
/// [`previous_root_secrets`](crate::AuthBuilder::previous_root_secrets). Mailed links stay valid, since their
/// digests alone are compared, but a mail whose first attempt failed before becomes a dead letter.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RootSecret(Vec<u8>);

impl RootSecret {
    /// Takes a configured secret of at least 32 bytes, for instance the output of
    /// `openssl rand -base64 48`.
    ///
    /// # Errors
    ///
    /// - [`WeakSecret`] when it is short, repetitive or a placeholder.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, WeakSecret> {
        check_secret(secret.as_ref())?;
        Ok(Self(secret.as_ref().to_vec()))
    }

    /// Makes a new one. Keep it: after a restart with another all refresh tokens are refused.
    ///
    /// # Errors
    ///
    /// - [`RandomError`] when the generator fails.
    pub fn generate(random: &dyn RandomSource) -> Result<Self, RandomError> {
        Secret::generate(random).map(|secret| Self(secret.expose().to_vec()))
    }

    /// Derives the key of one use (HKDF-SHA-256).
    pub(crate) fn derive(&self, label: &str) -> SubKey {
        let mut key = [0; 64];
        // 64 bytes are two HKDF blocks; only more than 255 blocks can fail.
        let expanded = Hkdf::<Sha256>::new(None, &self.0).expand(label.as_bytes(), &mut key);
        debug_assert!(expanded.is_ok());
        SubKey(key)
    }
}

impl fmt::Debug for RootSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootSecret([redacted])")
    }
}

/// One derived key, as long as a block of SHA-256, which is the length HMAC wants.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct SubKey([u8; 64]);

impl SubKey {
    /// HMAC-SHA-256 of a label and parts.
    pub(crate) fn mac(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new(&self.0.into());
        mac.update(label.as_bytes());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// The key that turns identifiers into limiter buckets and account tags.
#[derive(Clone)]
pub(crate) struct BucketKey(SubKey);

impl BucketKey {
    pub(crate) fn new(root: &RootSecret) -> Self {
        Self(root.derive("auth-core/limiter-bucket/v1"))
    }

    /// A keyed hash of identifiers, for limiter buckets and for naming an account in events.
    pub(crate) fn bucket(&self, label: &str, parts: &[&[u8]]) -> [u8; 16] {
        let digest = crate::crypto::digest::Digest::of(label, parts);
        let mac = self.0.mac("bucket/v1", &[digest.as_bytes()]);
        let mut bucket = [0; 16];
        bucket.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        bucket
    }
}

impl fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;

    #[test]
    fn weak_secrets_are_refused_by_kind() {
        assert_eq!(check_secret(b"short"), Err(WeakSecret::TooShort));
        assert_eq!(check_secret(&[b'k'; 64]), Err(WeakSecret::Repetitive));
        assert_eq!(check_secret(b"0123456789abcdef0123456789abcdef"), Err(WeakSecret::Repetitive));
        assert_eq!(check_secret(b"please-Change_Me-before-going-live-1"), Err(WeakSecret::Placeholder));
        assert_eq!(check_secret(b"your-256-bit-secret-your-jwt-secret"), Err(WeakSecret::Placeholder));
        assert_eq!(check_secret(b"t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE"), Ok(()));
        // Seven different bytes and eight, neither of them in a row that repeats.
        assert_eq!(check_secret(b"qJvYfmZqqJJvvYYffmmZZqJqvJfYmvZq"), Err(WeakSecret::Repetitive));
        assert_eq!(check_secret(b"qJvYfmZrqJJvvYYffmmZZqJqvJfYmvZq"), Ok(()));
    }

    #[test]
    fn secrets_that_the_documentation_had_are_refused() {
        for published in [
            "q8Jv0Yf2mZr7LwXs4TbNcPd1HgKe9UaR",
            "u7Kq2mX9vB4nR8tY1wZ6pL3sD5fG0hJc",
            "output of `openssl rand -base64 48`",
            " u7Kq2mX9vB4nR8tY1wZ6pL3sD5fG0hJc\n",
        ] {
            assert_eq!(check_secret(published.as_bytes()), Err(WeakSecret::Placeholder), "{published}");
        }
    }

    #[test]
    fn a_bucket_depends_on_its_label_its_parts_and_the_secret() {
        let keys = BucketKey::new(&RootSecret::generate(&SystemRandom).unwrap());
        let bucket = keys.bucket("log_in", &[b"ada"]);
        assert_eq!(bucket, keys.bucket("log_in", &[b"ada"]));
        assert_ne!(bucket, keys.bucket("log_in", &[b"bob"]));
        assert_ne!(bucket, keys.bucket("forgot", &[b"ada"]));
        let other = BucketKey::new(&RootSecret::generate(&SystemRandom).unwrap());
        assert_ne!(bucket, other.bucket("log_in", &[b"ada"]));
    }

    #[test]
    fn each_label_derives_its_own_key() {
        let root = RootSecret::generate(&SystemRandom).unwrap();
        assert_ne!(root.derive("one").0, root.derive("other").0);
        assert_eq!(root.derive("one").0, root.derive("one").0);
    }
}
