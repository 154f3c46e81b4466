//! scrypt (RFC 7914) in the PHC string format, and of Django, Werkzeug and Firebase.

use std::hint::black_box;

use ::scrypt::Params;
use zeroize::Zeroizing;

use super::encoding::{base64, fields, hash, hexadecimal, number, salt};
use super::{Formula, LegacyAlgorithm, LegacyCost, LegacyHash};
use crate::hashing::Failed;

/// Everything but the password.
pub(super) struct Scrypt {
    params: Params,
    kib: u32,
    salt: Vec<u8>,
}

/// The parameters of a text: the binary logarithm of `N`, `r` and `p`.
struct Parameters {
    log_n: u8,
    r: u32,
    p: u32,
}

impl Scrypt {
    /// The bounds keep memory and time countable; the policy has the limits.
    fn new(
        Parameters { log_n, r, p }: Parameters,
        salt: Vec<u8>,
    ) -> Result<(Self, LegacyCost), &'static str> {
        if !(1..=24).contains(&log_n) {
            return Err("its N is not 2 to 2^24");
        }
        if !(1..=64).contains(&r) || !(1..=64).contains(&p) {
            return Err("its r or p is not 1 to 64");
        }
        let kib = ((r << log_n) / 8).max(1);
        let params = Params::new(log_n, r, p).map_err(|_| "its parameters contradict each other")?;
        Ok((Self { params, kib, salt }, LegacyCost::memory(kib, p)))
    }

    fn hash(parameters: Parameters, salt: Vec<u8>, hash: Vec<u8>) -> Result<LegacyHash, &'static str> {
        let (scrypt, cost) = Self::new(parameters, salt)?;
        Ok(LegacyHash { algorithm: LegacyAlgorithm::Scrypt, cost, formula: Formula::Scrypt(scrypt), hash })
    }

    pub(super) fn compute(&self, password: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        reserve(self.kib)?;
        ::scrypt::scrypt(password, &self.salt, &self.params, output).map_err(|_| Failed)
    }
}

/// Asks for the memory before the crate does, which ends the process if it gets none.
fn reserve(kib: u32) -> Result<(), Failed> {
    let bytes = usize::try_from(u64::from(kib) << 10).map_err(|_| Failed)?;
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| Failed)
}

/// Fills this memory for nothing, in passes over at most `most_kib`.
pub(super) fn burn(mut missing_kib: u64, most_kib: u32, password: &[u8]) -> Result<(), Failed> {
    // With `r` 8, which nearly all systems have, `N` is the memory in KiB.
    let r = 8;
    loop {
        let log_n = missing_kib.min(most_kib.into()).checked_ilog2().unwrap_or(0);
        if log_n == 0 {
            return Ok(());
        }
        let p = u32::try_from(missing_kib >> log_n).map_err(|_| Failed)?;
        let params = Params::new(u8::try_from(log_n).map_err(|_| Failed)?, r, p).map_err(|_| Failed)?;
        let mut output = Zeroizing::new([0; 32]);
        reserve(1 << log_n)?;
        ::scrypt::scrypt(password, b"nobody's", &params, output.as_mut_slice()).map_err(|_| Failed)?;
        black_box(output);
        missing_kib -= u64::from(p) << log_n;
    }
}

/// Reads `$scrypt$ln=LOG2_N,r=R,p=P$SALT$HASH`.
pub(in crate::hashing) fn read_phc(text: &str) -> Result<LegacyHash, &'static str> {
    const FORM: &str = "it has not the form $scrypt$ln=LOG2_N,r=R,p=P$SALT$HASH";
    let [_, _, params, salt_text, hash_text] = fields(text, '$').ok_or(FORM)?;
    let [log_n, r, p] = fields(params, ',').ok_or(FORM)?;
    let parameters = Parameters {
        log_n: log_n.strip_prefix("ln=").and_then(number).ok_or(FORM)?,
        r: r.strip_prefix("r=").and_then(number).ok_or(FORM)?,
        p: p.strip_prefix("p=").and_then(number).ok_or(FORM)?,
    };
    Scrypt::hash(parameters, salt(base64(salt_text))?, hash(base64(hash_text))?)
}

/// Reads Django's `scrypt$N$SALT$R$P$HASH`.
pub(in crate::hashing) fn read_django(text: &str) -> Result<LegacyHash, &'static str> {
    let [_, n, salt_text, r, p, hash_text] =
        fields(text, '$').ok_or("it has not the form scrypt$N$SALT$R$P$HASH")?;
    Scrypt::hash(parameters(n, r, p)?, salt(Some(salt_text.into()))?, hash(base64(hash_text))?)
}

/// Reads Werkzeug's `scrypt:N:R:P$SALT$HASH`, in which the hash is hexadecimal.
pub(in crate::hashing) fn read_werkzeug(text: &str) -> Result<LegacyHash, &'static str> {
    const FORM: &str = "it has not the form scrypt:N:R:P$SALT$HASH";
    let [method, salt_text, hash_text] = fields(text, '$').ok_or(FORM)?;
    let [_, n, r, p] = fields(method, ':').ok_or(FORM)?;
    Scrypt::hash(parameters(n, r, p)?, salt(Some(salt_text.into()))?, hash(hexadecimal(hash_text))?)
}

fn parameters(n: &str, r: &str, p: &str) -> Result<Parameters, &'static str> {
    let problem = "its N, r or p is no number";
    let n: u32 = number(n).ok_or(problem)?;
    if !n.is_power_of_two() {
        return Err("its N is no power of two");
    }
    let log_n = u8::try_from(n.ilog2()).map_err(|_| problem)?;
    Ok(Parameters { log_n, r: number(r).ok_or(problem)?, p: number(p).ok_or(problem)? })
}

/// Reads `$firebase-scrypt$ln=MEM_COST,r=ROUNDS,ss=SALT_SEPARATOR$SALT$HASH`. Firebase exports the
/// parts; the form is of this library. The signer key is not in it.
pub(in crate::hashing) fn read_firebase(text: &str) -> Result<LegacyHash, &'static str> {
    const FORM: &str =
        "it has not the form $firebase-scrypt$ln=MEM_COST,r=ROUNDS,ss=SALT_SEPARATOR$SALT$HASH";
    let [_, _, params, salt_text, hash_text] = fields(text, '$').ok_or(FORM)?;
    let [log_n, r, separator] = fields(params, ',').ok_or(FORM)?;
    let log_n = log_n.strip_prefix("ln=").and_then(number).ok_or(FORM)?;
    let r = r.strip_prefix("r=").and_then(number).ok_or(FORM)?;
    let separator = separator.strip_prefix("ss=").ok_or(FORM)?;
    let mut salt = salt(base64(salt_text))?;
    salt.extend(base64(separator).ok_or("its salt separator is not base64")?);
    let (scrypt, cost) = Scrypt::new(Parameters { log_n, r, p: 1 }, salt)?;
    let (formula, hash) = (Formula::Firebase(scrypt), hash(base64(hash_text))?);
    Ok(LegacyHash { algorithm: LegacyAlgorithm::Scrypt, cost, formula, hash })
}
