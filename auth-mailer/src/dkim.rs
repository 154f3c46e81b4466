//! DKIM signatures (RFC 6376, RFC 8463), relaxed/relaxed, by AWS-LC. The feature of lettre would add the
//! crate `rsa`, which has no fixed release for RUSTSEC-2023-0071.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The headers to sign, if present. Each is named once more than it occurs, so that none can be added
/// later (RFC 6376 section 8.15).
const SIGNED: [&str; 9] = [
    "from",
    "to",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "auto-submitted",
];

/// Shortest RSA key that is safe and accepted everywhere, in bytes (RFC 8301).
const MIN_RSA_BYTES: usize = 256;

/// A key that signs the mails of one domain.
pub struct DkimKey {
    selector: String,
    domain: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// The reason why a key is not usable, or why a mail could not be signed.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DkimError {
    /// The selector or the domain is not a DNS name.
    #[error("the DKIM selector and domain must be plain names such as `s1` and `example.com`")]
    Name,
    /// Neither an Ed25519 nor an RSA private key.
    #[error("the DKIM key must be an Ed25519 or RSA private key in PKCS#8 PEM form")]
    Key,
    /// An RSA key below 2048 bits.
    #[error("an RSA key for DKIM must have at least 2048 bits")]
    TooShort,
    /// The cryptographic library failed.
    #[error("the mail could not be signed")]
    Signing,
}

auth_core::__debug_as_chain! { DkimError }

impl DkimKey {
    /// Reads a private key in PKCS#8 PEM form (`openssl genpkey`). Its public key is published at
    /// `SELECTOR._domainkey.DOMAIN`. Every receiver verifies RSA; some do not verify Ed25519 yet.
    ///
    /// # Errors
    ///
    /// - [`DkimError`], as each variant says.
    pub fn new(selector: &str, domain: &str, pem: &str) -> Result<Self, DkimError> {
        let plain = |name: &str| {
            let label = |label: &str| {
                !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            };
            name.len() <= 253 && name.split('.').all(label)
        };
        if !plain(selector) || !plain(domain) {
            return Err(DkimError::Name);
        }
        let body: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body).map_err(|_| DkimError::Key)?;
        let key = match Ed25519KeyPair::from_pkcs8(&der) {
            Ok(key) => Key::Ed25519(key),
            Err(_) => Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(&der).map_err(|_| DkimError::Key)?)),
        };
        match &key {
            Key::Rsa(key) if key.public_modulus_len() < MIN_RSA_BYTES => return Err(DkimError::TooShort),
            _ => {}
        }
        Ok(Self { selector: selector.to_owned(), domain: domain.to_owned(), key })
    }

    /// Returns the DNS record to publish at `SELECTOR._domainkey.DOMAIN`.
    ///
    /// # Errors
    ///
    /// - [`DkimError::Signing`] if the library does not return the public key.
    pub fn record(&self) -> Result<String, DkimError> {
        use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
        let (kind, public) = match &self.key {
            Key::Ed25519(key) => ("ed25519", STANDARD.encode(key.public_key().as_ref())),
            Key::Rsa(key) => {
                let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| DkimError::Signing)?;
                ("rsa", STANDARD.encode(der.as_ref()))
            }
        };
        Ok(format!("v=DKIM1; k={kind}; p={public}"))
    }

    /// Puts a signature before the headers of a mail.
    pub(crate) fn sign(&self, mail: &[u8]) -> Result<Vec<u8>, DkimError> {
        let text = String::from_utf8_lossy(mail);
        let (headers, body) = text.split_once("\r\n\r\n").ok_or(DkimError::Signing)?;
        let headers = unfold(headers);
        let mut names = Vec::new();
        let mut signed = String::new();
        for name in SIGNED {
            // From the last to the first, as a verifier reads them (section 5.4.2).
            for (_, value) in headers.iter().rev().filter(|(header, _)| header == name) {
                signed.extend([name, ":", value.as_str(), "\r\n"]);
                names.push(name);
            }
            names.push(name);
        }
        let algorithm = match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let body_hash = STANDARD.encode(digest(&SHA256, relaxed_body(body).as_bytes()));
        let header = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={};\r\n s={}; bh={body_hash};\r\n h={};\r\n b=",
            self.domain,
            self.selector,
            names.join(":\r\n  "),
        );
        signed.extend(["dkim-signature:", &relaxed_value(&header)]);
        let signature = STANDARD.encode(self.signature(signed.as_bytes())?);
        let lines: Vec<Cow<'_, str>> = signature.as_bytes().chunks(72).map(String::from_utf8_lossy).collect();
        let mut signed_mail = format!("DKIM-Signature: {header}{}\r\n", lines.join("\r\n  ")).into_bytes();
        signed_mail.extend_from_slice(mail);
        Ok(signed_mail)
    }

    fn signature(&self, text: &[u8]) -> Result<Vec<u8>, DkimError> {
        match &self.key {
            // RFC 8463 section 3: the hash is signed, not the text.
            Key::Ed25519(key) => Ok(key.sign(digest(&SHA256, text).as_ref()).as_ref().to_vec()),
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
                    .map_err(|_| DkimError::Signing)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DkimKey")
            .field("selector", &self.selector)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// Splits headers into lower-case names and relaxed values (section 3.4.2).
fn unfold(headers: &str) -> Vec<(String, String)> {
    let mut whole: Vec<String> = Vec::new();
    for line in headers.split("\r\n") {
        match whole.last_mut() {
            Some(header) if line.starts_with([' ', '\t']) => header.push_str(line),
            _ => whole.push(line.to_owned()),
        }
    }
    let halves = whole.iter().filter_map(|header| header.split_once(':'));
    halves.map(|(name, value)| (name.trim().to_ascii_lowercase(), relaxed_value(value))).collect()
}

fn relaxed_value(value: &str) -> String {
    let words = value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Relaxes a body (section 3.4.4): white space within a line becomes one space, white space at the end
/// of a line and empty lines at the end are removed.
fn relaxed_body(body: &str) -> String {
    let mut relaxed = String::with_capacity(body.len());
    for line in body.split("\r\n") {
        let mut gap = false;
        for c in line.trim_end_matches([' ', '\t']).chars() {
            if matches!(c, ' ' | '\t') {
                gap = true;
            } else {
                if std::mem::take(&mut gap) {
                    relaxed.push(' ');
                }
                relaxed.push(c);
            }
        }
        relaxed.push_str("\r\n");
    }
    relaxed.truncate(relaxed.trim_end_matches("\r\n").len());
    if !relaxed.is_empty() {
        relaxed.push_str("\r\n");
    }
    relaxed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example is from RFC 6376 section 3.4.5.
    #[test]
    fn canonical_forms_are_those_of_the_rfc() {
        let headers = unfold("A: X\r\nB : Y\t\r\n\tZ  ");
        assert_eq!(headers, [("a".into(), "X".into()), ("b".into(), "Y Z".into())]);
        assert_eq!(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
        assert_eq!(relaxed_body("\r\n\r\n"), "");
        assert_eq!(relaxed_body(""), "");
    }

    #[test]
    fn names_and_keys_are_checked() {
        for (selector, domain) in [("", "example.com"), ("s1", ""), ("s;1", "example.com"), ("s1", "a..b")] {
            assert_eq!(DkimKey::new(selector, domain, "").unwrap_err(), DkimError::Name);
        }
        assert_eq!(DkimKey::new("s1", "example.com", "no key").unwrap_err(), DkimError::Key);
    }
}
