//! PBKDF2 (RFC 8018) of Django, Keycloak, passlib, Werkzeug and ASP.NET Core Identity.

use std::hint::black_box;

use ::pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::encoding::{base64, fields, hash, hexadecimal, number, salt};
use super::{Formula, LegacyAlgorithm, LegacyCost, LegacyHash};

/// The keyed hash function.
#[derive(Debug, Clone, Copy)]
pub(super) enum Prf {
    Sha1,
    Sha256,
    Sha512,
}

impl Prf {
    const fn algorithm(self) -> LegacyAlgorithm {
        match self {
            Self::Sha1 => LegacyAlgorithm::Pbkdf2Sha1,
            Self::Sha256 => LegacyAlgorithm::Pbkdf2Sha256,
            Self::Sha512 => LegacyAlgorithm::Pbkdf2Sha512,
        }
    }

    const fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn compute(self, password: &[u8], salt: &[u8], iterations: u32, output: &mut [u8]) {
        match self {
            Self::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, iterations, output),
            Self::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, iterations, output),
            Self::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, iterations, output),
        }
    }
}

/// Everything but the password.
pub(super) struct Pbkdf2 {
    prf: Prf,
    salt: Vec<u8>,
    iterations: u32,
}

impl Pbkdf2 {
    /// A hash longer than one output of the keyed hash function is compared up to there: each further output costs as
    /// much again and proves nothing more.
    fn hash(prf: Prf, iterations: u32, salt: Vec<u8>, mut hash: Vec<u8>) -> Result<LegacyHash, &'static str> {
        if iterations == 0 {
            return Err("it has no iterations");
        }
        hash.truncate(prf.output_bytes());
        let cost = LegacyCost::new(iterations);
        let formula = Formula::Pbkdf2(Self { prf, salt, iterations });
        Ok(LegacyHash { algorithm: prf.algorithm(), cost, formula, hash })
    }

    pub(super) fn compute(&self, password: &[u8], output: &mut [u8]) {
        self.prf.compute(password, &self.salt, self.iterations, output);
    }
}

/// Computes iterations for nothing.
pub(super) fn burn(prf: Prf, iterations: u32, password: &[u8]) {
    if iterations > 0 {
        let mut output = [0; 20];
        prf.compute(password, b"nobody's", iterations, &mut output);
        black_box(output);
    }
}

/// Reads `pbkdf2_sha256$ITERATIONS$SALT$HASH` or `pbkdf2_sha1$...`.
pub(in crate::hashing) fn read_django(text: &str) -> Result<LegacyHash, &'static str> {
    let [name, iterations, salt_text, hash_text] =
        fields(text, '$').ok_or("it has not the form NAME$ITERATIONS$SALT$HASH")?;
    let prf = match name {
        "pbkdf2_sha1" => Prf::Sha1,
        "pbkdf2_sha256" => Prf::Sha256,
        _ => return Err("its hash function is none of Django"),
    };
    let iterations = number(iterations).ok_or("its iterations are no number")?;
    Pbkdf2::hash(prf, iterations, salt(Some(salt_text.into()))?, hash(base64(hash_text))?)
}

/// Reads `$pbkdf2-sha256$i=ITERATIONS$SALT$HASH`, and passlib's form without `i=`.
///
/// Keycloak keeps the parts of this form in JSON: `algorithm`, `hashIterations`, `salt` and `value`.
pub(in crate::hashing) fn read_phc(text: &str) -> Result<LegacyHash, &'static str> {
    let [_, name, params, salt_text, hash_text] =
        fields(text, '$').ok_or("it has not the form $NAME$i=ITERATIONS$SALT$HASH")?;
    let prf = match name {
        "pbkdf2" | "pbkdf2-sha1" => Prf::Sha1,
        "pbkdf2-sha256" => Prf::Sha256,
        "pbkdf2-sha512" => Prf::Sha512,
        _ => return Err("its hash function is not SHA-1, SHA-256 or SHA-512"),
    };
    // `l` is the length of the hash, which is there to be counted.
    let iterations = params.strip_prefix("i=").unwrap_or(params);
    let (iterations, length) = iterations.split_once(",l=").unwrap_or((iterations, "0"));
    let iterations = number(iterations).ok_or("its iterations are no number")?;
    let hash = hash(base64(hash_text))?;
    if ![0, hash.len()].contains(&number(length).ok_or("its length is no number")?) {
        return Err("its hash has another length than it says");
    }
    Pbkdf2::hash(prf, iterations, salt(base64(salt_text))?, hash)
}

/// Reads Werkzeug's `pbkdf2:sha256:ITERATIONS$SALT$HASH`, in which the hash is hexadecimal.
pub(in crate::hashing) fn read_werkzeug(text: &str) -> Result<LegacyHash, &'static str> {
    const FORM: &str = "it has not the form pbkdf2:FUNCTION:ITERATIONS$SALT$HASH";
    let [method, salt_text, hash_text] = fields(text, '$').ok_or(FORM)?;
    let [_, function, iterations] = fields(method, ':').ok_or(FORM)?;
    let prf = match function {
        "sha1" => Prf::Sha1,
        "sha256" => Prf::Sha256,
        "sha512" => Prf::Sha512,
        _ => return Err("its hash function is not SHA-1, SHA-256 or SHA-512"),
    };
    let iterations = number(iterations).ok_or("its iterations are no number")?;
    Pbkdf2::hash(prf, iterations, salt(Some(salt_text.into()))?, hash(hexadecimal(hash_text))?)
}

/// Reads the base64 of ASP.NET Core Identity: version 2 (a zero byte, 16 bytes of salt, 32 of the hash; SHA-1, 1,000
/// iterations), or version 3 (a one, then the function, the iterations and the length of the salt as four bytes each with
/// the highest first, the salt and the hash).
pub(in crate::hashing) fn read_asp_net(text: &str) -> Result<LegacyHash, &'static str> {
    const SHORT: &str = "it is cut off";
    let bytes = base64(text).ok_or("it is not base64")?;
    let (version, rest) = bytes.split_first().ok_or(SHORT)?;
    let (prf, iterations, rest, salt_bytes) = match version {
        0 if rest.len() == 48 => (Prf::Sha1, 1_000, rest, 16),
        0 => return Err("version 2 has 49 bytes"),
        1 => {
            let (function, rest) = rest.split_first_chunk().ok_or(SHORT)?;
            let (iterations, rest) = rest.split_first_chunk().ok_or(SHORT)?;
            let (salt_bytes, rest) = rest.split_first_chunk().ok_or(SHORT)?;
            let prf = match u32::from_be_bytes(*function) {
                0 => Prf::Sha1,
                1 => Prf::Sha256,
                2 => Prf::Sha512,
                _ => return Err("its hash function is not SHA-1, SHA-256 or SHA-512"),
            };
            let salt_bytes = usize::try_from(u32::from_be_bytes(*salt_bytes)).unwrap_or(usize::MAX);
            (prf, u32::from_be_bytes(*iterations), rest, salt_bytes)
        }
        _ => return Err("its version is not 2 or 3"),
    };
    let (salt_bytes, hash_bytes) = rest.split_at_checked(salt_bytes).ok_or(SHORT)?;
    Pbkdf2::hash(prf, iterations, salt(Some(salt_bytes.into()))?, hash(Some(hash_bytes.into()))?)
}
