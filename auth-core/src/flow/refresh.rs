//! Refresh and restore: what a presented refresh token is answered with.

pub mod decision;

use std::time::Duration;

use chrono::{DateTime, Utc};

use self::decision::{Decision, Settled, decide, settle};
use super::grant::{RestoredSession, SessionTokens};
use crate::auth::Inner;
use crate::client::Client;
use crate::clock::after;
use crate::event::{EventKind, RefreshRefusal, Renewal};
use crate::failure::Failure;
use crate::gate::{Limit, from_shut};
use crate::id::SessionId;
use crate::limiter::Rule;
use crate::policy::ReuseScope;
use crate::refresh_token::RefreshToken;
use crate::session::Session;
use crate::store::{GuardedWrite, MailRequest, SessionRotation, StoreError};
use crate::user::User;

/// How often the state after a lost or unknown swap is asked for before the request fails.
const SECOND_READS: usize = 3;

/// Why a refresh token got nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The token is malformed, unknown, wrong, expired, revoked, or was used before.
    #[error("invalid refresh token")]
    InvalidToken,
    /// This request lost a race against others with the same token, and the winner's token was
    /// itself exchanged before this request could be answered. The client holds a good token by
    /// now: do not clear its cookie.
    #[error("superseded by a concurrent refresh")]
    Superseded,
    /// Too many requests; try again after this time.
    #[error("too many requests")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(RefreshError);

/// A presented token that proved its session.
struct Presented {
    token: RefreshToken,
    session: Session,
    user: User,
    decision: Decision,
}

pub(crate) async fn refresh(
    auth: &Inner,
    text: &str,
    client: &Client,
) -> Result<SessionTokens, RefreshError> {
    let exchanged = exchange(auth, text, client).await;
    match &exchanged {
        Ok((SessionTokens { session, refresh_token, .. }, renewal)) => auth.emit(
            client,
            EventKind::SessionRenewed {
                user_id: session.user_id,
                session_id: session.id,
                generation: refresh_token.generation(),
                renewal: *renewal,
            },
        ),
        Err(RefreshError::InvalidToken) => {
            auth.emit(client, EventKind::RefreshRefused { reason: RefreshRefusal::InvalidToken });
        }
        Err(RefreshError::Superseded) => {
            auth.emit(client, EventKind::RefreshRefused { reason: RefreshRefusal::Superseded });
        }
        Err(RefreshError::RateLimited { .. } | RefreshError::Failed(_)) => {}
    }
    exchanged.map(|(grant, _)| grant)
}

async fn exchange(
    auth: &Inner,
    text: &str,
    client: &Client,
) -> Result<(SessionTokens, Renewal), RefreshError> {
    let now = auth.now();
    let limits = &auth.policy.limits;
    let _counted =
        auth.reserve(client, [Limit::client(auth, "refresh_client", limits.refresh_client, client)]).await?;
    let Presented { token, session, user, decision } =
        present(auth, text, ("refresh_session", limits.refresh_session), now, client).await?;
    Ok(match decision {
        Decision::Fresh => (auth.grant(user, session, token, now).await?, Renewal::Fresh),
        Decision::Recover(child) => (auth.grant(user, session, child, now).await?, Renewal::Recovered),
        Decision::Rotate(child) => (rotate(auth, session, user, child).await?, Renewal::Rotated),
        Decision::Refuse | Decision::Reuse => return Err(RefreshError::InvalidToken),
    })
}

pub(crate) async fn restore(
    auth: &Inner,
    text: &str,
    client: &Client,
) -> Result<RestoredSession, RefreshError> {
    let now = auth.now();
    let limits = &auth.policy.limits;
    let _counted =
        auth.reserve(client, [Limit::client(auth, "restore_client", limits.restore_client, client)]).await?;
    let Presented { session, user, .. } =
        present(auth, text, ("restore_session", limits.restore_session), now, client).await?;
    Ok(auth.restored(user, session, now).await?)
}

