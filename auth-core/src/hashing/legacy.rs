//! Password hashes of other systems: which are accepted, up to which cost, and their work.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Failed;
use super::comparison::Comparison;

pub(super) mod bcrypt;
mod encoding;
pub(super) mod firebase;
pub(super) mod pbkdf2;
pub(super) mod phpass;
pub(super) mod scrypt;

pub use firebase::{FirebaseSignerKey, SignerKeyError};

/// The limits of an algorithm's cost.
struct Bounds {
    /// Of the number, or of the memory in KiB.
    amount: RangeInclusive<u32>,
    /// Of the passes over that memory; 1 for an algorithm without memory.
    passes: RangeInclusive<u32>,
    /// Of their product.
    total: u64,
}

/// The table of algorithms: name, unit, bounds.
macro_rules! algorithms {
    ($(
        $(#[$doc:meta])*
        $variant:ident = $name:literal, $unit:literal, $amount:expr, $passes:expr, $total:literal;
    )+) => {
        /// An algorithm of legacy hashes.
        ///
        /// The highest costs keep one verification below about two seconds, as bcrypt's highest accepted cost does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LegacyAlgorithm {
            $($(#[$doc])* $variant,)+
        }

        impl LegacyAlgorithm {
            /// Every algorithm.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// Returns the name in settings, such as `pbkdf2-sha256`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns the name of its setting in the policy.
            pub(super) const fn setting(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!("legacy.", $name),)+
                }
            }

            /// Returns the unit of its cost.
            pub(super) const fn unit(self) -> &'static str {
                match self {
                    $(Self::$variant => $unit,)+
                }
            }

            fn bounds(self) -> Bounds {
                match self {
                    $(Self::$variant => Bounds { amount: $amount, passes: $passes, total: $total },)+
                }
            }
        }
    };
}

algorithms! {
    /// PBKDF2 with HMAC-SHA-1. Its cost is the number of iterations, at most 2,000,000: Keycloak's default was 1,300,000.
    Pbkdf2Sha1 = "pbkdf2-sha1", "iterations", 1..=2_000_000, 1..=1, 2_000_000;
    /// PBKDF2 with HMAC-SHA-256. Its cost is the number of iterations, at most 2,000,000: Django 6.0 has 1,200,000.
    Pbkdf2Sha256 = "pbkdf2-sha256", "iterations", 1..=2_000_000, 1..=1, 2_000_000;
    /// PBKDF2 with HMAC-SHA-512. Its cost is the number of iterations, at most 2,000,000.
    Pbkdf2Sha512 = "pbkdf2-sha512", "iterations", 1..=2_000_000, 1..=1, 2_000_000;
    /// scrypt, Firebase's included. Its cost is the memory in KiB (`N` times `r`, divided by 8) and the passes (`p`): at
    /// most 131,072 KiB (the first row of the OWASP Password Storage cheat sheet), and 524,288 KiB in all passes.
    Scrypt = "scrypt", "KiB", 1..=131_072, 1..=16, 524_288;
    /// phpass' portable hashes. Its cost is the binary logarithm of the number of MD5 rounds, 7 to 16: WordPress has 13.
    Phpass = "phpass", "(binary logarithm of the rounds)", 7..=16, 1..=1, 16;
    /// Argon2 above [`max_memory_kib`](crate::HashingPolicy::max_memory_kib),
    /// [`max_iterations`](crate::HashingPolicy::max_iterations) or
    /// [`max_parallelism`](crate::HashingPolicy::max_parallelism). Its cost is the memory in KiB and the passes: at most
    /// 131,072 KiB (Django has 102,400), and 524,288 KiB in all passes.
    Argon2 = "argon2", "KiB", 8..=131_072, 1..=64, 524_288;
}

impl LegacyAlgorithm {
    /// The highest cost that a policy may have.
    fn highest(self) -> LegacyCost {
        let Bounds { amount, total, .. } = self.bounds();
        LegacyCost { amount: *amount.end(), passes: saturated(total / u64::from(*amount.end())) }
    }

    /// A cost of at least this amount, and this much in all passes.
    fn accepting(self, amount: u32, total: u64) -> LegacyCost {
        let bounds = self.bounds();
        let passes = total.div_ceil(u64::from(amount).max(1)).clamp(1, (*bounds.passes.end()).into());
        let cost =
            LegacyCost { amount: amount.max(saturated(total.div_ceil(passes))), passes: saturated(passes) };
        // Rounded up, the cost can be more than is possible, although the hashes are not.
        let is_possible = amount <= *bounds.amount.end() && total <= bounds.total;
        if is_possible && cost.total() > bounds.total { self.highest() } else { cost }
    }
}

