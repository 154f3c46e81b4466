//! One thread's share of the pool: its memory, and the computations on it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{Algorithm, Params, ParamsBuilder, Version};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::bcrypt::burn;
use super::hasher::{Hasher, Recipe};
use super::pepper::Pepper;
use super::policy::{BcryptImport, HashingPolicy};
use super::stored::{Stored, StoredArgon2};
use super::{Failed, HashingError, Verified};
use crate::clock::{Clock, SystemClock};
use crate::user::PasswordHash;
use crate::user::password::{MAX_PASSWORD_BYTES, Password};

/// Salt of new hashes (RFC 9106 section 3.1 recommends 16 bytes).
pub(super) const SALT_BYTES: usize = 16;
/// Output of new hashes (the RFC's recommended 256 bits).
pub(super) const OUTPUT_BYTES: usize = 32;

/// Drawn by the caller, one for each job.
pub(super) type FreshSalt = [u8; SALT_BYTES];

/// What all threads share.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) policy: HashingPolicy,
    pub(super) params: Params,
    pepper: Option<Pepper>,
    pub(super) counters: Counters,
}

/// What was done so far.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hashes: AtomicU64,
    pub(super) argon2_kib: AtomicU64,
    pub(super) bcrypts: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) jobs: AtomicU64,
    /// Nanoseconds that all jobs waited for a thread.
    pub(super) waited_nanos: AtomicU64,
    /// A running average of the nanoseconds of one job.
    pub(super) job_nanos: AtomicU64,
}

/// What a computation with these parameters costs, in blocks computed.
pub(super) fn cost(params: &Params) -> u64 {
    (params.block_count() as u64).saturating_mul(params.t_cost().into())
}

impl Settings {
    fn new(policy: HashingPolicy, pepper: Option<Pepper>) -> Result<Self, argon2::Error> {
        let mut builder = ParamsBuilder::new();
        builder
            .m_cost(policy.memory_kib)
            .t_cost(policy.iterations)
            .p_cost(policy.parallelism)
            .output_len(OUTPUT_BYTES);
        if let Some(pepper) = &pepper {
            builder.keyid(pepper.key_id()?);
        }
        Ok(Self { policy, params: builder.build()?, pepper, counters: Counters::default() })
    }

    /// The settings of a policy without problems.
    pub(super) fn checked(policy: &HashingPolicy, pepper: Option<Pepper>) -> Result<Self, HashingError> {
        let problems = policy.problems();
        if !problems.is_empty() {
            let texts: Vec<_> = problems.iter().map(|(field, text)| format!("{field} {text}")).collect();
            return Err(HashingError::Policy(texts.join("; ")));
        }
        Self::new(policy.clone(), pepper).map_err(|error| HashingError::Policy(error.to_string()))
    }

    /// The pepper that these parameters name; `None` where it is not known.
    pub(super) fn pepper_secret(&self, params: &Params) -> Option<&[u8]> {
        if params.keyid().is_empty() {
            return Some(&[]);
        }
        self.pepper.as_ref()?.secret(params.keyid())
    }
}

/// One thread's memory and its way to the shared settings.
pub(super) struct Engine {
    settings: Arc<Settings>,
    hasher: Box<dyn Hasher>,
    blocks_computed: u64,
}

