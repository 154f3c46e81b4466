//! Reads stored hashes and checks their parameters before memory is allocated.

use std::fmt::Display;

use argon2::password_hash::phc::{self, Output, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use super::Failed;
use super::bcrypt::{self, Input, StoredBcrypt};
#[cfg(feature = "legacy-hashes")]
use super::legacy::{self, LegacyAlgorithm, LegacyCost, LegacyHash};
use super::policy::{BcryptImport, meets_floor};
use super::settings::{OUTPUT_BYTES, SALT_BYTES, Settings, cost};

/// Longest text that is parsed. A PHC string with every field at its longest stays below.
const MAX_STORED_BYTES: usize = 512;

/// Most lanes of a legacy Argon2 hash. Django's have 8.
#[cfg(feature = "legacy-hashes")]
const MAX_LEGACY_LANES: u32 = 16;

/// Why a text never matches a password. No part of the text is in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnusableHash {
    /// It begins like no hash that is accepted here.
    #[error("is no hash of a known kind")]
    Unknown,
    /// It begins like a hash of this scheme and is none.
    #[error("is no hash of {scheme}: {problem}")]
    Malformed {
        /// The name of the scheme.
        scheme: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// The policy accepts no hash of this scheme.
    #[error("is a hash of {scheme}, which the policy does not accept")]
    NotAccepted {
        /// The name of the scheme.
        scheme: &'static str,
    },
    /// It costs more than the policy accepts.
    #[error("is a hash of {scheme} that costs {cost}: at most {accepted} is accepted")]
    TooCostly {
        /// The name of the scheme.
        scheme: &'static str,
        /// Its cost, with the unit.
        cost: String,
        /// The highest accepted cost.
        accepted: String,
    },
    /// It names a pepper that the pool does not have.
    #[error("is a hash of {scheme} with an unknown pepper")]
    UnknownPepper {
        /// The name of the scheme.
        scheme: &'static str,
    },
    /// The pool does not have the signer key of its Firebase project.
    #[error("is a hash of {scheme}, and the signer key of its project is not set")]
    NoSignerKey {
        /// The name of the scheme.
        scheme: &'static str,
    },
}

/// The kind of a stored hash that could match a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashKind {
    /// Argon2 within the caps of the policy.
    Argon2,
    /// bcrypt, or another system's form around it.
    Bcrypt {
        /// Its cost, which [`BcryptImport::Accept`] has to reach.
        cost: u32,
    },
    /// A legacy hash.
    #[cfg(feature = "legacy-hashes")]
    Legacy {
        /// Its algorithm.
        algorithm: LegacyAlgorithm,
        /// Its cost, which [`LegacyHashes`](crate::LegacyHashes) has to reach.
        cost: LegacyCost,
    },
}

/// A stored hash that may be verified under the policy.
pub(super) enum Stored<'a> {
    Argon2(StoredArgon2),
    Bcrypt(StoredBcrypt<'a>),
    /// Argon2 above the caps of the policy.
    #[cfg(feature = "legacy-hashes")]
    LegacyArgon2(StoredArgon2, LegacyCost),
    #[cfg(feature = "legacy-hashes")]
    Legacy(LegacyHash),
}

/// A form of stored hashes, known by how its texts begin.
struct Scheme {
    prefix: &'static str,
    name: &'static str,
    reader: Reader,
}

