//! Making and checking signatures.
//!
//! Public-key signatures call the `aws-lc` backend of `jsonwebtoken` directly. The `encode` and `decode` of
//! that crate use a global provider, which another crate can replace, and which panics if another crate in
//! the build turned on a second backend. HS256 uses `hmac` with a prepared key: the backend prepares its key
//! at every call, a third of the cost of checking a token.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What a key makes signatures with.
#[derive(Clone)]
pub(super) enum Signer {
    Hmac(Hmac<Sha256>),
    Private(Algorithm, EncodingKey),
}

impl Signer {
    pub(super) fn hmac(secret: &[u8]) -> Self {
        Self::Hmac(hmac_key(secret))
    }

    /// `None` when the key fails, which no key that was accepted does.
    pub(super) fn sign(&self, message: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hmac(key) => Some(key.clone().chain_update(message).finalize().into_bytes().to_vec()),
            Self::Private(algorithm, key) => {
                let signer = (DEFAULT_PROVIDER.signer_factory)(algorithm, key).ok()?;
                signer.try_sign(message.as_bytes()).ok()
            }
        }
    }
}

/// What a key checks signatures with.
#[derive(Clone)]
pub(super) enum Verifier {
    Hmac(Hmac<Sha256>),
    Public(Algorithm, DecodingKey),
}

impl Verifier {
    pub(super) fn hmac(secret: &[u8]) -> Self {
        Self::Hmac(hmac_key(secret))
    }

    /// Whether the signature is one of the message. HMACs are compared in constant time.
    pub(super) fn verifies(&self, message: &str, signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => key.clone().chain_update(message).verify_slice(signature).is_ok(),
            Self::Public(algorithm, key) => (DEFAULT_PROVIDER.verifier_factory)(algorithm, key)
                .is_ok_and(|verifier| verifier.verify(message.as_bytes(), &signature.to_vec()).is_ok()),
        }
    }
}

/// A longer secret than a block counts by its hash (RFC 2104 section 2), which makes every length fit.
fn hmac_key(secret: &[u8]) -> Hmac<Sha256> {
    let hash: [u8; 32] = Sha256::digest(secret).into();
    let mut block = Zeroizing::new([0; 64]);
    let key = if secret.len() > block.len() { &hash } else { secret };
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::new((&*block).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 1 and 6: a key shorter and one longer than a block.
    #[test]
    fn the_kept_key_is_that_of_rfc_4231() {
        let cases: [(&[u8], &str, &str); 2] = [
            (&[0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                &[0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (secret, message, expected) in cases {
            let tag = hmac_key(secret).chain_update(message).finalize().into_bytes();
            let hex = tag.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            assert_eq!(hex, expected);
        }
    }
}
