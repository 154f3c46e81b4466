//! Refreshing and restoring a session by its refresh token.

use crate::flow::enqueue::enqueue_once;
use crate::flow::permit::{self, Request, from_limit_error};
use crate::flow::start_session::{issue, issue_access_token};
use crate::limit::{Limit, RateLimited};

use chrono::{DateTime, Utc};

use super::start_session::{RestoredSession, SessionTokens};
use crate::client::Client;
use crate::clock::after;
use crate::context::Context;
use crate::error::error_chain;
use crate::event::{EventKind, RefreshRefusal, Renewal};
use crate::failure::Failure;
use crate::id::SessionId;
use crate::session::Session;
use crate::session::policy::ReuseScope;
use crate::session::refresh_token::RefreshToken;
use crate::session::rotation::{Decision, Settled, decide, settle};
use crate::store::{GuardedWrite, MailRequest, SessionRotation, StoreError};
use crate::user::User;

/// Most reads of the state after a stale or unknown swap, before the request fails.
const SECOND_READS: usize = 3;

/// Why a refresh token was refused.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The token is malformed, unknown, wrong, expired, revoked, or was used before.
    #[error("invalid refresh token")]
    InvalidToken,
    /// This request lost a race against others with the same token, and the winner's token was
    /// rotated before this request could be answered. The client holds a newer token: do not clear
    /// its cookie.
    #[error("superseded by a concurrent refresh")]
    Superseded,
    /// Too many requests; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(RefreshError);

/// A presented token that proved its session.
struct Presented {
    token: RefreshToken,
    session: Session,
    user: User,
    decision: Decision,
}

