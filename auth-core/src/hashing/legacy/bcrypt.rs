//! What other systems give to bcrypt in the place of the password.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha384};
use zeroize::Zeroizing;

use crate::hashing::bcrypt::Input;
use crate::hashing::comparison::Comparison;

/// Django's `bcrypt_sha256`: the digest in hexadecimal digits, which bcrypt reads whole.
pub(in crate::hashing) fn django_sha256(password: &[u8]) -> Input {
    let mut digits = Zeroizing::new(Vec::with_capacity(64));
    for byte in Sha256::digest(password) {
        digits.extend(
            [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }),
        );
    }
    (digits, Comparison::Same)
}

/// WordPress 6.8 and later: the base64 of a keyed digest, without the white space around the password.
///
/// WordPress takes the white space away whenever it sets or checks a password, so the password is the one without. The
/// password of white space alone is none.
pub(in crate::hashing) fn wordpress(password: &[u8]) -> Input {
    // What PHP's `trim` takes away.
    let is_white = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0 | 0x0b);
    let start = password.iter().position(|byte| !is_white(byte)).unwrap_or(password.len());
    let end = password.iter().rposition(|byte| !is_white(byte)).map_or(start, |last| last + 1);
    let trimmed = password.get(start..end).unwrap_or_default();
    let reading = match trimmed.len() {
        0 => Comparison::Different,
        length if length == password.len() => Comparison::Same,
        _ => Comparison::Alike,
    };
    // HMAC takes a key of any length.
    let digest = Hmac::<Sha384>::new_from_slice(b"wp-sha384")
        .map(|mac| mac.chain_update(trimmed).finalize().into_bytes())
        .unwrap_or_default();
    (Zeroizing::new(STANDARD.encode(digest).into_bytes()), reading)
}
