//! Changing the password while logged in.

use crate::flow::authenticate::live_session;
use crate::flow::new_password::{Notice, check_breach, replace_password};
use crate::flow::permit::{Request, from_limit_error};
use crate::flow::start_session::{prepare, start};
use crate::flow::verify_current_password::verify_current_password;
use crate::limit::RateLimited;

use super::start_session::SessionTokens;
use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::session::access_token::AccessClaims;
use crate::store::{GuardedWrite, NewPassword};
use crate::user::User;
use crate::user::password::{Password, PasswordError};

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The current password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The new password is not acceptable.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The session of the claims has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many wrong passwords; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(ChangePasswordError);

pub(crate) async fn change_password(
    ctx: &Context,
    request: &mut Request<'_>,
    claims: &AccessClaims,
    current: &Password,
    new_password: &Password,
) -> Result<SessionTokens, ChangePasswordError> {
    let Some((_, user)) = live_session(ctx, claims, ctx.now()).await? else {
        return Err(ChangePasswordError::SessionEnded);
    };
    ctx.policy.password.check(new_password, Some(&user.email))?;
    if !verify_current_password(ctx, request, claims, &user, current).await? {
        let (user_id, session_id) = (user.id, claims.session_id);
        ctx.emit(request.client, EventKind::PasswordChangeFailed { user_id, session_id });
        return Err(ChangePasswordError::WrongPassword);
    }
    if check_breach(ctx, new_password, request.client).await? {
        return Err(PasswordError::Breached.into());
    }
    replace(ctx, user, new_password, request.client).await
}

/// One guarded write sets the password and ends every session; then this client gets a new one.
async fn replace(
    ctx: &Context,
    user: User,
    new_password: &Password,
    client: &Client,
) -> Result<SessionTokens, ChangePasswordError> {
    let share = ctx.share(user.email.canonical().as_bytes(), client);
    let password_hash = ctx.hashing.hash_for(share, new_password).await.map_err(Failure::from)?;
    let now = ctx.now();
    let password = NewPassword { password_hash, at: now, email_verified_at: None };
    let changed = User {
        password_hash: Some(password.password_hash.clone()),
        password_changed_at: now,
        epoch: user.epoch.next(),
        ..user.clone()
    };
    let tokens = prepare(ctx, changed, now, client).await?;
    if replace_password(ctx, &user, &password, Notice::Mailed).await? == GuardedWrite::Stale {
        return Err(ChangePasswordError::SessionEnded);
    }
    let (user_id, session_id) = (tokens.user.id, tokens.session.id);
    ctx.emit(client, EventKind::PasswordChanged { user_id, session_id });
    Ok(start(ctx, tokens, now, client).await?)
}
