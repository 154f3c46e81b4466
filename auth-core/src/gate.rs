//! The gate before each flow: reserves places in rate limits before any work, and gives them back.

use std::time::Duration;

use crate::access_token::AccessClaims;
use crate::auth::Inner;
use crate::client::Client;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::limiter::{Bucket, LimitStatus, Reservation, Rule};

/// One limit to count against, for whom.
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    bucket: Bucket,
    rule: Rule,
}

impl Limit {
    /// A limit counted per client address; `None` where the policy has none.
    pub(crate) fn client(
        auth: &Inner,
        name: &'static str,
        rule: Option<Rule>,
        client: &Client,
    ) -> Option<Self> {
        Self::keyed(auth, name, rule, &[&client.network()])
    }

    /// A limit counted per some other identifiers.
    pub(crate) fn keyed(
        auth: &Inner,
        name: &'static str,
        rule: Option<Rule>,
        parts: &[&[u8]],
    ) -> Option<Self> {
        rule.map(|rule| Self { bucket: Bucket { limit: name, key: auth.derived.bucket(name, parts) }, rule })
    }

    /// Lets the client see how the limit stands. A streak is never shown: it counts an account from
    /// wherever, so its falling and rising would tell that the account exists and is used.
    fn show(&self, client: &Client, remaining: u32, reset_after: Duration) {
        if let Rule::Quota { count, window } = self.rule {
            client.note_limit(LimitStatus { name: self.bucket.limit, count, window, remaining, reset_after });
        }
    }
}

/// Why the gate stayed shut.
#[derive(Debug)]
pub(crate) enum Shut {
    /// A limit is used up; nothing was counted.
    Limited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The limiter failed.
    Failed(Failure),
}

/// Implements the conversions from [`Shut`] and from a failing store for a flow's error enum.
macro_rules! from_shut {
    ($error:ty) => {
        impl From<crate::store::StoreError> for $error {
            fn from(error: crate::store::StoreError) -> Self {
                Self::Failed(error.into())
            }
        }

        impl From<crate::gate::Shut> for $error {
            fn from(shut: crate::gate::Shut) -> Self {
                match shut {
                    crate::gate::Shut::Limited { retry_after } => Self::RateLimited { retry_after },
                    crate::gate::Shut::Failed(failure) => Self::Failed(failure),
                }
            }
        }
    };
}
pub(crate) use from_shut;

/// Places taken for one request. Dropped without more, they stay taken: the safe side for a request
/// whose client went away in the middle.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Places(Vec<Limit>);

impl Places {
    /// The places in the limit of this name, to be given back; the others stay taken.
    pub(crate) fn of(mut self, name: &str) -> Self {
        self.0.retain(|limit| limit.bucket.limit == name);
        self
    }
}

impl Inner {
    /// Takes a place in every limit or in none, and notes their state for the client to see.
    pub(crate) async fn reserve<const N: usize>(
        &self,
        client: &Client,
        limits: [Option<Limit>; N],
    ) -> Result<Places, Shut> {
        let mut taken = Places::default();
        for limit in limits.into_iter().flatten() {
            let reservation = match self.limiter.reserve(&limit.bucket, &limit.rule).await {
                Ok(reservation) => reservation,
                Err(error) => {
                    self.give_back(taken, client).await;
                    return Err(Shut::Failed(error.into()));
                }
            };
            match reservation {
                Reservation::Granted { remaining, reset_after } => {
                    limit.show(client, remaining, reset_after);
                    taken.0.push(limit);
                }
                Reservation::Refused { retry_after } => {
                    limit.show(client, 0, retry_after);
                    self.emit(client, EventKind::RateLimited { limit: limit.bucket.limit });
                    self.give_back(taken, client).await;
                    return Err(Shut::Limited { retry_after });
                }
            }
        }
        Ok(taken)
    }

    /// Takes a place in a limit that must stay silent; says whether there was one.
    pub(crate) async fn reserve_silently(
        &self,
        client: &Client,
        limit: Option<Limit>,
    ) -> Result<bool, Failure> {
        let Some(limit) = limit else { return Ok(true) };
        match self.limiter.reserve(&limit.bucket, &limit.rule).await? {
            Reservation::Granted { .. } => Ok(true),
            Reservation::Refused { .. } => {
                self.emit(client, EventKind::RateLimited { limit: limit.bucket.limit });
                Ok(false)
            }
        }
    }

    /// Lets the client see how limits stand that this request was not counted against: those per
    /// client address by name, and with claims the one on password changes.
    pub(crate) async fn look_at_limits(
        &self,
        names: &[&str],
        claims: Option<&AccessClaims>,
        client: &Client,
    ) {
        let counted = client.limits();
        for (name, rule) in self.policy.limits.named() {
            if !names.contains(&name) || counted.iter().any(|status| status.name == name) {
                continue;
            }
            let limit = match claims {
                Some(claims) if name == "change_password" => {
                    let parts: [&[u8]; 2] = [claims.user_id.as_bytes(), claims.session_id.as_bytes()];
                    Limit::keyed(self, name, rule, &parts)
                }
                _ if name.ends_with("_client") => Limit::client(self, name, rule, client),
                _ => None,
            };
            if let Some(limit) = limit {
                self.look(&limit, client).await;
            }
        }
    }

    /// Shows how a limit stands: as a place taken now would leave it, and that place more.
    async fn look(&self, limit: &Limit, client: &Client) {
        let Rule::Quota { count, window } = limit.rule else { return };
        match self.limiter.look(&limit.bucket, &limit.rule).await {
            Ok(Reservation::Granted { remaining, reset_after }) => {
                let one = window.checked_div(count).unwrap_or_default();
                limit.show(client, remaining.saturating_add(1).min(count), reset_after.saturating_sub(one));
            }
            Ok(Reservation::Refused { retry_after }) => limit.show(client, 0, retry_after),
            // Nothing was asked of the limiter that the answer depends on.
            Err(_) => {}
        }
    }

    /// Gives places back because the work turned out not to count. A limiter that fails here keeps
    /// them: the caller has its answer already.
    pub(crate) async fn give_back(&self, places: Places, client: &Client) {
        for limit in places.0 {
            let returned = self.limiter.give_back(&limit.bucket, &limit.rule).await;
            if returned.is_ok() {
                client.note_returned(limit.bucket.limit);
            }
            self.log_best_effort("give a rate limit place back", returned);
        }
    }

    /// Gives places back, and forgets everything counted in streaks among them.
    pub(crate) async fn give_back_and_end_streaks(&self, places: Places, client: &Client) {
        let (streaks, quotas) =
            places.0.into_iter().partition(|limit| matches!(limit.rule, Rule::ConsecutiveFailures { .. }));
        self.give_back(Places(quotas), client).await;
        for limit in streaks {
            self.forget(Some(limit)).await;
        }
    }

    /// Forgets everything counted in a limit.
    pub(crate) async fn forget(&self, limit: Option<Limit>) {
        if let Some(limit) = limit {
            let cleared = self.limiter.clear(&limit.bucket, &limit.rule).await;
            self.log_best_effort("clear a rate limit", cleared);
        }
    }
}
