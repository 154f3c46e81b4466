//! Permits: acquired before the work, then kept or released.

use crate::client::Client;
use crate::context::Context;
use crate::error::StoreError;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::limit::{AcquireOutcome, Bucket, ChallengeRequest, Limit, LimitStatus, RateLimited, Rule};
use crate::user::email::Email;

/// The state of the rate limits that a request was counted against.
#[derive(Debug, Default)]
pub(crate) struct LimitReport(Vec<LimitStatus>);

impl LimitReport {
    /// The statuses, in the order in which the limits were counted.
    pub(crate) fn into_statuses(self) -> Vec<LimitStatus> {
        self.0
    }

    /// Notes the state of a limit that granted a permit, if it may be shown: of a client and its wider network,
    /// the client.
    fn note_granted(&mut self, counted: &Counted, remaining: u32, reset_after: std::time::Duration) {
        if !counted.is_wide {
            self.note(counted, remaining, reset_after);
        }
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
        if counted.is_wide {
            return;
        }
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
    /// Whether the client has solved a challenge; not known before the first limit asks.
    solved: Option<bool>,
}

impl<'a> Request<'a> {
    pub(crate) fn of(client: &'a Client) -> Self {
        Self { client, report: LimitReport::default(), solved: None }
    }
}

/// How many times the number of a client its wider network may use up, which many clients can share.
const WIDE_FACTOR: u32 = 4;

/// One limit to count against, in one bucket.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    limit: Limit,
    bucket: Bucket,
    rule: Rule,
    /// Whether it counts the wider network of the client, at four times the number.
    is_wide: bool,
}

/// A limit by client address, and by its wider network. Empty where the policy switches it off.
pub(crate) fn by_client(
    ctx: &Context,
    limit: Limit,
    client: &Client,
) -> impl Iterator<Item = Counted> + use<> {
    let wide = || {
        let network = client.limited_wide_network(limit.counts_ipv4_networks())?;
        let counted = by_key(ctx, limit, &[&network, b"wide"])?;
        let Rule::Quota { count, window } = counted.rule else { return None };
        let rule = Rule::Quota { count: count.saturating_mul(WIDE_FACTOR), window };
        Some(Counted { rule, is_wide: true, ..counted })
    };
    by_key(ctx, limit, &[&client.network()]).into_iter().chain(wide())
}

/// A limit by other identifiers; `None` where the policy switches it off.
pub(crate) fn by_key(ctx: &Context, limit: Limit, parts: &[&[u8]]) -> Option<Counted> {
    let key = || ctx.bucket_key.bucket(limit.name(), parts);
    let rule = ctx.policy.limits.rule(limit)?;
    Some(Counted { limit, bucket: Bucket { limit: limit.name(), key: key() }, rule, is_wide: false })
}

/// Failed log-ins of an account from one client.
pub(crate) fn log_in_account(ctx: &Context, account: &[u8], client: &Client) -> Option<Counted> {
    by_key(ctx, Limit::LogInAccount, &[account, &client.network()])
}

/// Failed log-ins in a row of an account, from any address.
pub(crate) fn log_in_consecutive_failures(ctx: &Context, account: &[u8]) -> Option<Counted> {
    by_key(ctx, Limit::LogInConsecutiveFailures, &[account])
}

/// Log-ins of an account that succeed.
pub(crate) fn log_in_success(ctx: &Context, account: &[u8]) -> Option<Counted> {
    by_key(ctx, Limit::LogInSuccess, &[account])
}

/// Right passwords of an account whose address is not verified.
pub(crate) fn log_in_unverified(ctx: &Context, account: &[u8]) -> Option<Counted> {
    by_key(ctx, Limit::LogInSuccess, &[account, b"unverified"])
}

/// Failures of an account on the client's device; `None` if the device is not known there, or the policy
/// switches the limit off.
pub(crate) fn log_in_device(ctx: &Context, account: &[u8], client: &Client) -> Option<Counted> {
    let device = ctx.device_keys.recognize(client.device(), account)?;
    by_key(ctx, Limit::LogInDevice, &[device.nonce(), account])
}

/// Failures in a row of an account on all of its known devices together.
pub(crate) fn devices_consecutive_failures(ctx: &Context, account: &[u8]) -> Option<Counted> {
    by_key(ctx, Limit::LogInConsecutiveFailures, &[account, b"devices"])
}

/// Takes the permits to guess the password of an account by a log-in.
///
/// A refused try stays counted against the limits before the one that refused it, so polling has its price.
/// The narrowest comes first: a client that polls one account uses up nothing that other clients share.
pub(crate) async fn acquire_log_in(
    ctx: &Context,
    request: &mut Request<'_>,
    account: &[u8],
) -> Result<Permit, LimitError> {
    if let Some(permit) = acquire_on_known_device(ctx, request, account).await? {
        return Ok(permit);
    }
    let limits = log_in_account(ctx, account, request.client)
        .into_iter()
        .chain(by_client(ctx, Limit::LogInClient, request.client))
        .chain(log_in_consecutive_failures(ctx, account));
    acquire(ctx, request, limits).await
}

