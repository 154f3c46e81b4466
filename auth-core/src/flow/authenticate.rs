//! Authenticating an access token with a read of its session and user.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::context::Context;
use crate::failure::Failure;
use crate::session::Session;
use crate::session::access_token::{AccessClaims, InvalidAccessToken};
use crate::session::rotation::live;
use crate::store::StoreError;
use crate::user::User;

/// What is read besides the signature and times of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LiveCheck {
    /// Reads the user and the session: a logged-out or revoked session is refused at once.
    #[default]
    UserAndSession,
    /// Reads the user. A password change, a reset, detected reuse, a log-out everywhere and disabling
    /// have effect at once; the log-out of one session when its access token expires.
    User,
    /// As [`User`](Self::User), but answers from memory for at most
    /// [`Policy::live_cache`](crate::Policy::live_cache).
    CachedUser,
}

/// The caller behind an access token, read as live.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The claims of the token.
    pub claims: AccessClaims,
    /// The user, as stored or cached.
    pub user: Arc<User>,
    /// The session, if it was read.
    pub session: Option<Session>,
}

/// Why an access token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The token is not valid, or its session or user is not live.
    #[error("invalid access token")]
    InvalidToken,
    /// The store failed.
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

/// Reads the session of the claims and its user; `None` if the session is not live.
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

/// Returns the token's user if still active. A cached user can only confirm; on a mismatch the store is
/// read again.
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
    let user = ctx.store.find_by_id(claims.user_id).await?.map(Arc::new);
    match &user {
        Some(user) => ctx.live_cache.insert(read_at, user),
        None => ctx.live_cache.forget(claims.user_id),
    }
    Ok(user.filter(lives))
}
