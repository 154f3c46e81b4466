//! The signer key of Firebase's modified scrypt.

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::encoding::base64;
use super::scrypt::Scrypt;
use crate::hashing::Failed;

/// Shortest signer key, in bytes. Firebase's have 64.
const MIN_KEY_BYTES: usize = 32;

/// Why a signer key was refused. The key is never part of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignerKeyError {
    /// It is not base64.
    #[error("is not base64")]
    NotBase64,
    /// It has fewer than 32 bytes; Firebase's have 64.
    #[error("has fewer than 32 bytes")]
    TooShort,
}

/// The signer key of a Firebase project, with which its password hashes are made.
///
/// It is not in the hashes, so a stolen copy of the users table is useless for guessing. Keep it until the last imported
/// hash was replaced.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct FirebaseSignerKey(Vec<u8>);

impl FirebaseSignerKey {
    /// Takes the `base64_signer_key` of the project's password hash parameters.
    ///
    /// # Errors
    ///
    /// - [`SignerKeyError::NotBase64`] or [`SignerKeyError::TooShort`], as each says.
    pub fn from_base64(text: &str) -> Result<Self, SignerKeyError> {
        let key = Self(base64(text.trim()).ok_or(SignerKeyError::NotBase64)?);
        if key.0.len() < MIN_KEY_BYTES {
            return Err(SignerKeyError::TooShort);
        }
        Ok(key)
    }
}

impl fmt::Debug for FirebaseSignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirebaseSignerKey([redacted])")
    }
}

/// Encrypts the signer key by AES-256-CTR, with a key that scrypt makes of the password. The result is the hash.
pub(super) fn encrypt(
    scrypt: &Scrypt,
    password: &[u8],
    FirebaseSignerKey(signer_key): &FirebaseSignerKey,
) -> Result<Vec<u8>, Failed> {
    let mut key = Zeroizing::new([0; 32]);
    scrypt.compute(password, key.as_mut_slice())?;
    let key =
        UnboundCipherKey::new(&AES_256, key.as_slice()).and_then(EncryptingKey::ctr).map_err(|_| Failed)?;
    let mut output = signer_key.clone();
    let start = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(&mut output, start).map_err(|_| Failed)?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_signer_keys_are_refused_and_none_is_shown() {
        let refused = |text| FirebaseSignerKey::from_base64(text).unwrap_err();
        assert_eq!(refused("not base64!"), SignerKeyError::NotBase64);
        assert_eq!(refused(""), SignerKeyError::TooShort);
        assert_eq!(refused(&"A".repeat(42)), SignerKeyError::TooShort);
        let key = FirebaseSignerKey::from_base64(&"A".repeat(43)).unwrap();
        assert_eq!(format!("{key:?}"), "FirebaseSignerKey([redacted])");
    }
}
