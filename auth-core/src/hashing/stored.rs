//! Reading stored hashes, and judging what they ask for before anything is allocated.

use argon2::password_hash::phc::{self, Output, Salt};
use argon2::{Algorithm, Params, Version};

use super::bcrypt::StoredBcrypt;
use super::engine::{OUTPUT_BYTES, SALT_BYTES, Settings, cost};
use super::hasher::Recipe;
use super::policy::{BcryptImport, meets_floor};

/// Longest text that is looked at. A PHC string with every field at its longest stays below.
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
    salt: Salt,
    pub(super) hash: Output,
}

impl<'a> Stored<'a> {
    /// Reads a stored text. `None` for whatever must never match: no hash at all, one that asks for
    /// more than the caps, one with an unknown pepper, bcrypt where it is not accepted.
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

    /// What it costs to verify, in blocks computed.
    pub(super) fn cost(&self) -> u64 {
        cost(&self.params)
    }

    /// How this hash was made; `None` where its pepper is not known.
    pub(super) fn recipe<'a>(&'a self, settings: &'a Settings) -> Option<Recipe<'a>> {
        let secret = settings.pepper_secret(&self.params)?;
        let &Self { algorithm, version, ref params, ref salt, .. } = self;
        Some(Recipe { algorithm, version, params, secret, salt })
    }

    /// Whether a hash made today would be better: less work, less memory without being on the OWASP
    /// list, another algorithm, version or number of lanes, shorter salt or output, or not the
    /// current pepper. A stronger hash is kept.
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