/// How the texts of a scheme are read. `after` is the part before the text that the algorithm's own libraries write.
enum Reader {
    Argon2 {
        after: &'static str,
    },
    Bcrypt {
        after: &'static str,
        input: fn(&[u8]) -> Input,
    },
    #[cfg(feature = "legacy-hashes")]
    Legacy(fn(&str) -> Result<LegacyHash, &'static str>),
}

/// Every scheme. A text is of the first one whose prefix it has.
const SCHEMES: &[Scheme] = &[
    scheme("$argon2", "Argon2", Reader::Argon2 { after: "" }),
    scheme("$2", "bcrypt", Reader::Bcrypt { after: "", input: bcrypt::as_typed }),
    #[cfg(feature = "legacy-hashes")]
    scheme("argon2$", "Django's Argon2", Reader::Argon2 { after: "argon2" }),
    #[cfg(feature = "legacy-hashes")]
    scheme("bcrypt$", "Django's bcrypt", Reader::Bcrypt { after: "bcrypt$", input: bcrypt::as_typed }),
    #[cfg(feature = "legacy-hashes")]
    scheme(
        "bcrypt_sha256$",
        "Django's bcrypt_sha256",
        Reader::Bcrypt { after: "bcrypt_sha256$", input: legacy::bcrypt::django_sha256 },
    ),
    #[cfg(feature = "legacy-hashes")]
    scheme("$wp", "WordPress", Reader::Bcrypt { after: "$wp", input: legacy::bcrypt::wordpress }),
    #[cfg(feature = "legacy-hashes")]
    scheme("pbkdf2_", "Django's PBKDF2", Reader::Legacy(legacy::pbkdf2::read_django)),
    #[cfg(feature = "legacy-hashes")]
    scheme("$pbkdf2", "PBKDF2", Reader::Legacy(legacy::pbkdf2::read_phc)),
    #[cfg(feature = "legacy-hashes")]
    scheme("pbkdf2:", "Werkzeug's PBKDF2", Reader::Legacy(legacy::pbkdf2::read_werkzeug)),
    #[cfg(feature = "legacy-hashes")]
    scheme("scrypt$", "Django's scrypt", Reader::Legacy(legacy::scrypt::read_django)),
    #[cfg(feature = "legacy-hashes")]
    scheme("$scrypt$", "scrypt", Reader::Legacy(legacy::scrypt::read_phc)),
    #[cfg(feature = "legacy-hashes")]
    scheme("scrypt:", "Werkzeug's scrypt", Reader::Legacy(legacy::scrypt::read_werkzeug)),
    #[cfg(feature = "legacy-hashes")]
    scheme("$firebase-scrypt$", "Firebase's scrypt", Reader::Legacy(legacy::scrypt::read_firebase)),
    #[cfg(feature = "legacy-hashes")]
    scheme("$P$", "phpass", Reader::Legacy(legacy::phpass::read)),
    #[cfg(feature = "legacy-hashes")]
    scheme("$H$", "phpass", Reader::Legacy(legacy::phpass::read)),
    // Base64 that begins with a byte of zero or one.
    #[cfg(feature = "legacy-hashes")]
    scheme("A", "ASP.NET Core Identity", Reader::Legacy(legacy::pbkdf2::read_asp_net)),
];

const fn scheme(prefix: &'static str, name: &'static str, reader: Reader) -> Scheme {
    Scheme { prefix, name, reader }
}

/// A stored Argon2 hash whose pepper, if any, is known.
pub(super) struct StoredArgon2 {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    pub(super) salt: Salt,
    pub(super) hash: Output,
}

impl<'a> Stored<'a> {
    /// Reads a stored text, or says why it must never match.
    pub(super) fn read(text: &'a str, settings: &Settings) -> Result<Self, UnusableHash> {
        let scheme = SCHEMES.iter().find(|scheme| text.starts_with(scheme.prefix));
        let Some(Scheme { name: scheme, reader, .. }) = scheme.filter(|_| text.len() <= MAX_STORED_BYTES)
        else {
            return Err(UnusableHash::Unknown);
        };
        let malformed = |problem| UnusableHash::Malformed { scheme, problem };
        let after = |prefix| text.strip_prefix(prefix).unwrap_or(text);
        match reader {
            Reader::Argon2 { after: prefix } => {
                let stored = StoredArgon2::read(after(prefix)).map_err(malformed)?;
                Self::accepted_argon2(stored, scheme, settings)
            }
            Reader::Bcrypt { after: prefix, input } => {
                let stored = StoredBcrypt::read(after(prefix), *input).map_err(malformed)?;
                match settings.policy.bcrypt {
                    BcryptImport::Refuse => Err(UnusableHash::NotAccepted { scheme }),
                    BcryptImport::Accept { cost } if stored.cost > cost => {
                        Err(too_costly(scheme, stored.cost, cost))
                    }
                    BcryptImport::Accept { .. } => Ok(Self::Bcrypt(stored)),
                }
            }
            #[cfg(feature = "legacy-hashes")]
            Reader::Legacy(read) => {
                let stored = read(text).map_err(malformed)?;
                check_legacy(stored.algorithm, stored.cost, scheme, settings)?;
                if stored.needs_signer_key() && settings.signer_key().is_none() {
                    return Err(UnusableHash::NoSignerKey { scheme });
                }
                Ok(Self::Legacy(stored))
            }
        }
    }

