//! Reads stored hashes and checks their parameters before memory is allocated.

use argon2::password_hash::phc::{self, Output, Salt};
use argon2::{Algorithm, Argon2, Params, Version};

use super::Failed;
use super::bcrypt::StoredBcrypt;
use super::policy::{BcryptImport, meets_floor};
use super::settings::{OUTPUT_BYTES, SALT_BYTES, Settings, cost};

/// Longest text that is parsed. A PHC string with every field at its longest stays below.
const MAX_STORED_BYTES: usize = 512;

/// A stored hash that may be verified under the policy.
pub(super) enum Stored<'a> {
    Argon2(StoredArgon2),
    Bcrypt(StoredBcrypt<'a>, u32),
}

/// A stored Argon2 hash within the caps, whose pepper, if any, is known.
pub(super) struct StoredArgon2 {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    pub(super) salt: Salt,
    pub(super) hash: Output,
}

impl<'a> Stored<'a> {
    /// Reads a stored text. `None` if the text must never match: it is no hash, asks for more than the
    /// caps, names an unknown pepper, or is bcrypt where the policy refuses bcrypt.
    pub(super) fn read(text: &'a str, settings: &Settings) -> Option<Self> {
        if text.len() > MAX_STORED_BYTES {
            return None;
        }
        if text.starts_with("$2") {
            let BcryptImport::Accept { cost } = settings.policy.bcrypt else { return None };
            return StoredBcrypt::read(text, cost).map(|stored| Self::Bcrypt(stored, cost));
        }
        StoredArgon2::read(text, settings).map(Self::Argon2)
    }
}

impl StoredArgon2 {
    fn read(text: &str, settings: &Settings) -> Option<Self> {
        let parsed = phc::PasswordHash::new(text).ok()?;
        let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).ok()?;
        // A string without a version is from before there were versions.
        let version = Version::try_from(parsed.version.unwrap_or(0x10)).ok()?;
        let params = Params::try_from(&parsed).ok()?;
        let policy = &settings.policy;
        let within_caps = params.m_cost() <= policy.max_memory_kib
            && params.t_cost() <= policy.max_iterations
            && params.p_cost() <= policy.max_parallelism;
        if !within_caps || settings.pepper_secret(&params).is_none() {
            return None;
        }
        Some(Self { algorithm, version, params, salt: parsed.salt?, hash: parsed.hash? })
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
