//! Device tokens: they show to which accounts a client has logged in before.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crypto::keys::{RootSecret, SubKey};
use crate::crypto::random::{RandomError, RandomSource};

/// Bytes of a nonce and of an entry: 128 bits, so that nobody guesses an entry.
const BYTES: usize = 16;

/// Most accounts of one token; the account that was used least recently is forgotten. Eight keep the cookie
/// below 200 bytes.
const MAX_ENTRIES: usize = 8;

/// What a client keeps to show that it has logged in before. Nothing of it is stored.
///
/// Its text is base64url(nonce, 16 bytes, then 1 to 8 entries of 16 bytes, the newest first). An entry is a
/// keyed hash of an account and the nonce, so it proves a log-in to that account on this device, and says
/// nothing about other accounts.
///
/// # Security
///
/// It logs nobody in. Who has it can make as many log-in failures as a known device may, and can find out by
/// trying addresses which accounts it is known at.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DeviceToken {
    nonce: [u8; BYTES],
    entries: Vec<[u8; BYTES]>,
}

impl DeviceToken {
    /// Reads the text form; `None` if it is not one. Whether this service made it shows only when it is used.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // One byte more than the longest has: a longer text does not fit.
        let mut bytes = Zeroizing::new([0; BYTES * (1 + MAX_ENTRIES) + 1]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok()?;
        let (blocks, rest) = bytes.get(..length)?.as_chunks::<BYTES>();
        let (nonce, entries) = blocks.split_first()?;
        let fits = rest.is_empty() && (1..=MAX_ENTRIES).contains(&entries.len());
        fits.then(|| Self { nonce: *nonce, entries: entries.to_vec() })
    }

    /// The text form, for the client alone: a cookie that scripts cannot read, or the body of the answer.
    ///
    /// # Security
    ///
    /// Keep it out of logs, errors and URLs.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES * (1 + MAX_ENTRIES)));
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(self.entries.as_flattened());
        Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes))
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceToken([redacted])")
    }
}

/// A device that has logged in to one account before: the nonce of its token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KnownDevice([u8; BYTES]);

impl KnownDevice {
    pub(crate) const fn nonce(&self) -> &[u8] {
        &self.0
    }
}

/// The keys of device tokens, those of the current root secret first.
#[derive(Clone)]
pub(crate) struct DeviceKeys(Vec<SubKey>);

impl DeviceKeys {
    /// Derives the keys; tokens of the previous root secrets are known, too.
    pub(crate) fn new<'a>(root: &'a RootSecret, previous: impl IntoIterator<Item = &'a RootSecret>) -> Self {
        let roots = std::iter::once(root).chain(previous);
        Self(roots.map(|root| root.derive("auth-core/device/v1")).collect())
    }

    /// Returns the device if its token has an entry of this account. Takes the same time for each account.
    pub(crate) fn recognize(&self, token: Option<&DeviceToken>, account: &[u8]) -> Option<KnownDevice> {
        let token = token?;
        let mut known = Choice::from(0);
        for key in &self.0 {
            let wanted = entry(key, account, &token.nonce);
            for entry in &token.entries {
                known |= entry.ct_eq(&wanted);
            }
        }
        bool::from(known).then_some(KnownDevice(token.nonce))
    }

    /// Makes the token of a device that has just logged in to an account: its token so far, with a current
    /// entry of this account in the first place.
    pub(crate) fn renew(
        &self,
        token: Option<&DeviceToken>,
        account: &[u8],
        random: &dyn RandomSource,
    ) -> Result<DeviceToken, RandomError> {
        let mut renewed = DeviceToken { nonce: [0; BYTES], entries: Vec::with_capacity(MAX_ENTRIES) };
        match token {
            Some(token) => renewed.nonce = token.nonce,
            None => random.fill(&mut renewed.nonce)?,
        }
        let of_account: Vec<_> = self.0.iter().map(|key| entry(key, account, &renewed.nonce)).collect();
        let of_others =
            token.iter().flat_map(|token| &token.entries).filter(|entry| !of_account.contains(entry));
        renewed.entries.extend(of_account.iter().take(1).chain(of_others).take(MAX_ENTRIES));
        Ok(renewed)
    }
}

impl fmt::Debug for DeviceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKeys([redacted])")
    }
}

