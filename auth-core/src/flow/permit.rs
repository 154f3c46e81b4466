//! Permits: acquired before the work, then kept or released.

use crate::client::Client;
use crate::context::Context;
use crate::error::StoreError;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::limit::{AcquireOutcome, Bucket, Limit, LimitStatus, RateLimited, Rule};

/// The state of the rate limits that a request was counted against.
#[derive(Debug, Default)]
pub(crate) struct LimitReport(Vec<LimitStatus>);

impl LimitReport {
    /// The statuses, in the order in which the limits were counted.
    pub(crate) fn into_statuses(self) -> Vec<LimitStatus> {
        self.0
    }

    /// Notes the state of a limit, if it may be shown.
    fn note(&mut self, counted: &Counted, remaining: u32, reset_after: std::time::Duration) {
        let Rule::Quota { count, window } = counted.rule else { return };
        if counted.limit.shown() {
            self.0.retain(|noted| noted.limit != counted.limit);
            self.0.push(LimitStatus { limit: counted.limit, count, window, remaining, reset_after });
        }
    }

    /// Notes that a permit was returned.
    fn note_released(&mut self, counted: &Counted) {
        if let Some(status) = self.0.iter_mut().find(|status| status.limit == counted.limit) {
            status.remaining = status.remaining.saturating_add(1).min(status.count);
            status.reset_after = status.reset_after.saturating_sub(counted.rule.interval());
        }
    }
}

/// What a limited flow serves: the client, and the report on its rate limits so far.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) client: &'a Client,
    pub(crate) report: LimitReport,
}

impl<'a> Request<'a> {
    pub(crate) fn of(client: &'a Client) -> Self {
        Self { client, report: LimitReport::default() }
    }
}

/// One limit to count against, in one bucket; `None` where the policy switches it off.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    limit: Limit,
    bucket: Bucket,
    rule: Rule,
}

/// A limit by client address.
pub(crate) fn by_client(ctx: &Context, limit: Limit, client: &Client) -> Option<Counted> {
    by_key(ctx, limit, &[&client.network()])
}

/// A limit by other identifiers.
pub(crate) fn by_key(ctx: &Context, limit: Limit, parts: &[&[u8]]) -> Option<Counted> {
    let key = || ctx.bucket_key.bucket(limit.name(), parts);
    let rule = ctx.policy.limits.rule(limit)?;
    Some(Counted { limit, bucket: Bucket { limit: limit.name(), key: key() }, rule })
}

/// Failed log-ins of an account from one client.
pub(crate) fn log_in_account(ctx: &Context, account: &[u8], client: &Client) -> Option<Counted> {
    by_key(ctx, Limit::LogInAccount, &[account, &client.network()])
}

/// Failed log-ins in a row of an account, from any address.
pub(crate) fn log_in_consecutive_failures(ctx: &Context, account: &[u8]) -> Option<Counted> {
    by_key(ctx, Limit::LogInConsecutiveFailures, &[account])
}

/// Why no permit was granted.
#[derive(Debug)]
pub(crate) enum LimitError {
    /// A limit is used up; nothing was counted.
    RateLimited(RateLimited),
    /// The limiter failed.
    Failed(Failure),
}

/// Implements the conversions from [`LimitError`] and from a failing store for a flow's error enum.
macro_rules! from_limit_error {
    ($error:ty) => {
        impl From<crate::error::StoreError> for $error {
            fn from(error: crate::error::StoreError) -> Self {
                Self::Failed(error.into())
            }
        }

        impl From<crate::flow::permit::LimitError> for $error {
            fn from(error: crate::flow::permit::LimitError) -> Self {
                match error {
                    crate::flow::permit::LimitError::RateLimited(limited) => Self::RateLimited(limited),
                    crate::flow::permit::LimitError::Failed(failure) => Self::Failed(failure),
                }
            }
        }
    };
}
pub(crate) use from_limit_error;

/// The permits of one request. A dropped permit stays counted, which is the safe side for a request
/// whose client disconnected.
#[derive(Debug, Default)]
#[must_use = "`keep` the permit, or `release` it when the work did not count"]
pub(crate) struct Permit(Vec<Counted>);

