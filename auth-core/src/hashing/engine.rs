//! One thread's share of the pool: its memory, and the computations on it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::bcrypt::burn;
use super::comparison::Comparison;
#[cfg(feature = "legacy-hashes")]
use super::legacy::{self, LegacyAlgorithm};
use super::memory::Memory;
use super::policy::BcryptImport;
use super::settings::{FreshSalt, OUTPUT_BYTES, SALT_BYTES, Settings, cost};
use super::stored::{Stored, StoredArgon2};
use super::{Failed, Verified};
use crate::clock::{Clock, SystemClock};
use crate::user::PasswordHash;
use crate::user::password::{MAX_PASSWORD_BYTES, Password};

/// Hashes and verifies on one thread, in that thread's memory.
pub(super) struct Engine {
    settings: Arc<Settings>,
    memory: Memory,
    blocks_computed: u64,
}

impl Engine {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let mut memory = Memory::default();
        // If this fails, the first job tries again and reports the failure.
        let _ = memory.reserve(settings.params.block_count());
        Self { settings, memory, blocks_computed: 0 }
    }

    /// Does one job and counts it.
    pub(super) fn work<T>(&mut self, job: impl FnOnce(&mut Self) -> T) -> T {
        let start = SystemClock.monotonic();
        let result = job(self);
        self.memory.shrink(self.settings.params.block_count());
        let spent = std::mem::take(&mut self.blocks_computed);
        let one = cost(&self.settings.params).max(1);
        let counters = &self.settings.counters;
        counters.argon2_kib.fetch_add(spent, Relaxed);
        counters.hashes.fetch_add((spent + one / 2) / one, Relaxed);
        counters.average(SystemClock.monotonic().saturating_sub(start));
        result
    }

    fn compute(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), Failed> {
        self.memory.compute(argon2, password, salt, output)?;
        self.blocks_computed = self.blocks_computed.saturating_add(cost(argon2.params()));
        Ok(())
    }

    /// Hashes with the current parameters and pepper.
    pub(super) fn hash(&mut self, password: &Password, salt: &FreshSalt) -> Result<PasswordHash, Failed> {
        let settings = Arc::clone(&self.settings);
        let params = &settings.params;
        let secret = settings.pepper_secret(params).ok_or(Failed)?;
        let argon2 = Argon2::new_with_secret(secret, Algorithm::Argon2id, Version::V0x13, params.clone())?;
        let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
        self.compute(&argon2, hashable(password), salt, output.as_mut_slice())?;
        let text = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(params).map_err(|_| Failed)?,
            salt: Some(Salt::new(salt).map_err(|_| Failed)?),
            hash: Some(Output::new(output.as_slice()).map_err(|_| Failed)?),
        }
        .to_string();
        Ok(PasswordHash::from_stored(text))
    }

    /// Verifies a password at one cost for every kind of stored hash and for none; the exceptions are
    /// those of [`HashingPool::verify`](super::HashingPool::verify).
    pub(super) fn verify(
        &mut self,
        password: &Password,
        stored: Option<&PasswordHash>,
        salt: &FreshSalt,
    ) -> Result<Verified, Failed> {
        let settings = Arc::clone(&self.settings);
        let stored = stored
            .filter(|_| is_hashable(password))
            .and_then(|stored| Stored::read(stored.expose(), &settings).ok());
        let imported = self.compare_imported(hashable(password), stored.as_ref())?;
        if let Some(Stored::Argon2(stored)) = stored {
            return self.verify_argon2(password, &stored, salt);
        }
        let fresh = black_box(self.hash(password, salt)?);
        Ok(imported.verified(fresh))
    }

    /// Compares with a hash of another system. Every call computes each accepted algorithm at its highest cost,
    /// whatever is stored.
    fn compare_imported(
        &mut self,
        password: &[u8],
        stored: Option<&Stored<'_>>,
    ) -> Result<Comparison, Failed> {
        let by_bcrypt = self.compare_bcrypt(password, stored);
        #[cfg(feature = "legacy-hashes")]
        let by_legacy = self.compare_legacy(password, stored)?;
        match stored {
            None | Some(Stored::Argon2(_)) => Ok(Comparison::Different),
            Some(Stored::Bcrypt(_)) => Ok(by_bcrypt),
            #[cfg(feature = "legacy-hashes")]
            Some(Stored::LegacyArgon2(..) | Stored::Legacy(_)) => Ok(by_legacy),
        }
    }

    fn compare_bcrypt(&self, password: &[u8], stored: Option<&Stored<'_>>) -> Comparison {
        let BcryptImport::Accept { cost } = self.settings.policy.bcrypt else { return Comparison::Different };
        self.settings.counters.bcrypts.fetch_add(1, Relaxed);
        if let Some(Stored::Bcrypt(stored)) = stored {
            return stored.compare(password, cost);
        }
        burn(cost);
        Comparison::Different
    }

    #[cfg(feature = "legacy-hashes")]
    fn compare_legacy(&mut self, password: &[u8], stored: Option<&Stored<'_>>) -> Result<Comparison, Failed> {
        let settings = Arc::clone(&self.settings);
        let mut result = Comparison::Different;
        for (algorithm, highest) in settings.policy.legacy.iter() {
            let done = match stored {
                Some(Stored::Legacy(stored)) if stored.algorithm == algorithm => {
                    result = stored.compare(password, settings.signer_key())?;
                    Some(stored.cost)
                }
                Some(Stored::LegacyArgon2(stored, cost)) if algorithm == LegacyAlgorithm::Argon2 => {
                    let matches = self.matches_argon2(password, stored)?;
                    result = if matches { Comparison::Same } else { Comparison::Different };
                    Some(*cost)
                }
                None
                | Some(
                    Stored::Argon2(_) | Stored::Bcrypt(_) | Stored::LegacyArgon2(..) | Stored::Legacy(_),
                ) => None,
            };
            settings.counters.legacy.fetch_add(highest.total(), Relaxed);
            match (algorithm, done) {
                (LegacyAlgorithm::Argon2, None) => self.burn_argon2(highest.amount(), highest.passes())?,
                (LegacyAlgorithm::Argon2, Some(done)) => {
                    self.pad(highest.total().saturating_sub(done.total()))?;
                }
                (_, done) => legacy::burn(algorithm, done, highest, password)?,
            }
        }
        Ok(result)
    }

    fn verify_argon2(
        &mut self,
        password: &Password,
        stored: &StoredArgon2,
        salt: &FreshSalt,
    ) -> Result<Verified, Failed> {
        let settings = Arc::clone(&self.settings);
        if !self.matches_argon2(password.expose().as_bytes(), stored)? {
            self.pad(cost(&settings.params).saturating_sub(stored.cost()))?;
            return Ok(Verified::NoMatch);
        }
        if stored.is_outdated(&settings) {
            return self.hash(password, salt).map(Verified::MatchOutdated);
        }
        Ok(Verified::Match)
    }

    fn matches_argon2(&mut self, password: &[u8], stored: &StoredArgon2) -> Result<bool, Failed> {
        let settings = Arc::clone(&self.settings);
        let mut output = Zeroizing::new([0; Output::MAX_LENGTH]);
        let output = output.get_mut(..stored.hash.len()).ok_or(Failed)?;
        let argon2 = stored.argon2(&settings)?;
        self.compute(&argon2, password, stored.salt.as_ref(), output)?;
        Ok(output.ct_eq(stored.hash.as_ref()).into())
    }

    /// Computes this number of blocks for nothing, in no more memory than a current hash needs. A wrong
    /// password then costs the same against an old hash as against none (Django CVE-2016-2513).
    fn pad(&mut self, missing: u64) -> Result<(), Failed> {
        let passes = missing.div_ceil(self.settings.params.block_count().max(1) as u64).max(1);
        let memory = missing / passes;
        if memory < Params::MIN_M_COST.into() {
            return Ok(());
        }
        let small = |number: u64| u32::try_from(number).map_err(|_| Failed);
        self.burn_argon2(small(memory)?, small(passes)?)
    }

    /// Computes one Argon2 for nothing.
    fn burn_argon2(&mut self, memory_kib: u32, passes: u32) -> Result<(), Failed> {
        let argon2 =
            Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory_kib, passes, 1, None)?);
        self.compute(&argon2, b"nobody", &[0; SALT_BYTES], &mut [0; OUTPUT_BYTES])
    }

    #[cfg(test)]
    pub(super) fn buffer_blocks(&self) -> usize {
        self.memory.blocks.capacity()
    }
}

/// Whether a password can have a hash at all: neither empty nor over-long.
pub(super) fn is_hashable(password: &Password) -> bool {
    (1..=MAX_PASSWORD_BYTES).contains(&password.expose().len())
}

/// The bytes of a password that are hashed. Only a dummy hash is computed for an over-long password.
fn hashable(password: &Password) -> &[u8] {
    let bytes = password.expose().as_bytes();
    bytes.get(..MAX_PASSWORD_BYTES).unwrap_or(bytes)
}
