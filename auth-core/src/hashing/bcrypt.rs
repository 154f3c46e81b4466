//! Verifies bcrypt strings of older systems.

use std::hint::black_box;

use zeroize::Zeroizing;

use super::comparison::Comparison;

/// The bytes of a password that bcrypt reads.
const READ_BYTES: usize = 72;

/// What bcrypt hashes, and what a match of it says of the password.
pub(super) type Input = (Zeroizing<Vec<u8>>, Comparison);

/// A bcrypt string that may be verified.
pub(super) struct StoredBcrypt<'a> {
    text: &'a str,
    pub(super) cost: u32,
    input: fn(&[u8]) -> Input,
}

impl<'a> StoredBcrypt<'a> {
    /// Reads a `$2a$`, `$2b$` or `$2y$` string, of what `input` makes of a password.
    ///
    /// `$2x$` marks hashes of a broken implementation in which different passwords can be equal
    /// (`crypt_blowfish`, CVE-2011-2483); they never match.
    pub(super) fn read(text: &'a str, input: fn(&[u8]) -> Input) -> Result<Self, &'static str> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return Err("it begins with none of $2a$, $2b$ and $2y$");
        }
        let parts = text
            .parse::<::bcrypt::HashParts>()
            .map_err(|_| "it is not the 60 characters that bcrypt writes")?;
        let cost = parts.get_cost();
        if cost < 4 {
            return Err("its cost is below 4");
        }
        Ok(Self { text, cost, input })
    }

    /// Compares in constant time, always with the work of one bcrypt of `cost`.
    pub(super) fn compare(&self, password: &[u8], cost: u32) -> Comparison {
        let (input, reading) = (self.input)(password);
        let matches = ::bcrypt::verify(input, self.text).unwrap_or(false);
        // 2^c + (2^c + 2^(c+1) + ... + 2^(cost-1)) = 2^cost.
        (self.cost..cost).for_each(burn);
        if matches { reading } else { Comparison::Different }
    }
}

/// The password as typed.
///
/// bcrypt reads 72 bytes: a longer password is the same to it as every other that begins with them, and the owner of 72
/// bytes may be the owner of a longer one. It repeats a shorter password with a zero byte after each: `a\0a` is the same
/// to it as `a`, and zero bytes alone are the same as none.
pub(super) fn as_typed(password: &[u8]) -> Input {
    let reading = match Comparison::of_zero_bytes(password) {
        Comparison::Same if password.len() >= READ_BYTES => Comparison::Alike,
        reading => reading,
    };
    (Zeroizing::new(password.to_vec()), reading)
}

/// Computes one bcrypt for nothing.
pub(super) fn burn(cost: u32) {
    // Only a cost below 4 or above 31 can fail, and neither passes the policy.
    let _ = black_box(::bcrypt::hash_with_salt(black_box("nobody"), cost, [0; 16]));
}