    fn accepted_argon2(
        stored: StoredArgon2,
        scheme: &'static str,
        settings: &Settings,
    ) -> Result<Self, UnusableHash> {
        if settings.pepper_secret(&stored.params).is_none() {
            return Err(UnusableHash::UnknownPepper { scheme });
        }
        let (policy, params) = (&settings.policy, &stored.params);
        let within_caps = params.m_cost() <= policy.max_memory_kib
            && params.t_cost() <= policy.max_iterations
            && params.p_cost() <= policy.max_parallelism;
        if within_caps {
            return Ok(Self::Argon2(stored));
        }
        #[cfg(feature = "legacy-hashes")]
        if settings.policy.legacy.cost(LegacyAlgorithm::Argon2).is_some()
            && params.p_cost() <= MAX_LEGACY_LANES
        {
            let cost = LegacyCost::memory(params.m_cost(), params.t_cost());
            check_legacy(LegacyAlgorithm::Argon2, cost, scheme, settings)?;
            return Ok(Self::LegacyArgon2(stored, cost));
        }
        let describe = |memory, passes, lanes| format!("{memory} KiB in {passes} passes and {lanes} lanes");
        let found = describe(params.m_cost(), params.t_cost(), params.p_cost());
        let most = describe(policy.max_memory_kib, policy.max_iterations, policy.max_parallelism);
        Err(too_costly(scheme, found, most))
    }

    /// The kind of this hash.
    pub(super) fn kind(&self) -> HashKind {
        match self {
            Self::Argon2(_) => HashKind::Argon2,
            Self::Bcrypt(stored) => HashKind::Bcrypt { cost: stored.cost },
            #[cfg(feature = "legacy-hashes")]
            Self::LegacyArgon2(_, cost) => {
                HashKind::Legacy { algorithm: LegacyAlgorithm::Argon2, cost: *cost }
            }
            #[cfg(feature = "legacy-hashes")]
            Self::Legacy(stored) => HashKind::Legacy { algorithm: stored.algorithm, cost: stored.cost },
        }
    }
}

fn too_costly(scheme: &'static str, cost: impl Display, accepted: impl Display) -> UnusableHash {
    UnusableHash::TooCostly { scheme, cost: cost.to_string(), accepted: accepted.to_string() }
}

/// Whether the policy accepts a legacy hash of this cost.
#[cfg(feature = "legacy-hashes")]
fn check_legacy(
    algorithm: LegacyAlgorithm,
    cost: LegacyCost,
    scheme: &'static str,
    settings: &Settings,
) -> Result<(), UnusableHash> {
    match settings.policy.legacy.cost(algorithm) {
        None => Err(UnusableHash::NotAccepted { scheme }),
        Some(highest) if highest.covers(cost) => Ok(()),
        Some(highest) => Err(too_costly(scheme, format!("{cost} {}", algorithm.unit()), highest)),
    }
}

impl StoredArgon2 {
    fn read(text: &str) -> Result<Self, &'static str> {
        let parsed = phc::PasswordHash::new(text).map_err(|_| "it is no PHC string")?;
        let algorithm =
            Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| "its algorithm is unknown")?;
        // A string without a version is from before there were versions.
        let version =
            Version::try_from(parsed.version.unwrap_or(0x10)).map_err(|_| "its version is unknown")?;
        let params = Params::try_from(&parsed).map_err(|_| "its parameters contradict each other")?;
        let salt = parsed.salt.ok_or("it has no salt")?;
        Ok(Self { algorithm, version, params, salt, hash: parsed.hash.ok_or("it has no hash")? })
    }

    /// The cost of verifying it, in blocks computed.
    pub(super) fn cost(&self) -> u64 {
        cost(&self.params)
    }

    /// The algorithm, parameters and pepper of this hash.
    pub(super) fn argon2<'a>(&self, settings: &'a Settings) -> Result<Argon2<'a>, Failed> {
        let secret = settings.pepper_secret(&self.params).ok_or(Failed)?;
        Ok(Argon2::new_with_secret(secret, self.algorithm, self.version, self.params.clone())?)
    }

    /// Whether a hash made with the current settings would be better than this one.
    ///
    /// It would be if this hash has less work, less memory without being on the OWASP list, another
    /// algorithm, version or number of lanes, a shorter salt or output, or not the current pepper. A
    /// stronger hash stays.
    pub(super) fn is_outdated(&self, settings: &Settings) -> bool {
        let (stored, current) = (&self.params, &settings.params);
        let weaker_memory =
            stored.m_cost() < current.m_cost() && !meets_floor(stored.m_cost(), stored.t_cost());
        self.cost() < cost(current)
            || weaker_memory
            || self.algorithm != Algorithm::Argon2id
            || self.version != Version::V0x13
            || stored.p_cost() != current.p_cost()
            || stored.keyid() != current.keyid()
            || !stored.data().is_empty()
            || self.salt.len() < SALT_BYTES
            || self.hash.len() < OUTPUT_BYTES
    }
}
