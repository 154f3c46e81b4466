//! Password hashes, computed by a bounded pool of threads.

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
mod engine;
mod memory;
mod pepper;
mod policy;
mod priority;
mod settings;
mod stored;
mod threads;

use engine::{Engine, is_hashable};
pub use pepper::{Pepper, PepperError};
pub use policy::{BcryptImport, CostFloor, HashingPolicy};
use settings::{FreshSalt, SALT_BYTES, Settings};
use stored::Stored;
use threads::{Full, Job, Threads};

/// Why no hash was computed. Nothing was decided about the password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashingError {
    /// As many are waiting as the policy allows.
    #[error("too many password hashes are waiting")]
    Busy {
        /// When there is probably room again.
        retry_after: Duration,
    },
    /// An empty password, or one of more than [`MAX_PASSWORD_BYTES`] bytes, has no hash.
    #[error("a password to be hashed has 1 to {MAX_PASSWORD_BYTES} bytes")]
    PasswordLength,
    /// No salt could be drawn.
    #[error("no salt could be drawn")]
    Random(#[from] RandomError),
    /// There was not enough memory, or the computation panicked. The pool goes on.
    #[error("the password hash could not be computed")]
    Failed,
    /// The policy cannot be used; the text names each field and its problem.
    #[error("the hashing policy cannot be used: {0}")]
    Policy(String),
    /// The operating system gave no thread.
    #[error("no thread could be started")]
    Threads(#[source] std::io::Error),
}

/// What a verification found.
#[derive(Debug)]
#[must_use = "a password that was not compared proves nothing"]
pub enum Verified {
    /// The password is the right one.
    Match,
    /// The password is the right one, and here is a better hash of it, made with the current
    /// parameters and pepper, for the store to keep instead.
    MatchOutdated(PasswordHash),
    /// The password is wrong, or there is none.
    NoMatch,
}

/// What a pool did since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HashingStats {
    /// Argon2 work, in hashes of the current parameters; the work of each call is rounded to the
    /// nearest whole number.
    pub hashes: u64,
    /// The same work in KiB written: memory times passes, summed up.
    pub argon2_kib: u64,
    /// Work of [`BcryptImport::Accept`], in bcrypts of the accepted cost.
    pub bcrypts: u64,
    /// Requests that were given up by their callers before a thread came to them, and cost nothing.
    pub skipped: u64,
    /// Requests that were turned away as [`Busy`](HashingError::Busy).
    pub refused: u64,
    /// Requests that a thread came to.
    pub jobs: u64,
    /// How long those waited for it, in sum.
    pub waited: Duration,
    /// Requests waiting for a thread now.
    pub queued: usize,
}

/// Hashes and verifies passwords on threads of its own: never on an async worker, never more at once
/// than the policy says, never with more memory than it allows.
///
/// Each thread keeps the memory of one hash and reuses it. A clone is another handle to the same
/// pool; the threads end when the last handle is gone. A call whose future is dropped while it waits
/// is skipped.
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

/// No result: out of memory, or refused by the algorithm.
#[derive(Debug, Clone, Copy)]
struct Failed;

impl From<argon2::Error> for Failed {
    fn from(_: argon2::Error) -> Self {
        Self
    }
}

impl HashingPool {
    /// Starts the threads, which take their memory at once and keep it.
    ///
    /// # Errors
    ///
    /// - [`HashingError::Policy`] when the policy is below the recommended cost or contradicts itself.
    /// - [`HashingError::Threads`] when the operating system gives no thread.
    pub fn start(
        policy: &HashingPolicy,
        pepper: Option<Pepper>,
        random: Arc<dyn RandomSource>,
    ) -> Result<Self, HashingError> {
        let settings = Arc::new(Settings::checked(policy, pepper)?);
        let threads = Threads::start(&settings).map_err(HashingError::Threads)?;
        Ok(Self { shared: Arc::new(Shared { settings, random, threads }) })
    }

    /// Hashes a password with Argon2id, a fresh salt and the current parameters and pepper.
    ///
    /// # Errors
    ///
    /// - [`HashingError::PasswordLength`] for an empty or over-long password.
    /// - [`HashingError::Busy`], [`Random`](HashingError::Random) or [`Failed`](HashingError::Failed),
    ///   as each says.
    pub async fn hash(&self, password: &Password) -> Result<PasswordHash, HashingError> {
        if !is_hashable(password) {
            return Err(HashingError::PasswordLength);
        }
        let (password, salt) = (password.clone(), self.fresh_salt()?);
        self.submit(move |engine| engine.hash(&password, &salt)).await
    }

    /// Compares a password with a stored hash. Give `None` for an unknown user, or for one without a
    /// password.
    ///
    /// An empty or over-long password never matches.
    ///
    /// # Security
    ///
    /// A call that does not match costs one hash with the current parameters, whatever the reason:
    /// no user, no password, an over-long password, a text that is no hash or asks for more than the
    /// policy accepts, the wrong password, or the wrong password against an older, cheaper hash, where
    /// the missing work is done besides. With [`BcryptImport::Accept`] it costs one bcrypt more, for
    /// every user. So time does not tell whether a user exists. Stated limit: an imported hash that is
    /// *stronger* than the current parameters takes its longer time. A match with an outdated hash
    /// costs the old hash and the new one; only who knows the password sees that.
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
        let (password, stored, salt) = (password.clone(), stored.cloned(), self.fresh_salt()?);
        self.submit(move |engine| engine.verify(&password, stored.as_ref(), &salt)).await
    }

    /// Whether some password could match this stored hash: it is one, of an accepted kind, and asks for no
    /// more than the policy allows. For checking hashes of another system before they are imported.
    pub fn accepts(&self, stored: &PasswordHash) -> bool {
        Stored::read(stored.expose(), &self.shared.settings).is_some()
    }

    /// What the pool did so far.
    pub fn stats(&self) -> HashingStats {
        let counters = &self.shared.settings.counters;
        HashingStats {
            hashes: counters.hashes.load(Relaxed),
            argon2_kib: counters.argon2_kib.load(Relaxed),
            bcrypts: counters.bcrypts.load(Relaxed),
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

    /// Queues a job and waits for its answer. A job that panics drops its end of the channel.
    async fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Engine) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, HashingError> {
        let (answer, answered) = oneshot::channel();
        let settings = Arc::clone(&self.shared.settings);
        let asked_at = SystemClock.monotonic();
        let job: Job = Box::new(move |engine| {
            if answer.is_closed() {
                settings.counters.skipped.fetch_add(1, Relaxed);
            } else {
                settings.counters.waited(SystemClock.monotonic().saturating_sub(asked_at));
                // Nobody waiting any more is no error.
                let _ = answer.send(engine.work(job));
            }
        });
        self.shared.threads.push(job).map_err(|Full| self.busy())?;
        match answered.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(Failed)) | Err(_) => Err(HashingError::Failed),
        }
    }

    /// Turns away what [`hash`](Self::hash) and [`verify`](Self::verify) would turn away now, before anything
    /// else is done for it.
    pub(crate) fn admit(&self) -> Result<(), HashingError> {
        if self.shared.threads.are_full() { Err(self.busy()) } else { Ok(()) }
    }

    fn busy(&self) -> HashingError {
        self.shared.settings.counters.refused.fetch_add(1, Relaxed);
        HashingError::Busy { retry_after: self.retry_after() }
    }

    /// How long it takes to empty the queue, and not less than a second, the unit of `Retry-After`.
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