fn saturated(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The cost of a legacy hash, in the unit of its [`LegacyAlgorithm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyCost {
    amount: u32,
    passes: u32,
}

impl LegacyCost {
    /// A number of iterations, or the binary logarithm of the number of rounds.
    pub const fn new(amount: u32) -> Self {
        Self { amount, passes: 1 }
    }

    /// Passes over an amount of memory.
    pub const fn memory(kib: u32, passes: u32) -> Self {
        Self { amount: kib, passes }
    }

    pub(super) const fn amount(self) -> u32 {
        self.amount
    }

    pub(super) const fn passes(self) -> u32 {
        self.passes
    }

    /// The work, for algorithms that count it.
    pub(super) fn total(self) -> u64 {
        u64::from(self.amount).saturating_mul(self.passes.into())
    }

    /// Whether a hash of this cost may be verified where `self` is the highest.
    pub(super) fn covers(self, other: Self) -> bool {
        other.amount <= self.amount && other.total() <= self.total()
    }
}

/// `600000`, or `16384x5` for passes over memory.
impl fmt::Display for LegacyCost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.passes {
            1 => write!(f, "{}", self.amount),
            passes => write!(f, "{}x{passes}", self.amount),
        }
    }
}

/// The legacy hashes that match a password: their algorithms, with the highest cost of each.
///
/// Its text form is a list such as `pbkdf2-sha256:1000000,scrypt:16384x5`.
///
/// # Examples
///
/// ```
/// use auth_core::{LegacyAlgorithm, LegacyCost, LegacyHashes, Policy};
///
/// let mut policy = Policy::default();
/// policy.hashing.legacy.accept(LegacyAlgorithm::Pbkdf2Sha256, LegacyCost::new(1_000_000));
/// policy.hashing.legacy.accept(LegacyAlgorithm::Scrypt, LegacyCost::memory(16_384, 5));
/// assert!(policy.problems().is_empty());
///
/// assert_eq!(policy.hashing.legacy, "pbkdf2-sha256:1000000,scrypt:16384x5".parse::<LegacyHashes>()?);
/// # Ok::<(), auth_core::LegacyHashesError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LegacyHashes {
    highest: BTreeMap<LegacyAlgorithm, LegacyCost>,
}

impl LegacyHashes {
    /// Accepts every algorithm at the highest cost that a policy may have, to check hashes before their import.
    pub fn highest() -> Self {
        let highest = LegacyAlgorithm::ALL.into_iter().map(|algorithm| (algorithm, algorithm.highest()));
        Self { highest: highest.collect() }
    }

    /// Accepts hashes of this cost, too.
    ///
    /// The result is a cost that a policy may have, as long as no hash needs more than the highest amount or the highest
    /// total.
    pub fn accept(&mut self, algorithm: LegacyAlgorithm, cost: LegacyCost) {
        let highest = self.highest.entry(algorithm).or_insert(cost);
        *highest = algorithm.accepting(highest.amount.max(cost.amount), highest.total().max(cost.total()));
    }

    /// Returns the highest accepted cost of an algorithm, if any.
    pub fn cost(&self, algorithm: LegacyAlgorithm) -> Option<LegacyCost> {
        self.highest.get(&algorithm).copied()
    }

    /// Whether no legacy hash is accepted.
    pub fn is_empty(&self) -> bool {
        self.highest.is_empty()
    }

    /// The accepted algorithms, with the highest cost of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (LegacyAlgorithm, LegacyCost)> {
        self.highest.iter().map(|(algorithm, cost)| (*algorithm, *cost))
    }

    /// Lists the problems by algorithm. Empty if it can be used.
    pub(super) fn problems(&self) -> impl Iterator<Item = (LegacyAlgorithm, String)> {
        self.iter().filter_map(|(algorithm, cost)| Some((algorithm, problem(algorithm, cost)?)))
    }
}

/// The problem of the highest cost of an algorithm, if it has one.
fn problem(algorithm: LegacyAlgorithm, cost: LegacyCost) -> Option<String> {
    let (Bounds { amount, passes, total }, unit) = (algorithm.bounds(), algorithm.unit());
    if !amount.contains(&cost.amount) {
        return Some(format!("must be {} to {} {unit}", amount.start(), amount.end()));
    }
    if !passes.contains(&cost.passes) {
        return Some(match *passes.end() {
            1 => "must have no passes".to_owned(),
            most => format!("must have 1 to {most} passes"),
        });
    }
    (cost.total() > total).then(|| format!("must be at most {total} {unit} in all passes"))
}

/// Why a list of legacy hashes is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LegacyHashesError(String);