/// Takes a permit of every limit, or of none.
pub(crate) async fn acquire<const N: usize>(
    ctx: &Context,
    request: &mut Request<'_>,
    limits: [Option<Counted>; N],
) -> Result<Permit, LimitError> {
    let mut permit = Permit::default();
    for counted in limits.into_iter().flatten() {
        match ctx.limiter.acquire(&counted.bucket, &counted.rule).await {
            Ok(AcquireOutcome::Granted { remaining, reset_after }) => {
                request.report.note(&counted, remaining, reset_after);
                permit.0.push(counted);
            }
            Ok(AcquireOutcome::Refused { retry_after }) => {
                request.report.note(&counted, 0, retry_after);
                ctx.emit(request.client, EventKind::RateLimited { limit: counted.limit });
                permit.release(ctx, request).await;
                return Err(LimitError::RateLimited(RateLimited { retry_after }));
            }
            Err(error) => {
                permit.release(ctx, request).await;
                return Err(LimitError::Failed(error.into()));
            }
        }
    }
    Ok(permit)
}

/// Counts one request by client address, whatever comes of it.
pub(crate) async fn count_by_client(
    ctx: &Context,
    request: &mut Request<'_>,
    limit: Limit,
) -> Result<(), LimitError> {
    let counted = by_client(ctx, limit, request.client);
    acquire(ctx, request, [counted]).await.map(Permit::keep)
}

/// Counts one mail to a mailbox without showing it; returns whether the mail may be sent.
pub(crate) async fn count_by_mailbox(
    ctx: &Context,
    client: &Client,
    limit: Limit,
    mailbox: &str,
) -> Result<bool, Failure> {
    let Some(counted) = by_key(ctx, limit, &[mailbox.as_bytes()]) else { return Ok(true) };
    match ctx.limiter.acquire(&counted.bucket, &counted.rule).await? {
        AcquireOutcome::Granted { .. } => Ok(true),
        AcquireOutcome::Refused { .. } => {
            ctx.emit(client, EventKind::RateLimited { limit });
            Ok(false)
        }
    }
}

/// Forgets everything counted in a limit.
pub(crate) async fn reset(ctx: &Context, counted: Option<Counted>) {
    if let Some(counted) = counted {
        let result = ctx.limiter.reset(&counted.bucket, &counted.rule).await;
        ctx.log_best_effort("reset a rate limit", result);
    }
}

impl Permit {
    /// Leaves the request counted.
    #[expect(clippy::unused_self, reason = "consumes the permit, which is all there is to do")]
    pub(crate) fn keep(self) {}

    /// Returns the permits because the work turned out not to count. If the limiter fails here the
    /// request stays counted, since the caller has its answer already.
    pub(crate) async fn release(self, ctx: &Context, request: &mut Request<'_>) {
        for counted in self.0 {
            let released = ctx.limiter.release(&counted.bucket, &counted.rule).await;
            if released.is_ok() {
                request.report.note_released(&counted);
            }
            log_release(ctx, released);
        }
    }

    /// Returns the permit of one limit and leaves the request counted against the others.
    pub(crate) async fn release_only(mut self, limit: Limit, ctx: &Context, request: &mut Request<'_>) {
        self.0.retain(|counted| counted.limit == limit);
        self.release(ctx, request).await;
    }

    /// Returns the permits after a success: quotas get theirs back, failures in a row are forgotten.
    pub(crate) async fn release_after_success(self, ctx: &Context, request: &mut Request<'_>) {
        let (failures, quotas) =
            self.0.into_iter().partition(|counted| matches!(counted.rule, Rule::ConsecutiveFailures { .. }));
        Self(quotas).release(ctx, request).await;
        for counted in failures {
            reset(ctx, Some(counted)).await;
        }
    }
}

fn log_release(ctx: &Context, released: Result<(), StoreError>) {
    ctx.log_best_effort("return a rate limit permit", released);
}
