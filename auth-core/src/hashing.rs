//! Password hashes, computed by a pool with a fixed number of threads.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::{Clock as _, SystemClock};
use crate::crypto::random::{RandomError, RandomSource};
use crate::user::PasswordHash;
use crate::user::password::{MAX_PASSWORD_BYTES, Password};

mod bcrypt;
mod comparison;
mod engine;
#[cfg(all(test, shuttle))]
mod interleavings;
#[cfg(feature = "legacy-hashes")]
mod legacy;
mod memory;
mod pepper;
mod policy;
mod priority;
mod queue;
mod settings;
mod stored;
mod threads;

use engine::{Engine, is_hashable};
#[cfg(feature = "legacy-hashes")]
pub use legacy::{
    FirebaseSignerKey, LegacyAlgorithm, LegacyCost, LegacyHashes, LegacyHashesError, SignerKeyError,
};
pub use pepper::{Pepper, PepperError};
pub use policy::{BcryptImport, CostFloor, HashingPolicy};
pub(crate) use queue::Share;
use settings::{FreshSalt, SALT_BYTES, Secrets, Settings};
use stored::Stored;
pub use stored::{HashKind, UnusableHash};
use threads::{Full, Job, Threads};

/// The reason why no hash was computed. It says nothing about the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashingError {
    /// The queue has no place: it is full, and no other account or network would still have more requests in it.
    #[error("too many password hashes are waiting")]
    Busy {
        /// The time until the queue probably has room.
        retry_after: Duration,
    },
    /// The password is empty or longer than [`MAX_PASSWORD_BYTES`] bytes.
    #[error("only a password of 1 to {MAX_PASSWORD_BYTES} bytes can be hashed")]
    PasswordLength,
    /// The random source gave no salt.
    #[error("the random source gave no salt")]
    Random(#[from] RandomError),
    /// There was not enough memory, or the computation panicked. The pool keeps working.
    #[error("the password hash could not be computed")]
    Failed,
    /// The policy is not usable. The text names each field and its problem.
    #[error("the hashing policy is not usable: {0}")]
    Policy(String),
    /// The operating system started no thread.
    #[error("the operating system started no hashing thread")]
    Threads(#[source] std::io::Error),
}

/// The result of a verification.
#[derive(Debug)]
#[must_use = "only `Match` and `MatchOutdated` prove the password"]
pub enum Verified {
    /// The password is right, and the stored hash stays: it is good, or it is a bcrypt hash that does not distinguish this
    /// password from others.
    Match,
    /// The password is right, and this is a better hash of it for the store, made with the current
    /// parameters and pepper.
    MatchOutdated(PasswordHash),
    /// The password is wrong, or there is no stored hash that could match.
    NoMatch,
}

/// Counts the work of a pool since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashingStats {
    /// Argon2 work, in hashes of the current parameters. The work of each call is rounded to the nearest
    /// whole number.
    pub hashes: u64,
    /// The same work in KiB: the sum of memory times passes.
    pub argon2_kib: u64,
    /// Work of [`BcryptImport::Accept`], in bcrypts of the accepted cost.
    pub bcrypts: u64,
    /// Work of [`LegacyHashes`], the sum of the accepted costs.
    #[cfg(feature = "legacy-hashes")]
    pub legacy: u64,
    /// Requests whose callers gave up before a thread began. They cost nothing.
    pub skipped: u64,
    /// Requests that were refused as [`Busy`](HashingError::Busy).
    pub refused: u64,
    /// Requests that a thread began.
    pub jobs: u64,
    /// The sum of their waits for a thread.
    pub waited: Duration,
    /// Requests that wait for a thread now.
    pub queued: usize,
}

/// Hashes and verifies passwords on its own threads.
///
/// The policy limits the concurrent hashes and their memory, and no hash runs on an async worker. Each
/// thread reuses the memory of one hash. A clone is another handle to the same pool. The threads end when
/// the last handle is dropped. If the future of a waiting call is dropped, the call is skipped.
///
/// # Examples
///
/// ```
/// # use std::sync::Arc;
/// # use auth_core::{HashingPolicy, HashingPool, Password, SystemRandom, Verified};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), auth_core::HashingError> {
/// let pool = HashingPool::start(&HashingPolicy::default(), None, Arc::new(SystemRandom))?;
/// let password = Password::new("correct horse battery staple");
/// let hash = pool.hash(&password).await?;
/// assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
/// assert!(matches!(pool.verify(&password, Some(&hash)).await?, Verified::Match));
/// assert!(matches!(pool.verify(&Password::new("wrong"), Some(&hash)).await?, Verified::NoMatch));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HashingPool {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Arc<Settings>,
    random: Arc<dyn RandomSource>,
    threads: Threads,
}