impl Engine {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        let mut hasher = <dyn Hasher>::of(settings.policy.engine);
        // Without memory now there may be some later: the first job then tries again, and says so.
        let _ = hasher.reserve(settings.params.block_count());
        Self { settings, hasher, blocks_computed: 0 }
    }

    /// Does one job and counts it.
    pub(super) fn work<T>(&mut self, job: impl FnOnce(&mut Self) -> T) -> T {
        let start = SystemClock.monotonic();
        let result = job(self);
        self.hasher.shrink(self.settings.params.block_count());
        let spent = std::mem::take(&mut self.blocks_computed);
        let one = cost(&self.settings.params).max(1);
        let counters = &self.settings.counters;
        counters.argon2_kib.fetch_add(spent, Relaxed);
        counters.hashes.fetch_add((spent + one / 2) / one, Relaxed);
        counters.average(SystemClock.monotonic().saturating_sub(start));
        result
    }

    fn compute(&mut self, recipe: &Recipe<'_>, password: &[u8], output: &mut [u8]) -> Result<(), Failed> {
        self.hasher.compute(recipe, password, output)?;
        self.blocks_computed = self.blocks_computed.saturating_add(cost(recipe.params));
        Ok(())
    }

    /// Hashes with the current parameters and pepper.
    pub(super) fn hash(&mut self, password: &Password, salt: &FreshSalt) -> Result<PasswordHash, Failed> {
        let settings = Arc::clone(&self.settings);
        let params = &settings.params;
        let secret = settings.pepper_secret(params).ok_or(Failed)?;
        let recipe = Recipe { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, secret, salt };
        let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
        self.compute(&recipe, hashable(password), output.as_mut_slice())?;
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

    /// Verifies at the same cost whether or not there is a hash, and whatever it is, as far as that
    /// can be: see [`HashingPool::verify`](super::HashingPool::verify).
    pub(super) fn verify(
        &mut self,
        password: &Password,
        stored: Option<&PasswordHash>,
        salt: &FreshSalt,
    ) -> Result<Verified, Failed> {
        let settings = Arc::clone(&self.settings);
        let stored = stored
            .filter(|_| is_hashable(password))
            .and_then(|stored| Stored::read(stored.expose(), &settings));
        match stored {
            Some(Stored::Bcrypt(stored, cost)) => {
                self.count_bcrypt();
                let matches = stored.matches(hashable(password), cost);
                let fresh = self.hash(password, salt)?;
                Ok(if matches { Verified::MatchOutdated(fresh) } else { Verified::NoMatch })
            }
            Some(Stored::Argon2(stored)) => {
                self.burn_bcrypt();
                self.verify_argon2(password, &stored, salt)
            }
            None => {
                self.burn_bcrypt();
                black_box(self.hash(password, salt)?);
                Ok(Verified::NoMatch)
            }
        }
    }

    fn verify_argon2(
        &mut self,
        password: &Password,
        stored: &StoredArgon2,
        salt: &FreshSalt,
    ) -> Result<Verified, Failed> {
        let settings = Arc::clone(&self.settings);
        let mut output = Zeroizing::new([0; Output::MAX_LENGTH]);
        let output = output.get_mut(..stored.hash.len()).ok_or(Failed)?;
        self.compute(&stored.recipe(&settings).ok_or(Failed)?, password.expose().as_bytes(), output)?;
        if !bool::from(output.ct_eq(stored.hash.as_ref())) {
            self.pad(cost(&settings.params).saturating_sub(stored.cost()))?;
            return Ok(Verified::NoMatch);
        }
        if stored.is_outdated(&settings) {
            return self.hash(password, salt).map(Verified::MatchOutdated);
        }
        Ok(Verified::Match)
    }

    /// Computes so many blocks for nothing, in no more memory than a current hash needs, so that a
    /// wrong password costs the same against an old hash as against none (Django CVE-2016-2513).
    fn pad(&mut self, missing: u64) -> Result<(), Failed> {
        let passes = missing.div_ceil(self.settings.params.block_count().max(1) as u64).max(1);
        let memory = missing / passes;
        if memory < Params::MIN_M_COST.into() {
            return Ok(());
        }
        let small = |number: u64| u32::try_from(number).map_err(|_| Failed);
        let params = Params::new(small(memory)?, small(passes)?, 1, None)?;
        let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
        let recipe = Recipe { algorithm, version, params: &params, secret: &[], salt: &[0; SALT_BYTES] };
        self.compute(&recipe, b"nobody", &mut [0; OUTPUT_BYTES])
    }

    fn burn_bcrypt(&self) {
        if let BcryptImport::Accept { cost } = self.settings.policy.bcrypt {
            self.count_bcrypt();
            burn(cost);
        }
    }

    fn count_bcrypt(&self) {
        self.settings.counters.bcrypts.fetch_add(1, Relaxed);
    }

    #[cfg(test)]
    pub(super) fn buffer_blocks(&self) -> usize {
        self.hasher.blocks()
    }
}

impl Counters {
    pub(super) fn waited(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.waited_nanos.fetch_add(nanos, Relaxed);
        self.jobs.fetch_add(1, Relaxed);
    }

    /// Moves the average an eighth of the way. Threads may lose each other's steps: it is an estimate.
    pub(super) fn average(&self, job: Duration) {
        let nanos = u64::try_from(job.as_nanos()).unwrap_or(u64::MAX);
        let before = self.job_nanos.load(Relaxed);
        let after = if before == 0 { nanos } else { before - before / 8 + nanos / 8 };
        self.job_nanos.store(after, Relaxed);
    }
}

/// Whether a password can have a hash at all: neither empty nor over-long.
pub(super) fn is_hashable(password: &Password) -> bool {
    (1..=MAX_PASSWORD_BYTES).contains(&password.expose().len())
}

/// As much of a password as is ever hashed; only dummies are computed of more.
fn hashable(password: &Password) -> &[u8] {
    let bytes = password.expose().as_bytes();
    bytes.get(..MAX_PASSWORD_BYTES).unwrap_or(bytes)
}
