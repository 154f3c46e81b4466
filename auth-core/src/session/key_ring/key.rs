//! One key: made from a secret or a PEM text, bound to one algorithm for life.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    ParsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::signature::{Signer, Verifier};
use crate::crypto::digest::Digest;
use crate::crypto::keys::{WeakSecret, check_secret};
use crate::crypto::random::{RandomError, RandomSource};
use crate::crypto::secret::Secret;

/// Longest name of a key.
const MAX_KID_CHARS: usize = 128;

/// Room for the longest signature, 64 bytes, and for the two more that the decoder wants to have.
const SIGNATURE_ROOM: usize = 66;

/// Why a key was refused. The key itself is never part of the message.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The shared secret can be guessed.
    #[error("the secret {0}")]
    Weak(#[from] WeakSecret),
    /// A signing key is one PEM block labelled `PRIVATE KEY`: PKCS#8, not encrypted. Convert others
    /// with `openssl pkcs8 -topk8 -nocrypt`.
    #[error("expected exactly one PEM block `PRIVATE KEY` (PKCS#8, not encrypted)")]
    NotPrivatePem,
    /// A verifying key is one PEM block labelled `PUBLIC KEY`. Get it from the private key with
    /// `openssl pkey -pubout`.
    #[error("expected exactly one PEM block `PUBLIC KEY`")]
    NotPublicPem,
    /// The PEM block is damaged, or holds another kind of key, such as RSA or P-384.
    #[error("not a readable Ed25519 or P-256 key")]
    Unsupported,
    /// The name cannot be used in a token.
    #[error("a kid has 1 to 128 visible ASCII characters without quotes and backslashes")]
    BadKid,
}

crate::__debug_as_chain! { KeyError }

/// What a key signs with. Fixed when the key is made; a token has no say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Hs256,
    EdDsa,
    Es256,
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

/// A key that signs access tokens, and verifies what it signed.
#[derive(Clone)]
pub struct SigningKey {
    private: Signer,
    key: VerifyingKey,
}

impl SigningKey {
    /// HS256 with a shared secret of at least 32 bytes, taken as they are (nothing is decoded), for
    /// instance the output of `openssl rand -base64 48`.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Weak`] when it is short, repetitive or a placeholder.
    ///
    /// # Security
    ///
    /// A service that can verify with a shared secret can also sign. Give other services a public key
    /// instead: [`from_pem`](Self::from_pem).
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        check_secret(secret.as_ref())?;
        Ok(Self::from_secret(secret.as_ref()))
    }

    /// `EdDSA` (Ed25519) or ES256 (P-256), by the kind of the private key in the PEM text. Make one with
    /// `openssl genpkey -algorithm ed25519`.
    ///
    /// # Errors
    ///
    /// - [`KeyError::NotPrivatePem`] when the text is not one PKCS#8 block.
    /// - [`KeyError::Unsupported`] for any other kind of key.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let pem = pem.as_ref();
        require_single_block(pem, "PRIVATE KEY").ok_or(KeyError::NotPrivatePem)?;
        if let Ok(private) = EncodingKey::from_ed_pem(pem) {
            let pair = Ed25519KeyPair::from_pkcs8(private.as_bytes()).map_err(|_| KeyError::Unsupported)?;
            let key = VerifyingKey::public(Scheme::EdDsa, pair.public_key().as_ref())?;
            return Ok(Self { private: Signer::Private(Algorithm::EdDSA, private), key });
        }
        let private = EncodingKey::from_ec_pem(pem).map_err(|_| KeyError::Unsupported)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_bytes())
            .map_err(|_| KeyError::Unsupported)?;
        let key = VerifyingKey::public(Scheme::Es256, pair.public_key().as_ref())?;
        Ok(Self { private: Signer::Private(Algorithm::ES256, private), key })
    }

    pub(crate) fn generate_hs256(random: &dyn RandomSource) -> Result<Self, RandomError> {
        Secret::generate(random).map(|secret| Self::from_secret(secret.expose()))
    }

    fn from_secret(secret: &[u8]) -> Self {
        Self { private: Signer::hmac(secret), key: VerifyingKey::secret(secret) }
    }

    /// Names the key otherwise than by default, which is: for a public key its JWK thumbprint
    /// (RFC 7638), for a shared secret 16 characters of a digest of it. Either stays the same as long as
    /// the key does.
    ///
    /// # Errors
    ///
    /// - [`KeyError::BadKid`] unless it is 1 to 128 visible ASCII characters without `"` and `\`.
    pub fn with_kid(mut self, kid: impl Into<String>) -> Result<Self, KeyError> {
        self.key = self.key.with_kid(kid)?;
        Ok(self)
    }

    /// The half of the key that verifies, for the ring of another service or for the time after this
    /// key has been replaced as signer.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.key.clone()
    }

    /// The name of the key.
    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    pub(crate) const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Signs `header.payload` and answers the whole token; `None` when the key fails, which no key
    /// that was accepted does.
    pub(crate) fn sign(&self, payload: &[u8]) -> Option<String> {
        let header = &self.key.header;
        // Room for all of it: growing would copy it, and leave the copies behind.
        let mut text =
            String::with_capacity(header.len() + 2 + (payload.len() + SIGNATURE_ROOM).div_ceil(3) * 4);
        text.push_str(header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut text);
        let signature = self.private.sign(&text)?;
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Some(text)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A key that verifies access tokens.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: String,
    scheme: Scheme,
    /// The first segment of every token that this key signs.
    header: String,
    key: Verifier,
    /// For finding the same key again without keeping it in a second place.
    material: Digest,
    retires_at: Option<DateTime<Utc>>,
}

