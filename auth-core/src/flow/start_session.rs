//! Starting sessions and issuing their tokens: the only place that makes a session.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};

use crate::client::{Client, DeviceToken};
use crate::clock::{after, elapsed};
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::id::SessionId;
use crate::session::Session;
use crate::session::access_token::AccessToken;
use crate::session::refresh_token::RefreshToken;
use crate::store::Revocation;
use crate::user::User;

/// Tokens issued after a log-in, a refresh or a password change.
#[derive(Debug, Clone)]
pub struct SessionTokens {
    /// The user.
    pub user: User,
    /// The session, as it is after this operation.
    pub session: Session,
    /// For requests to the service, until `expires_in`.
    pub access_token: AccessToken,
    /// How long the access token works.
    pub expires_in: Duration,
    /// For the next refresh. After a refresh within the minimum rotation age it is the same token as
    /// before; a client stores the token of each answer.
    pub refresh_token: RefreshToken,
    /// How long the refresh token works: the smaller of the idle and the absolute time left.
    pub refresh_expires_in: Duration,
    /// After a log-in: for the client to keep, for longer than its session, and to bring to its next log-ins
    /// ([`Client::with_device_token`]).
    pub device_token: Option<DeviceToken>,
}

/// The access token of a restored session. The client keeps its refresh token.
#[derive(Debug, Clone)]
pub struct RestoredSession {
    /// The user.
    pub user: User,
    /// The session.
    pub session: Session,
    /// For requests to the service, until `expires_in`.
    pub access_token: AccessToken,
    /// How long the access token works.
    pub expires_in: Duration,
}

impl SessionTokens {
    pub(super) fn of(restored: RestoredSession, refresh_token: RefreshToken, now: DateTime<Utc>) -> Self {
        let RestoredSession { user, session, access_token, expires_in } = restored;
        let refresh_expires_in = elapsed(now, session.idle_expires_at.min(session.expires_at));
        Self {
            user,
            session,
            access_token,
            expires_in,
            refresh_token,
            refresh_expires_in,
            device_token: None,
        }
    }
}

/// Makes a session and its tokens for a user whose password was just verified under this epoch, without
/// storing it. Everything that can fail besides the store is done here, before anything is written.
pub(super) async fn prepare(
    ctx: &Context,
    user: User,
    now: DateTime<Utc>,
    client: &Client,
) -> Result<SessionTokens, Failure> {
    let policy = &ctx.policy.refresh;
    let id = SessionId::generate(now, &*ctx.random)?;
    let refresh_token = RefreshToken::first(id, &ctx.refresh_keys, &*ctx.random)?;
    // Access tokens count in whole seconds: a session that ended between two could not issue its last.
    let expires_at = after(now, policy.session_lifetime).trunc_subsecs(0);
    let session = Session {
        id,
        user_id: user.id,
        epoch: user.epoch,
        generation: 0,
        digest: refresh_token.digest(user.id),
        created_at: now,
        rotated_at: now,
        idle_expires_at: after(now, policy.refresh_lifetime).min(expires_at),
        expires_at,
        ip: client.ip(),
        user_agent: client.user_agent().map(str::to_owned),
    };
    issue(ctx, user, session, refresh_token, now).await
}

/// Stores a prepared session.
pub(super) async fn start(
    ctx: &Context,
    tokens: SessionTokens,
    now: DateTime<Utc>,
    client: &Client,
) -> Result<SessionTokens, Failure> {
    ctx.store.insert_session(&tokens.session).await?;
    end_surplus_sessions(ctx, &tokens.session, now, client).await?;
    Ok(tokens)
}

/// Ends the oldest sessions beyond the limit, and deletes those that have ended already.
///
/// Runs after the insert: of several concurrent log-ins, the last to read sees every session.
async fn end_surplus_sessions(
    ctx: &Context,
    newest: &Session,
    now: DateTime<Utc>,
    client: &Client,
) -> Result<(), Failure> {
    let sessions = ctx.store.find_sessions_by_user(newest.user_id).await?;
    let (live, dead): (Vec<_>, Vec<_>) =
        sessions.into_iter().partition(|session| session.epoch == newest.epoch && !session.expired(now));
    let keep = usize::try_from(ctx.policy.refresh.max_sessions_per_user.get()).unwrap_or(usize::MAX);
    let surplus = live.len().saturating_sub(keep);
    // A session of a later epoch is left alone.
    let dead = dead.into_iter().filter(|session| session.epoch <= newest.epoch);
    for session in live.into_iter().take(surplus).chain(dead) {
        let ended = ctx.store.revoke_session(session.user_id, session.id).await?;
        if ended == Revocation::Revoked && session.epoch == newest.epoch {
            ctx.emit(client, EventKind::SessionRevoked { user_id: session.user_id, session_id: session.id });
        }
    }
    Ok(())
}

/// Issues an access token for a session, and pairs it with its refresh token.
pub(super) async fn issue(
    ctx: &Context,
    user: User,
    session: Session,
    refresh_token: RefreshToken,
    now: DateTime<Utc>,
) -> Result<SessionTokens, Failure> {
    Ok(SessionTokens::of(issue_access_token(ctx, user, session, now).await?, refresh_token, now))
}

/// Issues an access token for a session.
pub(super) async fn issue_access_token(
    ctx: &Context,
    user: User,
    session: Session,
    now: DateTime<Utc>,
) -> Result<RestoredSession, Failure> {
    let extra = match &ctx.claims {
        Some(source) => source.claims(&user, &session).await?,
        None => serde_json::Map::new(),
    };
    let (access_token, expires_at) = ctx.access_tokens.sign(&session, &extra, now, &*ctx.random)?;
    // Whole seconds, as the token itself counts: `exp` minus `iat`.
    let expires_in = elapsed(now.trunc_subsecs(0), expires_at);
    Ok(RestoredSession { user, session, access_token, expires_in })
}
