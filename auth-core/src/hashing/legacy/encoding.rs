//! The parts of a legacy hash: numbers, salts, base64 in the spellings of other systems.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Shortest hash, in bytes: 128 bits, as of MD5. A shorter one would match other passwords by chance.
const MIN_HASH_BYTES: usize = 16;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes base64 with or without padding, of the ordinary alphabet, the one for URLs, or passlib's, which has a dot for
/// the plus.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    let ordinary: String = text
        .chars()
        .map(|c| match c {
            '-' | '.' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    LENIENT.decode(ordinary).ok()
}

/// Decodes hexadecimal digits of either case.
pub(super) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes().chunks(2);
    bytes
        .map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None })
        .collect()
}

/// Parses a number of decimal digits alone.
pub(super) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Returns the fields of a text if it has this number of them.
pub(super) fn fields<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    text.split(separator).collect::<Vec<_>>().try_into().ok()
}

/// Checks a decoded hash.
pub(super) fn hash(decoded: Option<Vec<u8>>) -> Result<Vec<u8>, &'static str> {
    let hash = decoded.ok_or("its hash is not encoded as it should be")?;
    if hash.len() < MIN_HASH_BYTES {
        return Err("its hash has fewer than 16 bytes");
    }
    Ok(hash)
}

/// Checks a decoded salt.
pub(super) fn salt(decoded: Option<Vec<u8>>) -> Result<Vec<u8>, &'static str> {
    let salt = decoded.ok_or("its salt is not encoded as it should be")?;
    if salt.is_empty() {
        return Err("it has no salt");
    }
    Ok(salt)
}
