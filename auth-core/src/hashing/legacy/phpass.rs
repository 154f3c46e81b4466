//! The portable hashes of phpass: WordPress before 6.8 (`$P$`), phpBB 3 (`$H$`).

use std::hint::black_box;

use md5::{Digest as _, Md5};

use super::{Formula, LegacyAlgorithm, LegacyCost, LegacyHash};

/// The digits of its base 64, in the order of their values.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Everything but the password.
pub(super) struct Phpass {
    log2_rounds: u32,
    salt: [u8; 8],
}

impl Phpass {
    pub(super) fn compute(&self, password: &[u8]) -> [u8; 16] {
        rounds(self.log2_rounds, &self.salt, password)
    }
}

fn rounds(log2: u32, salt: &[u8], password: &[u8]) -> [u8; 16] {
    let digest = |first: &[u8]| Md5::new().chain_update(first).chain_update(password).finalize();
    let first = digest(salt);
    (0..1_u32 << log2).fold(first, |hash, _| digest(&hash)).into()
}

/// Computes rounds for nothing.
pub(super) fn burn(log2_rounds: u32, password: &[u8]) {
    black_box(rounds(log2_rounds, b"nobody's", password));
}

/// Reads `$P$`, a digit of the rounds, eight characters of salt, and 22 digits of the hash.
pub(in crate::hashing) fn read(text: &str) -> Result<LegacyHash, &'static str> {
    const FORM: &str = "it has not 34 characters: $P$, the rounds, 8 of salt, 22 of the hash";
    let rest = text.as_bytes().get(3..).filter(|rest| rest.len() == 31).ok_or(FORM)?;
    let (log2, rest) = rest.split_first().ok_or(FORM)?;
    let (salt, rest) = rest.split_first_chunk().ok_or(FORM)?;
    let log2_rounds =
        value(*log2).filter(|log2| (7..=30).contains(log2)).ok_or("its rounds are not 2^7 to 2^30")?;
    let hash = decode(rest).ok_or("its hash is not encoded as it should be")?;
    let formula = Formula::Phpass(Phpass { log2_rounds, salt: *salt });
    Ok(LegacyHash {
        algorithm: LegacyAlgorithm::Phpass,
        cost: LegacyCost::new(log2_rounds),
        formula,
        hash: hash.into(),
    })
}

fn value(digit: u8) -> Option<u32> {
    DIGITS.iter().position(|of| *of == digit).and_then(|value| u32::try_from(value).ok())
}

/// Decodes groups of four digits, the lowest first, into three bytes each; the last group is of two digits and one byte.
fn decode(digits: &[u8]) -> Option<[u8; 16]> {
    let mut hash = [0; 16];
    for (group, bytes) in digits.chunks(4).zip(hash.chunks_mut(3)) {
        let of_group = group.iter().rev().try_fold(0, |sum, digit| Some(sum << 6 | value(*digit)?))?;
        let [low, middle, high, _] = of_group.to_le_bytes();
        bytes.iter_mut().zip([low, middle, high]).for_each(|(byte, of)| *byte = of);
        if bytes.len() == 1 && of_group > 0xff {
            return None;
        }
    }
    Some(hash)
}