fn entry(key: &SubKey, account: &[u8], nonce: &[u8; BYTES]) -> [u8; BYTES] {
    let mut entry = [0; BYTES];
    // The nonce has one length, so no two pairs give the same bytes.
    entry.iter_mut().zip(key.mac("device/v1", &[nonce, account])).for_each(|(to, from)| *to = from);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::random::SystemRandom;

    fn root() -> RootSecret {
        RootSecret::generate(&SystemRandom).unwrap()
    }

    fn keys() -> DeviceKeys {
        DeviceKeys::new(&root(), [])
    }

    fn knows(keys: &DeviceKeys, token: &DeviceToken, account: &[u8]) -> bool {
        keys.recognize(Some(token), account).is_some()
    }

    #[test]
    fn a_device_is_known_at_the_accounts_it_logged_in_to() {
        let keys = keys();
        let ada = keys.renew(None, b"ada", &SystemRandom).unwrap();
        assert!(knows(&keys, &ada, b"ada") && !knows(&keys, &ada, b"bob"));
        let both = keys.renew(Some(&ada), b"bob", &SystemRandom).unwrap();
        assert!(knows(&keys, &both, b"ada") && knows(&keys, &both, b"bob"));
        assert_eq!(both.nonce, ada.nonce);
        assert!(!knows(&self::keys(), &both, b"ada"), "another service knows it not");
        assert!(keys.recognize(None, b"ada").is_none());
    }

    #[test]
    fn an_entry_is_of_no_use_under_another_nonce() {
        let keys = keys();
        let ada = keys.renew(None, b"ada", &SystemRandom).unwrap();
        let mine = keys.renew(None, b"mine", &SystemRandom).unwrap();
        let mixed = DeviceToken { nonce: mine.nonce, entries: ada.entries.clone() };
        assert!(!knows(&keys, &mixed, b"ada") && !knows(&keys, &mixed, b"mine"));
        assert_ne!(ada.nonce, mine.nonce);
    }

    #[test]
    fn the_newest_eight_accounts_are_remembered_once_each() {
        let keys = keys();
        let mut token = keys.renew(None, &[0], &SystemRandom).unwrap();
        for account in [1, 2, 3, 4, 5, 6, 7, 0, 8] {
            token = keys.renew(Some(&token), &[account], &SystemRandom).unwrap();
        }
        let known: Vec<u8> = (0..10).filter(|account| knows(&keys, &token, &[*account])).collect();
        assert_eq!((known, token.entries.len()), (vec![0, 2, 3, 4, 5, 6, 7, 8], 8));
        assert!(token.expose().len() < 200);
    }

    #[test]
    fn a_previous_root_secret_is_known_and_its_entry_replaced() {
        let (old, new) = (root(), root());
        let before = DeviceKeys::new(&old, []).renew(None, b"ada", &SystemRandom).unwrap();
        let keys = DeviceKeys::new(&new, [&old]);
        assert!(knows(&keys, &before, b"ada"));
        let after = keys.renew(Some(&before), b"ada", &SystemRandom).unwrap();
        assert_eq!(after.entries.len(), 1);
        assert!(knows(&DeviceKeys::new(&new, []), &after, b"ada"));
    }

    #[test]
    fn only_the_canonical_text_is_read() {
        let keys = keys();
        let token = keys.renew(None, b"ada", &SystemRandom).unwrap();
        let text = token.expose();
        let parsed = DeviceToken::parse(&text).unwrap();
        assert!(knows(&keys, &parsed, b"ada"));
        let (nonce_only, longest) = (URL_SAFE_NO_PAD.encode([7; 16]), URL_SAFE_NO_PAD.encode([7; 144]));
        assert!(DeviceToken::parse(&longest).is_some());
        let too_long = URL_SAFE_NO_PAD.encode([7; 160]);
        let (padded, shorter) = (format!("{}==", *text), &text[1..]);
        for wrong in ["", "=", &nonce_only, &too_long, &padded, shorter, &format!(" {}", *text), "\u{e9}"] {
            assert!(DeviceToken::parse(wrong).is_none(), "{wrong}");
        }
        assert_eq!(format!("{token:?}"), "DeviceToken([redacted])");
    }

    /// Computed by another implementation of HKDF and HMAC, so that a change of the format is seen.
    #[test]
    fn a_known_answer() {
        let root = RootSecret::new("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE").unwrap();
        let keys = DeviceKeys::new(&root, []);
        let token = DeviceToken { nonce: *b"0123456789abcdef", entries: Vec::new() };
        let token = keys.renew(Some(&token), b"ada@example.com", &SystemRandom).unwrap();
        assert_eq!(*token.expose(), "MDEyMzQ1Njc4OWFiY2RlZpLjyyirZe0PL2lFEz5KyLw");
    }
}