impl FromStr for LegacyHashes {
    type Err = LegacyHashesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hashes = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (name, cost) = entry.split_once(':').unwrap_or((entry, ""));
            let Some(algorithm) = LegacyAlgorithm::ALL.into_iter().find(|known| known.name() == name) else {
                let names = LegacyAlgorithm::ALL.map(LegacyAlgorithm::name).join(", ");
                return Err(LegacyHashesError(format!("must be a list of NAME:COST; the names are {names}")));
            };
            let (amount, passes) = cost.split_once('x').unwrap_or((cost, "1"));
            let (Ok(amount), Ok(passes)) = (amount.parse(), passes.parse()) else {
                let problem = format!("{name} must have a cost, such as {name}:{}", example(algorithm));
                return Err(LegacyHashesError(problem));
            };
            let cost = LegacyCost { amount, passes };
            if let Some(problem) = problem(algorithm, cost) {
                return Err(LegacyHashesError(format!("{name} {problem}")));
            }
            if hashes.highest.insert(algorithm, cost).is_some() {
                return Err(LegacyHashesError(format!("must have {name} once")));
            }
        }
        Ok(hashes)
    }
}

/// A usual cost: of Keycloak, Firebase, WordPress and Django.
fn example(algorithm: LegacyAlgorithm) -> LegacyCost {
    match algorithm {
        LegacyAlgorithm::Pbkdf2Sha1 => LegacyCost::new(1_300_000),
        LegacyAlgorithm::Pbkdf2Sha256 => LegacyCost::new(600_000),
        LegacyAlgorithm::Pbkdf2Sha512 => LegacyCost::new(210_000),
        LegacyAlgorithm::Scrypt => LegacyCost::new(16_384),
        LegacyAlgorithm::Phpass => LegacyCost::new(13),
        LegacyAlgorithm::Argon2 => LegacyCost::memory(102_400, 2),
    }
}

impl fmt::Display for LegacyHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (algorithm, cost)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}:{cost}", algorithm.name())?;
        }
        Ok(())
    }
}

/// A legacy hash that was read, with everything but the password.
pub(super) struct LegacyHash {
    pub(super) algorithm: LegacyAlgorithm,
    pub(super) cost: LegacyCost,
    formula: Formula,
    hash: Vec<u8>,
}

enum Formula {
    Pbkdf2(pbkdf2::Pbkdf2),
    Scrypt(scrypt::Scrypt),
    Firebase(scrypt::Scrypt),
    Phpass(phpass::Phpass),
}

impl LegacyHash {
    /// Whether its verification needs the signer key of a Firebase project.
    pub(super) fn needs_signer_key(&self) -> bool {
        matches!(self.formula, Formula::Firebase(_))
    }

    /// Compares in constant time, with the work of its cost.
    pub(super) fn compare(
        &self,
        password: &[u8],
        signer_key: Option<&FirebaseSignerKey>,
    ) -> Result<Comparison, Failed> {
        let mut output = Zeroizing::new(vec![0; self.hash.len()]);
        let matches = match &self.formula {
            Formula::Pbkdf2(pbkdf2) => {
                pbkdf2.compute(password, &mut output);
                output.ct_eq(&self.hash)
            }
            Formula::Scrypt(scrypt) => {
                scrypt.compute(password, &mut output)?;
                output.ct_eq(&self.hash)
            }
            Formula::Firebase(scrypt) => {
                firebase::encrypt(scrypt, password, signer_key.ok_or(Failed)?)?.ct_eq(&self.hash)
            }
            Formula::Phpass(phpass) => phpass.compute(password).as_slice().ct_eq(&self.hash),
        };
        // HMAC, of which PBKDF2 and scrypt are made, pads a password with zero bytes.
        Ok(if matches.into() { Comparison::of_zero_bytes(password) } else { Comparison::Different })
    }
}

/// Does the work between two costs for nothing. Argon2's is done in the memory of the thread: see the engine.
pub(super) fn burn(
    algorithm: LegacyAlgorithm,
    from: Option<LegacyCost>,
    to: LegacyCost,
    password: &[u8],
) -> Result<(), Failed> {
    let rounds = to.amount.saturating_sub(from.map_or(0, |from| from.amount));
    match algorithm {
        LegacyAlgorithm::Pbkdf2Sha1 => pbkdf2::burn(pbkdf2::Prf::Sha1, rounds, password),
        LegacyAlgorithm::Pbkdf2Sha256 => pbkdf2::burn(pbkdf2::Prf::Sha256, rounds, password),
        LegacyAlgorithm::Pbkdf2Sha512 => pbkdf2::burn(pbkdf2::Prf::Sha512, rounds, password),
        LegacyAlgorithm::Scrypt => {
            let missing = to.total().saturating_sub(from.map_or(0, LegacyCost::total));
            scrypt::burn(missing, to.amount, password)?;
        }
        LegacyAlgorithm::Phpass => {
            // As with bcrypt: 2^c + (2^c + 2^(c+1) + ... + 2^(cost-1)) = 2^cost.
            let (first, whole) = from.map_or((to.amount, true), |from| (from.amount, false));
            if whole {
                phpass::burn(to.amount, password);
            }
            (first..to.amount).for_each(|cost| phpass::burn(cost, password));
        }
        LegacyAlgorithm::Argon2 => {}
    }
    Ok(())
}
