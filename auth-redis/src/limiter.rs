use std::time::Duration;

use async_trait::async_trait;
use auth_core::{AcquireOutcome, Bucket, RandomSource as _, RateLimiter, Rule, StoreError, SystemRandom};

use crate::connection::{Connection, Lost, Repeat};
use crate::counting::{Act, Count, reservation};
use crate::{ConnectError, OutagePolicy, address};

/// How long a call may take if nothing else is said: a thousand times what it takes in one data centre,
/// and less than a person notices of a log-in.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a rule that makes no sense answers: come back later, forever.
const NEVER: AcquireOutcome = AcquireOutcome::Refused { retry_after: Duration::from_mins(1) };

/// Counts requests in Redis or Valkey, for any number of servers.
///
/// [`Rule::Quota`] is GCRA in whole microseconds, [`Rule::ConsecutiveFailures`] a counter; each call is one script on
/// one key, by the clock of Redis.
///
/// - A place given back before anything else was taken leaves no trace. Otherwise the part of it that
///   time had freed already is freed again: no more than for how long it was held, and never more places
///   than the rule has.
/// - A streak's wait starts with its last free try. It is forgotten when nobody has tried for as long as
///   the free tries would have taken at the pace after them (`failures` times `then_every`, at least a
///   day): pausing gains an attacker nothing over going on.
/// - A rule with a `count`, `window` or `then_every` of zero grants nothing.
/// - A call takes 500 ms at most ([`patience`](Self::patience)); after one without an answer others fail
///   at once for a second. A call other than a release whose connection breaks is tried once more
///   on a new one; a place that was taken and not told stays taken. What is given back is not tried again.
/// - While Redis does not answer, reservations get what the [`OutagePolicy`] says and everything else
///   fails. A place that was granted uncounted can still be given back later; that frees one at most of
///   those that others took.
///
/// # Security
///
/// A key is the limit's name and the keyed hash of whom it counts: neither address nor account can be read
/// from it, and two services with secrets of their own share no bucket. Who can write to Redis can reset
/// every limit.
///
/// # Examples
///
/// ```no_run
/// use auth_core::{Auth, Mailbox, MemoryStore};
/// use auth_redis::RedisLimiter;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = RedisLimiter::connect("redis://:password@127.0.0.1:6379/0").await?;
/// let store = MemoryStore::new(); // yours is shared
/// let auth = Auth::builder(store, Mailbox::new())
///     .secret("q8Jv0Yf2mZr7LwXs4TbNcPd1HgKe9UaR")
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
    /// Connects to a server and sees that it counts: `redis://user:password@host:6379/0`, `rediss://` for
    /// TLS, `unix:///path?db=0&pass=password`, or the same with `valkey`.
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
        // All it takes to count: the script, its reading and its writing. In a bucket that nobody else uses: one that
        // was full would be read only, which a replica does too.
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

    /// Another answer than [`OutagePolicy::default`] while Redis is away.
    #[must_use]
    pub fn outage(mut self, policy: OutagePolicy) -> Self {
        self.outage = policy;
        self
    }

    /// How long a call may take, instead of 500 ms.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Does something to a bucket; says whether and how it stands then, or nothing where the rule makes no
    /// sense.
    async fn ask(&self, act: Act, bucket: &Bucket, rule: &Rule) -> Result<Option<AcquireOutcome>, Lost> {
        let Some(count) = Count::of(rule) else { return Ok(None) };
        let repeat = if act == Act::Release { Repeat::Never } else { Repeat::Once };
        let answer = self.connection.ask(&count.call(act, bucket), repeat, self.patience).await?;
        Ok(Some(reservation(answer)))
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn acquire(&self, bucket: &Bucket, rule: &Rule) -> Result<AcquireOutcome, StoreError> {
        match self.ask(Act::Acquire, bucket, rule).await {
            Ok(reservation) => Ok(reservation.unwrap_or(NEVER)),
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
