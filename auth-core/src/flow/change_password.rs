//! Changing the password while logged in.

use std::time::Duration;

use super::grant::SessionTokens;
use crate::access_token::AccessClaims;
use crate::auth::Inner;
use crate::client::Client;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::gate::from_shut;
use crate::password::{Password, PasswordError};
use crate::store::{GuardedWrite, NewPassword};
use crate::user::User;

/// Why a password was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangePasswordError {
    /// The current password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The new password is not acceptable.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The session behind the claims is over.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many wrong passwords; try again after this time.
    #[error("too many wrong passwords")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(ChangePasswordError);

pub(crate) async fn change_password(
    auth: &Inner,
    claims: &AccessClaims,
    current: &Password,
    new_password: &Password,
    client: &Client,
) -> Result<SessionTokens, ChangePasswordError> {
    let Some((_, user)) = auth.live_session(claims, auth.now()).await? else {
        return Err(ChangePasswordError::SessionEnded);
    };
    auth.policy.password.check(new_password, Some(&user.email))?;
    if !auth.verify_current_password(claims, &user, current, None, client).await? {
        let (user_id, session_id) = (user.id, claims.session_id);
        auth.emit(client, EventKind::PasswordChangeFailed { user_id, session_id });
        return Err(ChangePasswordError::WrongPassword);
    }
    if auth.check_breach(new_password, client).await? {
        return Err(PasswordError::Breached.into());
    }
    replace(auth, user, new_password, client).await
}

/// One guarded write sets the password and ends every session; then this client gets a new one.
async fn replace(
    auth: &Inner,
    user: User,
    new_password: &Password,
    client: &Client,
) -> Result<SessionTokens, ChangePasswordError> {
    let password_hash = auth.hashing.hash(new_password).await.map_err(Failure::from)?;
    let now = auth.now();
    let password = NewPassword { password_hash, at: now, email_verified_at: None };
    let changed = User {
        password_hash: Some(password.password_hash.clone()),
        password_changed_at: now,
        epoch: user.epoch.next(),
        ..user.clone()
    };
    let grant = auth.prepare_session(changed, now, client).await?;
    if auth.replace_password(&user, &password).await? == GuardedWrite::Stale {
        return Err(ChangePasswordError::SessionEnded);
    }
    let (user_id, session_id) = (grant.user.id, grant.session.id);
    auth.emit(client, EventKind::PasswordChanged { user_id, session_id });
    Ok(auth.begin_session(grant, now, client).await?)
}