/// A computation without result: out of memory, or refused by the algorithm.
#[derive(Debug, Clone, Copy)]
struct Failed;

/// Why a job that was queued has no result.
#[derive(Debug, Clone, Copy)]
enum NoResult {
    Failed,
    /// Its place in the queue went to a job of another account and network.
    Displaced,
}

impl From<Failed> for NoResult {
    fn from(_: Failed) -> Self {
        Self::Failed
    }
}

impl From<argon2::Error> for Failed {
    fn from(_: argon2::Error) -> Self {
        Self
    }
}

impl HashingPool {
    /// Starts the threads. Each allocates its memory at once, for its whole lifetime.
    ///
    /// # Errors
    ///
    /// - [`HashingError::Policy`] if the policy is below the recommended cost or contradicts itself.
    /// - [`HashingError::Threads`] if the operating system starts no thread.
    pub fn start(
        policy: &HashingPolicy,
        pepper: Option<Pepper>,
        random: Arc<dyn RandomSource>,
    ) -> Result<Self, HashingError> {
        Self::start_with(policy, Secrets::of(pepper), random)
    }

    /// As [`start`](Self::start), with the signer key of the Firebase project that hashes were imported from.
    ///
    /// # Errors
    ///
    /// - As of [`start`](Self::start).
    #[cfg(feature = "legacy-hashes")]
    pub fn start_with_signer_key(
        policy: &HashingPolicy,
        pepper: Option<Pepper>,
        signer_key: Option<FirebaseSignerKey>,
        random: Arc<dyn RandomSource>,
    ) -> Result<Self, HashingError> {
        Self::start_with(policy, Secrets { pepper, signer_key }, random)
    }

    fn start_with(
        policy: &HashingPolicy,
        secrets: Secrets,
        random: Arc<dyn RandomSource>,
    ) -> Result<Self, HashingError> {
        let settings = Arc::new(Settings::checked(policy, secrets)?);
        let threads = Threads::start(&settings).map_err(HashingError::Threads)?;
        Ok(Self { shared: Arc::new(Shared { settings, random, threads }) })
    }