impl VerifyingKey {
    /// HS256 with a shared secret of at least 32 bytes.
    ///
    /// # Errors
    ///
    /// - [`KeyError::Weak`] when it is short, repetitive or a placeholder.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        check_secret(secret.as_ref())?;
        Ok(Self::secret(secret.as_ref()))
    }

    /// `EdDSA` (Ed25519) or ES256 (P-256), by the kind of the public key in the PEM text.
    ///
    /// # Errors
    ///
    /// - [`KeyError::NotPublicPem`] when the text is not one block with a public key.
    /// - [`KeyError::Unsupported`] for any other kind of key, and for a compressed point.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let pem = pem.as_ref();
        require_single_block(pem, "PUBLIC KEY").ok_or(KeyError::NotPublicPem)?;
        let (scheme, key) = match DecodingKey::from_ed_pem(pem) {
            Ok(key) => (Scheme::EdDsa, key),
            Err(_) => (Scheme::Es256, DecodingKey::from_ec_pem(pem).map_err(|_| KeyError::Unsupported)?),
        };
        Self::public(scheme, key.try_get_as_bytes().map_err(|_| KeyError::Unsupported)?)
    }

    /// Names the key otherwise than by default; see [`SigningKey::with_kid`].
    ///
    /// # Errors
    ///
    /// - [`KeyError::BadKid`] unless it is 1 to 128 visible ASCII characters without `"` and `\`.
    pub fn with_kid(mut self, kid: impl Into<String>) -> Result<Self, KeyError> {
        let kid = kid.into();
        let fits = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        if kid.is_empty() || kid.len() > MAX_KID_CHARS || !kid.chars().all(fits) {
            return Err(KeyError::BadKid);
        }
        self.header = header(self.scheme, &kid);
        self.kid = kid;
        Ok(self)
    }

    /// Retires the key: from that instant on its tokens are refused, whatever they say themselves.
    #[must_use]
    pub fn until(mut self, retires_at: DateTime<Utc>) -> Self {
        self.retires_at = Some(retires_at);
        self
    }

    /// The name of the key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    fn secret(secret: &[u8]) -> Self {
        let material = secret_material(secret);
        let mut kid = URL_SAFE_NO_PAD.encode(Digest::of("kid/v1", &[material.as_bytes()]).as_bytes());
        kid.truncate(16);
        Self::new(Scheme::Hs256, kid, Verifier::hmac(secret), material)
    }

    fn public(scheme: Scheme, bytes: &[u8]) -> Result<Self, KeyError> {
        let key = match (scheme, bytes) {
            (Scheme::EdDsa, bytes) if bytes.len() == 32 => {
                Verifier::Public(Algorithm::EdDSA, DecodingKey::from_ed_der(bytes))
            }
            // A point on another curve can have the length of one on P-256: let it be parsed.
            (Scheme::Es256, [4, point @ ..])
                if point.len() == 64 && ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).is_ok() =>
            {
                Verifier::Public(Algorithm::ES256, DecodingKey::from_ec_der(bytes))
            }
            _ => return Err(KeyError::Unsupported),
        };
        let material = Digest::of("public-key/v1", &[scheme.name().as_bytes(), bytes]);
        let mut new = Self::new(scheme, String::new(), key, material);
        // RFC 7638: the required members only, in lexicographic order. `Value` keeps them so, be it that
        // it sorts or that it keeps the order in which they were written.
        let thumbprint = Sha256::digest(new.jwk_members().ok_or(KeyError::Unsupported)?.to_string());
        new = new.with_kid(URL_SAFE_NO_PAD.encode(thumbprint))?;
        Ok(new)
    }

    fn new(scheme: Scheme, kid: String, key: Verifier, material: Digest) -> Self {
        Self { header: header(scheme, &kid), kid, scheme, key, material, retires_at: None }
    }

    /// The members that define a public key; `None` for a secret.
    fn jwk_members(&self) -> Option<Value> {
        let Verifier::Public(_, key) = &self.key else { return None };
        let bytes = key.try_get_as_bytes().ok()?;
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self.scheme {
            Scheme::Hs256 => None,
            Scheme::EdDsa => Some(json!({ "crv": "Ed25519", "kty": "OKP", "x": text(bytes) })),
            Scheme::Es256 => {
                let (x, y) = bytes.get(1..)?.split_at_checked(32)?;
                Some(json!({ "crv": "P-256", "kty": "EC", "x": text(x), "y": text(y) }))
            }
        }
    }

    /// The key as a JSON Web Key (RFC 7517), for other services to read; `None` for a shared secret.
    pub fn jwk(&self) -> Option<Value> {
        let mut jwk = self.jwk_members()?;
        let members = jwk.as_object_mut()?;
        members.insert("kid".into(), self.kid.as_str().into());
        members.insert("alg".into(), self.scheme.name().into());
        members.insert("use".into(), "sig".into());
        Some(jwk)
    }

    pub(crate) fn retired(&self, now: DateTime<Utc>) -> bool {
        self.retires_at.is_some_and(|retires_at| now >= retires_at)
    }

    pub(crate) fn is_secret(&self) -> bool {
        self.scheme == Scheme::Hs256
    }

    pub(crate) fn same_material(&self, other: &Self) -> bool {
        self.material.matches(&other.material)
    }

    /// The first segment of every token that this key signs.
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// The `alg` of this key.
    pub(crate) const fn algorithm_name(&self) -> &'static str {
        self.scheme.name()
    }

    /// Whether this key signed the message.
    pub(crate) fn verifies(&self, message: &str, signature: &str) -> bool {
        let mut bytes = [0; SIGNATURE_ROOM];
        let Ok(length) = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes) else { return false };
        bytes.get(..length).is_some_and(|signature| self.key.verifies(message, signature))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("scheme", &self.scheme)
            .field("retires_at", &self.retires_at)
            .finish_non_exhaustive()
    }
}

fn secret_material(secret: &[u8]) -> Digest {
    Digest::of("hs256-secret/v1", &[secret])
}

/// The header of every token that a key signs, encoded. Nothing in a kid needs escaping.
fn header(scheme: Scheme, kid: &str) -> String {
    let alg = scheme.name();
    URL_SAFE_NO_PAD.encode(format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{kid}"}}"#))
}

/// The PEM reader of `jsonwebtoken` takes the first block it finds and lets a certificate pass for a
/// public key, so what the text is is settled here.
fn require_single_block(pem: &[u8], label: &str) -> Option<()> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, block) = text.split_once("-----BEGIN ")?;
    let block = block.strip_prefix(label)?.strip_prefix("-----")?;
    (!block.contains("-----BEGIN ")).then_some(())
}
