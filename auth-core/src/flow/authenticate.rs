//! Access tokens at live doors: the signature, and that what it stands for still lives.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::context::Context;
use crate::failure::Failure;
use crate::session::Session;
use crate::session::access_token::{AccessClaims, InvalidAccessToken};
use crate::session::rotation::live;
use crate::store::StoreError;
use crate::user::User;

/// How live an access token must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LiveCheck {
    /// Reads the user and the session: a logged-out or revoked session is refused at once.
    #[default]
    UserAndSession,
    /// Reads the user: a password change, reset, detected reuse, log-out everywhere or disabling is
    /// seen at once; the log-out of the one session only when its access token expires.
    User,
    /// As [`User`](Self::User), but answers from memory for at most
    /// [`Policy::live_cache`](crate::Policy::live_cache).
    CachedUser,
}

/// A live caller.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// What the token says.
    pub claims: AccessClaims,
    /// The user, as the store (or the cache) has it.
    pub user: Arc<User>,
    /// The session, where it was read.
    pub session: Option<Session>,
}

/// Why an access token was not accepted at a live door.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token is not good, or what it stands for has ended.
    #[error("invalid access token")]
    InvalidToken,
    /// The store cannot tell.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<InvalidAccessToken> for AuthenticateError {
    fn from(_: InvalidAccessToken) -> Self {
        Self::InvalidToken
    }
}

impl From<StoreError> for AuthenticateError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn authenticate_live(
    ctx: &Context,
    text: &str,
    check: LiveCheck,
) -> Result<Authenticated, AuthenticateError> {
    let now = ctx.now();
    let claims = ctx.access_tokens.verify(text, now)?;
    if check == LiveCheck::UserAndSession {
        let found = live_session(ctx, &claims, now).await?;
        let (session, user) = found.ok_or(AuthenticateError::InvalidToken)?;
        return Ok(Authenticated { claims, user: Arc::new(user), session: Some(session) });
    }
    let user = find_user(ctx, &claims, check).await?.ok_or(AuthenticateError::InvalidToken)?;
    Ok(Authenticated { claims, user, session: None })
}

/// The session that the claims speak for, and its user; `None` when it has ended.
pub(super) async fn live_session(
    ctx: &Context,
    claims: &AccessClaims,
    now: DateTime<Utc>,
) -> Result<Option<(Session, User)>, StoreError> {
    let found = ctx.find_session_and_user(claims.session_id).await?;
    let (Some(session), Some(user)) = found else { return Ok(None) };
    let ours = user.id == claims.user_id && user.epoch == claims.epoch;
    Ok((ours && live(&session, &user, now)).then_some((session, user)))
}

/// The user the claims speak for, if still live. A remembered user may only say yes: whoever has
/// changed since is read anew.
async fn find_user(
    ctx: &Context,
    claims: &AccessClaims,
    check: LiveCheck,
) -> Result<Option<Arc<User>>, StoreError> {
    let lives = |user: &Arc<User>| user.may_act() && user.epoch == claims.epoch;
    if check == LiveCheck::CachedUser
        && let Some(user) = ctx.live_cache.find(claims.user_id).filter(lives)
    {
        return Ok(Some(user));
    }
    let read_at = ctx.live_cache.now();
    let user = ctx.users.find_by_id(claims.user_id).await?.map(Arc::new);
    match &user {
        Some(user) => ctx.live_cache.keep(read_at, user),
        None => ctx.live_cache.forget(claims.user_id),
    }
    Ok(user.filter(lives))
}