pub(crate) async fn refresh(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<SessionTokens, RefreshError> {
    let exchanged = exchange(ctx, request, text).await;
    let client = request.client;
    match &exchanged {
        Ok((SessionTokens { session, refresh_token, .. }, renewal)) => ctx.emit(
            client,
            EventKind::SessionRenewed {
                user_id: session.user_id,
                session_id: session.id,
                generation: refresh_token.generation(),
                renewal: *renewal,
            },
        ),
        Err(RefreshError::InvalidToken) => {
            ctx.emit(client, EventKind::RefreshRefused { reason: RefreshRefusal::InvalidToken });
        }
        Err(RefreshError::Superseded) => {
            ctx.emit(client, EventKind::RefreshRefused { reason: RefreshRefusal::Superseded });
        }
        Err(RefreshError::RateLimited(_) | RefreshError::Failed(_)) => {}
    }
    exchanged.map(|(tokens, _)| tokens)
}

async fn exchange(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<(SessionTokens, Renewal), RefreshError> {
    let now = ctx.now();
    permit::count_by_client(ctx, request, Limit::RefreshClient).await?;
    let Presented { token, session, user, decision } =
        present(ctx, request, text, Limit::RefreshSession, now).await?;
    Ok(match decision {
        Decision::Fresh => (issue(ctx, user, session, token, now).await?, Renewal::Fresh),
        Decision::Recover(child) => (issue(ctx, user, session, child, now).await?, Renewal::Recovered),
        Decision::Rotate(child) => {
            (rotate(ctx, session, user, child, request.client).await?, Renewal::Rotated)
        }
        Decision::Refuse | Decision::Reuse => return Err(RefreshError::InvalidToken),
    })
}

pub(crate) async fn restore(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<RestoredSession, RefreshError> {
    let restored = issue_restored(ctx, request, text).await;
    match &restored {
        Ok(RestoredSession { session, .. }) => ctx.emit(
            request.client,
            EventKind::SessionRestored { user_id: session.user_id, session_id: session.id },
        ),
        Err(RefreshError::InvalidToken | RefreshError::Superseded) => {
            ctx.emit(request.client, EventKind::RestoreRefused);
        }
        Err(RefreshError::RateLimited(_) | RefreshError::Failed(_)) => {}
    }
    restored
}

async fn issue_restored(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<RestoredSession, RefreshError> {
    let now = ctx.now();
    permit::count_by_client(ctx, request, Limit::RestoreClient).await?;
    let Presented { session, user, .. } = present(ctx, request, text, Limit::RestoreSession, now).await?;
    Ok(issue_access_token(ctx, user, session, now).await?)
}

/// Reads what a token claims to belong to and decides; ends what reuse must end. Returns only
/// tokens that proved their session, counted against the session's own limit.
async fn present(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
    limit: Limit,
    now: DateTime<Utc>,
) -> Result<Presented, RefreshError> {
    let token = RefreshToken::parse(text, &ctx.refresh_keys).map_err(|_| RefreshError::InvalidToken)?;
    let (session, user) = ctx.find_session_and_user(token.session_id()).await?;
    let decision =
        decide(&ctx.refresh_keys, session.as_ref(), user.as_ref(), &token, now, &ctx.policy.refresh);
    let (Some(session), Some(user)) = (session, user) else { return Err(RefreshError::InvalidToken) };
    match decision {
        Decision::Refuse => return Err(RefreshError::InvalidToken),
        Decision::Reuse => {
            end_reused(ctx, &user, &session, &token, now, request.client).await?;
            return Err(RefreshError::InvalidToken);
        }
        Decision::Fresh | Decision::Rotate(_) | Decision::Recover(_) => {}
    }
    let by_session = permit::by_key(ctx, limit, &[session.id.as_bytes()]);
    permit::acquire(ctx, request, by_session).await?.keep();
    Ok(Presented { token, session, user, decision })
}

/// Reads the session and user again after a swap. It retries, because a client without an answer may
/// present the parent again and then be taken for a thief.
async fn find_again(ctx: &Context, id: SessionId) -> Result<(Option<Session>, Option<User>), StoreError> {
    for _ in 1..SECOND_READS {
        if let Ok(found) = ctx.find_session_and_user(id).await {
            return Ok(found);
        }
    }
    ctx.find_session_and_user(id).await
}

/// Swaps the session to the child. Every request that read the parent as current is answered with the
/// same child, also if another request won the swap.
async fn rotate(
    ctx: &Context,
    session: Session,
    user: User,
    child: RefreshToken,
    client: &Client,
) -> Result<SessionTokens, RefreshError> {
    // A later time than that of the request, so that the work since does not shorten the leeway.
    let now = ctx.now();
    let rotation = SessionRotation {
        id: session.id,
        from_generation: session.generation,
        from_digest: session.digest,
        generation: child.generation(),
        digest: child.digest(user.id),
        rotated_at: now,
        idle_expires_at: after(now, ctx.policy.refresh.refresh_lifetime).min(session.expires_at),
        ip: client.ip(),
        user_agent: client.user_agent().map(str::to_owned),
    };
    let session = Session {
        generation: rotation.generation,
        digest: rotation.digest,
        rotated_at: rotation.rotated_at,
        idle_expires_at: rotation.idle_expires_at,
        ip: rotation.ip,
        user_agent: rotation.user_agent.clone(),
        ..session
    };
    // Signed before the swap: a failure after it would leave an honest client with a consumed token.
    let restored = issue_access_token(ctx, user, session, now).await?;
    let unknown = match ctx.store.rotate(&rotation).await {
        Ok(GuardedWrite::Applied) => return Ok(SessionTokens::of(restored, child, now)),
        Ok(GuardedWrite::Stale) => None,
        Err(error) => Some(error),
    };
    // Stale, or the outcome is unknown: a second read shows which token is current.
    let (session, user) = find_again(ctx, rotation.id).await?;
    match (settle(session.as_ref(), user.as_ref(), &child, now), session, user) {
        (Settled::SameChild, Some(session), Some(user)) => {
            Ok(SessionTokens::of(RestoredSession { user, session, ..restored }, child, now))
        }
        (Settled::Superseded, ..) => Err(RefreshError::Superseded),
        (Settled::Unchanged, ..) => {
            Err(unknown.unwrap_or_else(|| StoreError::unavailable("the second read was stale")).into())
        }
        (Settled::Ended | Settled::SameChild, ..) => Err(RefreshError::InvalidToken),
    }
}

/// Ends the sessions that a proven replay must end. The notice is enqueued first, and again if that
/// failed, but a failing outbox does not keep the sessions alive.
async fn end_reused(
    ctx: &Context,
    user: &User,
    session: &Session,
    presented: &RefreshToken,
    now: DateTime<Utc>,
    client: &Client,
) -> Result<(), RefreshError> {
    let (user_id, session_id) = (session.user_id, session.id);
    let (presented, current) = (presented.generation(), session.generation);
    // Emitted before anything that can fail: once the sessions are dead, no later replay emits it.
    ctx.emit(client, EventKind::TokenReuse { user_id, session_id, presented, current });
    let notice = MailRequest::SessionsEnded { user_id, session_id, epoch: session.epoch };
    // Concurrent replays of one session enqueue one notice.
    let once: [&[u8]; 2] = [session_id.as_bytes(), &session.epoch.as_u64().to_be_bytes()];
    let enqueued = enqueue_once(ctx, &once, &user.email, notice.clone(), now).await;
    match ctx.policy.refresh.reuse_scope {
        // Stale means that the epoch has moved already, so the sessions are dead.
        ReuseScope::User => match ctx.store.advance_epoch(user_id, session.epoch).await? {
            GuardedWrite::Applied | GuardedWrite::Stale => ctx.live_cache.forget(user_id),
        },
        ReuseScope::Session => {
            let _gone = ctx.store.revoke_session(user_id, session_id).await?;
        }
    }
    if enqueued.is_err()
        && let Err(error) = enqueue_once(ctx, &once, &user.email, notice, now).await
    {
        let error = error_chain(&error);
        ctx.emit(client, EventKind::BestEffortFailed { what: "enqueue the notice of ended sessions", error });
    }
    ctx.mail_enqueued.notify_one();
    Ok(())
}