/// Takes the permits to guess the current password of a user in a session.
pub(crate) async fn acquire_current_password(
    ctx: &Context,
    request: &mut Request<'_>,
    account: &[u8],
    session: &[&[u8]],
) -> Result<Permit, LimitError> {
    let mut permit = acquire(ctx, request, by_key(ctx, Limit::ChangePassword, session)).await?;
    let of_account = match acquire_on_known_device(ctx, request, account).await {
        Ok(None) => acquire(ctx, request, log_in_consecutive_failures(ctx, account)).await,
        Ok(Some(of_device)) => Ok(of_device),
        Err(error) => Err(error),
    };
    match of_account {
        Ok(of_account) => {
            permit.0.extend(of_account.0);
            Ok(permit)
        }
        Err(error) => {
            // A refused try stays counted; a limiter that failed has judged nothing.
            match error {
                LimitError::RateLimited(_) => permit.keep(),
                LimitError::Failed(_) => permit.release(ctx, request).await,
            }
            Err(error)
        }
    }
}

/// Takes the permits of a known device. `None` if the device is not known, or if there were too many failures in
/// a row on the known devices: without that, somebody who collects device tokens could guess for ever.
async fn acquire_on_known_device(
    ctx: &Context,
    request: &mut Request<'_>,
    account: &[u8],
) -> Result<Option<Permit>, LimitError> {
    let Some(of_device) = log_in_device(ctx, account, request.client) else { return Ok(None) };
    let mut permit = acquire(ctx, request, Some(of_device)).await?;
    let Some(of_devices) = devices_consecutive_failures(ctx, account) else { return Ok(Some(permit)) };
    match ctx.limiter.acquire(&of_devices.bucket, &of_devices.rule).await {
        Ok(AcquireOutcome::Granted { .. }) => {
            permit.0.push(of_devices);
            Ok(Some(permit))
        }
        Ok(AcquireOutcome::Refused { .. }) => {
            permit.release(ctx, request).await;
            Ok(None)
        }
        Err(error) => {
            permit.release(ctx, request).await;
            Err(LimitError::Failed(error.into()))
        }
    }
}

/// Why no permit was granted.
#[derive(Debug)]
pub(crate) enum LimitError {
    /// A limit is used up, or a challenge must be solved first.
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

/// Takes a permit of every limit. A request that is refused stays counted against the limits before.
pub(crate) async fn acquire(
    ctx: &Context,
    request: &mut Request<'_>,
    limits: impl IntoIterator<Item = Counted>,
) -> Result<Permit, LimitError> {
    let mut permit = Permit::default();
    for counted in limits {
        match ctx.limiter.acquire(&counted.bucket, &counted.rule).await {
            Ok(AcquireOutcome::Granted { remaining, reset_after }) => {
                let (limit, retry_after) = (counted.limit, counted.rule.interval());
                let solved = is_solved(ctx, request, &counted, remaining).await;
                request.report.note_granted(&counted, remaining, reset_after);
                permit.0.push(counted);
                if let Ok(true) = solved {
                    continue;
                }
                // A wrong solution is counted like a failure. Who brings none has only learned that one is needed.
                if solved.is_ok() && request.client.challenge_response().is_some() {
                    permit.keep();
                } else {
                    permit.release(ctx, request).await;
                }
                solved?;
                ctx.emit(request.client, EventKind::RateLimited { limit });
                return Err(LimitError::RateLimited(RateLimited { retry_after, needs_challenge: true }));
            }
            Ok(AcquireOutcome::Refused { retry_after }) => {
                request.report.note(&counted, 0, retry_after);
                ctx.emit(request.client, EventKind::RateLimited { limit: counted.limit });
                permit.keep();
                return Err(LimitError::RateLimited(RateLimited { retry_after, needs_challenge: false }));
            }
            Err(error) => {
                permit.release(ctx, request).await;
                return Err(LimitError::Failed(error.into()));
            }
        }
    }
    Ok(permit)
}

/// Returns whether a request needs no challenge, or has solved it. Half of the limit is free of challenges. One
/// request is asked for one solution, however many limits are half used.
async fn is_solved(
    ctx: &Context,
    request: &mut Request<'_>,
    counted: &Counted,
    remaining: u32,
) -> Result<bool, LimitError> {
    let (Some(challenge), Rule::Quota { count, .. }) = (&ctx.challenge, counted.rule) else {
        return Ok(true);
    };
    if !counted.limit.asks_for_challenge() || remaining >= count / 2 {
        return Ok(true);
    }
    if let Some(solved) = request.solved {
        return Ok(solved);
    }
    let client = request.client;
    let asked = ChallengeRequest::new(counted.limit, client.ip(), client.challenge_response());
    let solved = challenge.is_solved(&asked).await;
    let solved = solved.map_err(|error| LimitError::Failed(Failure::Challenge(error)))?;
    request.solved = Some(solved);
    Ok(solved)
}

/// Counts one request by client address, whatever comes of it.
pub(crate) async fn count_by_client(
    ctx: &Context,
    request: &mut Request<'_>,
    limit: Limit,
) -> Result<(), LimitError> {
    let counted = by_client(ctx, limit, request.client);
    acquire(ctx, request, counted).await.map(Permit::keep)
}

/// Counts one mail to the mailbox of an address without showing it; returns whether the mail may be sent.
pub(crate) async fn count_by_mailbox(
    ctx: &Context,
    client: &Client,
    limit: Limit,
    email: &Email,
) -> Result<bool, Failure> {
    let Some(counted) = by_key(ctx, limit, &[email.mailbox().as_bytes()]) else { return Ok(true) };
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
