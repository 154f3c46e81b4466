//! What all hashing threads share: the policy, the pepper and the counters.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use argon2::{Params, ParamsBuilder};

use super::HashingError;
#[cfg(feature = "legacy-hashes")]
use super::legacy::FirebaseSignerKey;
use super::pepper::Pepper;
use super::policy::HashingPolicy;

/// Salt of new hashes (RFC 9106 section 3.1 recommends 16 bytes).
pub(super) const SALT_BYTES: usize = 16;
/// Output of new hashes (the RFC's recommended 256 bits).
pub(super) const OUTPUT_BYTES: usize = 32;

/// A salt that the caller draws, one for each job.
pub(super) type FreshSalt = [u8; SALT_BYTES];

/// The secrets from outside the database.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) pepper: Option<Pepper>,
    #[cfg(feature = "legacy-hashes")]
    pub(super) signer_key: Option<FirebaseSignerKey>,
}

impl Secrets {
    pub(super) const fn of(pepper: Option<Pepper>) -> Self {
        Self {
            pepper,
            #[cfg(feature = "legacy-hashes")]
            signer_key: None,
        }
    }
}

/// The settings and counters that all threads share.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) policy: HashingPolicy,
    pub(super) params: Params,
    secrets: Secrets,
    pub(super) counters: Counters,
}

/// The work since the pool started.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hashes: AtomicU64,
    pub(super) argon2_kib: AtomicU64,
    pub(super) bcrypts: AtomicU64,
    #[cfg(feature = "legacy-hashes")]
    pub(super) legacy: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) jobs: AtomicU64,
    /// Nanoseconds that all jobs waited for a thread.
    pub(super) waited_nanos: AtomicU64,
    /// A running average of the nanoseconds of one job.
    pub(super) job_nanos: AtomicU64,
}

/// The cost of one hash with these parameters, in blocks computed.
pub(super) fn cost(params: &Params) -> u64 {
    (params.block_count() as u64).saturating_mul(params.t_cost().into())
}

impl Settings {
    fn new(policy: HashingPolicy, secrets: Secrets) -> Result<Self, argon2::Error> {
        let mut builder = ParamsBuilder::new();
        builder
            .m_cost(policy.memory_kib)
            .t_cost(policy.iterations)
            .p_cost(policy.parallelism)
            .output_len(OUTPUT_BYTES);
        if let Some(pepper) = &secrets.pepper {
            builder.keyid(pepper.key_id()?);
        }
        Ok(Self { policy, params: builder.build()?, secrets, counters: Counters::default() })
    }

    /// The settings of a policy without problems.
    pub(super) fn checked(policy: &HashingPolicy, secrets: Secrets) -> Result<Self, HashingError> {
        let problems = policy.problems();
        if !problems.is_empty() {
            let texts: Vec<_> = problems.iter().map(|(field, text)| format!("{field} {text}")).collect();
            return Err(HashingError::Policy(texts.join("; ")));
        }
        Self::new(policy.clone(), secrets).map_err(|error| HashingError::Policy(error.to_string()))
    }

    /// The pepper that these parameters name; `None` if it is not known.
    pub(super) fn pepper_secret(&self, params: &Params) -> Option<&[u8]> {
        if params.keyid().is_empty() {
            return Some(&[]);
        }
        self.secrets.pepper.as_ref()?.secret(params.keyid())
    }

    /// The signer key of the Firebase project that hashes were imported from, if any.
    #[cfg(feature = "legacy-hashes")]
    pub(super) const fn signer_key(&self) -> Option<&FirebaseSignerKey> {
        self.secrets.signer_key.as_ref()
    }
}

impl Counters {
    pub(super) fn waited(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.waited_nanos.fetch_add(nanos, Relaxed);
        self.jobs.fetch_add(1, Relaxed);
    }

    /// Moves the average an eighth of the way. Concurrent threads may lose an update: it is an estimate.
    pub(super) fn average(&self, job: Duration) {
        let nanos = u64::try_from(job.as_nanos()).unwrap_or(u64::MAX);
        let before = self.job_nanos.load(Relaxed);
        let after = if before == 0 { nanos } else { before - before / 8 + nanos / 8 };
        self.job_nanos.store(after, Relaxed);
    }
}
