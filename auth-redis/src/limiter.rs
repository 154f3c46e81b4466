//! `RedisLimiter`: rate limits that several servers share.

use std::time::Duration;

use async_trait::async_trait;
use auth_core::{AcquireOutcome, Bucket, RandomSource as _, RateLimiter, Rule, StoreError, SystemRandom};

use crate::connection::{Connection, Lost, Repeat};
use crate::counting::{Act, Count, outcome};
use crate::{ConnectError, OutagePolicy, address};

/// Limits the time of a call by default: a thousand times a call within one data centre, and too short to
/// notice at a log-in.
const PATIENCE: Duration = Duration::from_millis(500);

/// The outcome of a rule with a zero: it never grants.
const NEVER: AcquireOutcome = AcquireOutcome::Refused { retry_after: Duration::from_mins(1) };

/// Counts requests in Redis or Valkey, for any number of servers.
///
/// [`Rule::Quota`] is GCRA in whole microseconds, and [`Rule::ConsecutiveFailures`] a counter. Each call is
/// one script on one key, by the clock of Redis.
///
/// - A permit that is released before another is acquired leaves no trace. Otherwise the part of it that
///   time had freed already is freed twice: no more than for the time that it was held, and never more
///   permits than the rule has.
/// - The wait after consecutive failures starts with the last free try. They expire after a pause of
///   `failures` times `then_every`, and at least a day: an attacker gains nothing by pausing.
/// - A rule with a `count`, `window` or `then_every` of zero grants nothing.
/// - A call takes at most 500 ms ([`patience`](Self::patience)). After a call without an answer, others fail
///   at once for a second.
/// - If the connection breaks, a call is repeated once on a new connection, except a release. A permit
///   whose answer was lost stays acquired.
/// - While Redis does not answer, the [`OutagePolicy`] decides about `acquire`, and every other call fails.
///   If an uncounted permit is released later, at most one permit of another caller becomes free.
///
/// # Security
///
/// A key is the name of a limit and the keyed hash of its subject. It reveals neither address nor account,
/// and two services with different secrets share no bucket. Anyone who can write to Redis can reset every
/// limit.
///
/// # Examples
///
/// ```no_run
/// use auth_core::{Auth, Mailbox, MemoryStore};
/// use auth_redis::RedisLimiter;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RedisLimiter::connect("redis://:password@127.0.0.1:6379/0").await?;
/// let store = MemoryStore::new(); // in production, a store that the servers share
/// let auth = Auth::builder(store, Mailbox::new())
///     .secret(std::env::var("AUTH_SECRET")?)
///     .rate_limiter(limiter)
///     .build()?;
/// # drop(auth);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RedisLimiter {
    connection: Connection,
    patience: Duration,
    outage: OutagePolicy,
}

impl RedisLimiter {
    /// Connects to a server and checks that it can count.
    ///
    /// The URL is `redis://user:password@host:6379/0`, `rediss://` for TLS, `unix:///path?db=0&pass=password`,
    /// or the same with `valkey`.
    ///
    /// # Errors
    ///
    /// - [`ConnectError`], within five seconds. It never holds the password.
    ///
    /// # Security
    ///
    /// TLS always checks the certificate and the name, against the system's authorities or against those
    /// of the file in `?ca=FILE` alone. Without TLS the password and the counts travel in clear text.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let client = address::client(url)?;
        // The probe runs the script, which reads and writes. It uses a new bucket: a full bucket is only
        // read, which a replica can do as well.
        let probe = Count::Quota { count: 1, interval: 1000 };
        let mut key = [0; 16];
        SystemRandom.fill(&mut key).map_err(|error| ConnectError::Unreachable(Box::new(error)))?;
        let probe = probe.call(Act::Acquire, &Bucket { limit: "connect", key });
        let connection = Connection::open(client, &probe).await.map_err(|lost| match lost {
            Lost::Failed(error) => error.into(),
            silent => ConnectError::Unreachable(Box::new(silent)),
        })?;
        Ok(Self { connection, patience: PATIENCE, outage: OutagePolicy::default() })
    }

    /// Sets the policy while Redis does not answer, instead of [`OutagePolicy::default`].
    #[must_use]
    pub fn outage(mut self, policy: OutagePolicy) -> Self {
        self.outage = policy;
        self
    }

    /// Sets the longest time of a call, instead of 500 ms.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Calls the script of a rule. Returns `None` if the rule has a zero.
    async fn ask(&self, act: Act, bucket: &Bucket, rule: &Rule) -> Result<Option<AcquireOutcome>, Lost> {
        let Some(count) = Count::of(rule) else { return Ok(None) };
        let repeat = if act == Act::Release { Repeat::Never } else { Repeat::Once };
        let answer = self.connection.ask(&count.call(act, bucket), repeat, self.patience).await?;
        Ok(Some(outcome(answer)))
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn acquire(&self, bucket: &Bucket, rule: &Rule) -> Result<AcquireOutcome, StoreError> {
        match self.ask(Act::Acquire, bucket, rule).await {
            Ok(outcome) => Ok(outcome.unwrap_or(NEVER)),
            Err(_) if self.outage.is_open(bucket.limit) => {
                Ok(Count::of(rule).map_or(NEVER, Count::of_a_fresh_bucket))
            }
            Err(lost) => Err(lost.into()),
        }
    }

    async fn release(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError> {
        self.ask(Act::Release, bucket, rule).await?;
        Ok(())
    }

    async fn reset(&self, bucket: &Bucket, rule: &Rule) -> Result<(), StoreError> {
        self.ask(Act::Reset, bucket, rule).await?;
        Ok(())
    }
}