/// Reads what a token claims to belong to and decides; ends what reuse must end. Returns only
/// tokens that proved their session, counted against the session's own limit.
async fn present(
    auth: &Inner,
    text: &str,
    (limit, rule): (&'static str, Option<Rule>),
    now: DateTime<Utc>,
    client: &Client,
) -> Result<Presented, RefreshError> {
    let token = RefreshToken::parse(text).map_err(|_| RefreshError::InvalidToken)?;
    let (session, user) = auth.find_session_and_user(token.session_id()).await?;
    let decision = decide(&auth.chain, session.as_ref(), user.as_ref(), &token, now, &auth.policy.refresh);
    let (Some(session), Some(user)) = (session, user) else { return Err(RefreshError::InvalidToken) };
    match decision {
        Decision::Refuse => return Err(RefreshError::InvalidToken),
        Decision::Reuse => {
            end_reused(auth, &user, &session, &token, now, client).await?;
            return Err(RefreshError::InvalidToken);
        }
        Decision::Fresh | Decision::Rotate(_) | Decision::Recover(_) => {}
    }
    let per_session = Limit::keyed(auth, limit, rule, &[session.id.as_bytes()]);
    let _counted = auth.reserve(client, [per_session]).await?;
    Ok(Presented { token, session, user, decision })
}

/// Reads once more what a swap may have changed. Worth some patience: without an answer here a client
/// that tries again with its parent may be taken for a thief.
async fn find_again(auth: &Inner, id: SessionId) -> Result<(Option<Session>, Option<User>), StoreError> {
    for _ in 1..SECOND_READS {
        if let Ok(found) = auth.find_session_and_user(id).await {
            return Ok(found);
        }
    }
    auth.find_session_and_user(id).await
}

/// Swaps the session to the child. Whoever wins the swap, every holder of the parent that saw it
/// current is answered with the same child.
async fn rotate(
    auth: &Inner,
    session: Session,
    user: User,
    child: RefreshToken,
) -> Result<SessionTokens, RefreshError> {
    // Not the time of the request: what was done since must not eat into the leeway.
    let now = auth.now();
    let rotation = SessionRotation {
        id: session.id,
        from_generation: session.generation,
        from_digest: session.digest,
        generation: child.generation(),
        digest: child.digest(user.id),
        rotated_at: now,
        idle_expires_at: after(now, auth.policy.refresh.refresh_lifetime).min(session.expires_at),
    };
    let session = Session {
        generation: rotation.generation,
        digest: rotation.digest,
        rotated_at: rotation.rotated_at,
        idle_expires_at: rotation.idle_expires_at,
        ..session
    };
    // Signed before the swap: a failure after it would leave an honest client with a consumed token.
    let restored = auth.restored(user, session, now).await?;
    let unknown = match auth.tokens.rotate(&rotation).await {
        Ok(GuardedWrite::Applied) => return Ok(SessionTokens::of(restored, child, now)),
        Ok(GuardedWrite::Stale) => None,
        Err(error) => Some(error),
    };
    // Lost, or the outcome is unknown: a second read says which token is in place now.
    let (session, user) = find_again(auth, rotation.id).await?;
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

/// Ends what a proven replay must end. The notice is promised first, and once more if that failed, but
/// a failing outbox does not keep the sessions alive.
async fn end_reused(
    auth: &Inner,
    user: &User,
    session: &Session,
    presented: &RefreshToken,
    now: DateTime<Utc>,
    client: &Client,
) -> Result<(), RefreshError> {
    let (user_id, session_id) = (session.user_id, session.id);
    let (presented, current) = (presented.generation(), session.generation);
    // Before anything that can fail: once the sessions are dead, no later replay would tell.
    auth.emit(client, EventKind::TokenReuse { user_id, session_id, presented, current });
    let notice = MailRequest::SessionsEnded { user_id, session_id, epoch: session.epoch };
    let promised = auth.promise(&user.email, notice.clone(), now).await;
    match auth.policy.refresh.reuse_scope {
        // Lost means that the epoch has moved already, and the sessions are dead.
        ReuseScope::User => match auth.users.advance_epoch(user_id, session.epoch).await? {
            GuardedWrite::Applied | GuardedWrite::Stale => auth.live_cache.forget(user_id),
        },
        ReuseScope::Session => {
            let _gone = auth.tokens.revoke_session(user_id, session_id).await?;
        }
    }
    if promised.is_err()
        && let Err(error) = auth.promise(&user.email, notice, now).await
    {
        let error = crate::worker::error_chain(&error);
        auth.emit(
            client,
            EventKind::BestEffortFailed { what: "promise the notice of ended sessions", error },
        );
    }
    auth.mail_promised.notify_one();
    Ok(())
}