    /// Hashes a password with Argon2id, a fresh salt and the current parameters and pepper.
    ///
    /// # Errors
    ///
    /// - [`HashingError::PasswordLength`] if the password is empty or too long.
    /// - [`HashingError::Busy`], [`Random`](HashingError::Random) or [`Failed`](HashingError::Failed),
    ///   as each says.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, HashingError> {
        self.hash_for(Share::default(), password).await
    }

    /// As [`hash`](Self::hash), with the share of an account and a network in the queue.
    pub(crate) async fn hash_for(
        &self,
        share: Share,
        password: &Password,
    ) -> Result<PasswordHash, HashingError> {
        if !is_hashable(password) {
            return Err(HashingError::PasswordLength);
        }
        let (password, salt) = (password.clone(), self.fresh_salt()?);
        self.submit(share, move |engine| engine.hash(&password, &salt)).await
    }

    /// Compares a password with a stored hash. Pass `None` for an unknown user or a user without password.
    ///
    /// An empty or too long password never matches.
    ///
    /// # Security
    ///
    /// A call that does not match always costs one hash with the current parameters, so its time does not
    /// reveal whether a user exists. The reason may be no user, no password, a too long password, a text
    /// that is no hash or asks for more than the policy accepts, or a wrong password. Against an older,
    /// cheaper hash, the missing work is added. With [`BcryptImport::Accept`], every call costs one bcrypt
    /// more, and likewise with each accepted legacy hash.
    ///
    /// Stated limits: an imported hash that is *stronger* than the current parameters takes longer. A match
    /// with an outdated hash costs the old hash and the new one, which only a caller with the right
    /// password sees.
    ///
    /// # Errors
    ///
    /// - [`HashingError::Busy`], [`Random`](HashingError::Random) or [`Failed`](HashingError::Failed),
    ///   as each says. None of them says that the password is wrong.
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verified, HashingError> {
        self.verify_for(Share::default(), password, stored).await
    }

    /// As [`verify`](Self::verify), with the share of an account and a network in the queue.
    pub(crate) async fn verify_for(
        &self,
        share: Share,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verified, HashingError> {
        let (password, stored, salt) = (password.clone(), stored.cloned(), self.fresh_salt()?);
        self.submit(share, move |engine| engine.verify(&password, stored.as_ref(), &salt)).await
    }

    /// Whether a password could match this stored hash: see [`examine`](Self::examine).
    pub fn accepts(&self, stored: &PasswordHash) -> bool {
        self.examine(stored).is_ok()
    }

    /// Returns the kind of a stored hash that a password could match, without any hashing.
    ///
    /// Use it to check hashes of another system before their import.
    ///
    /// # Errors
    ///
    /// - [`UnusableHash`] if the text never matches: it is no hash of an accepted kind within the limits of the policy.
    pub fn examine(&self, stored: &PasswordHash) -> Result<HashKind, UnusableHash> {
        Stored::read(stored.expose(), &self.shared.settings).map(|stored| stored.kind())
    }

    /// Returns the counts since the start.
    pub fn stats(&self) -> HashingStats {
        let counters = &self.shared.settings.counters;
        HashingStats {
            hashes: counters.hashes.load(Relaxed),
            argon2_kib: counters.argon2_kib.load(Relaxed),
            bcrypts: counters.bcrypts.load(Relaxed),
            #[cfg(feature = "legacy-hashes")]
            legacy: counters.legacy.load(Relaxed),
            skipped: counters.skipped.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            jobs: counters.jobs.load(Relaxed),
            waited: Duration::from_nanos(counters.waited_nanos.load(Relaxed)),
            queued: self.shared.threads.queued(),
        }
    }

    fn fresh_salt(&self) -> Result<FreshSalt, RandomError> {
        let mut salt = [0; SALT_BYTES];
        self.shared.random.fill(&mut salt)?;
        Ok(salt)
    }

    /// Queues a job and waits for its answer. If the job panics, its end of the channel is dropped.
    async fn submit<T: Send + 'static>(
        &self,
        share: Share,
        job: impl FnOnce(&mut Engine) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, HashingError> {
        let (answer, answered) = oneshot::channel();
        let settings = Arc::clone(&self.shared.settings);
        let asked_at = SystemClock.monotonic();
        let job: Job = Box::new(move |engine| {
            // It is no error if the caller stopped waiting.
            let _ = match engine {
                None => answer.send(Err(NoResult::Displaced)),
                Some(_) if answer.is_closed() => {
                    settings.counters.skipped.fetch_add(1, Relaxed);
                    return;
                }
                Some(engine) => {
                    settings.counters.waited(SystemClock.monotonic().saturating_sub(asked_at));
                    answer.send(engine.work(job).map_err(NoResult::from))
                }
            };
        });
        self.shared.threads.push(share, job).map_err(|Full| self.busy())?;
        match answered.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(NoResult::Displaced)) => Err(self.busy()),
            Ok(Err(NoResult::Failed)) | Err(_) => Err(HashingError::Failed),
        }
    }

    /// Refuses a request of a share that would get no place in the queue now, before other work is done for
    /// it.
    pub(crate) fn admit(&self, share: Share) -> Result<(), HashingError> {
        if self.shared.threads.are_full_for(share) { Err(self.busy()) } else { Ok(()) }
    }

    fn busy(&self) -> HashingError {
        self.shared.settings.counters.refused.fetch_add(1, Relaxed);
        HashingError::Busy { retry_after: self.retry_after() }
    }

    /// The time to empty the queue, and at least a second, the unit of `Retry-After`.
    fn retry_after(&self) -> Duration {
        let settings = &self.shared.settings;
        let average = Duration::from_nanos(settings.counters.job_nanos.load(Relaxed));
        let rounds = settings.policy.queue / settings.policy.threads.max(1) + 1;
        average.saturating_mul(rounds).max(Duration::from_secs(1))
    }
}

impl fmt::Debug for HashingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashingPool")
            .field("policy", &self.shared.settings.policy)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
