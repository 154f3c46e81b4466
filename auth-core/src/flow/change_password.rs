//! Changing the password while logged in.

use std::time::Duration;

use super::grant::Grant;
use super::refresh::decision::live;
use crate::access_token::AccessClaims;
use crate::auth::Inner;
use crate::client::Client;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::gate::{Limit, from_shut};
use crate::hashing::Verified;
use crate::password::{Password, PasswordError};
use crate::store::{Guarded, NewPassword};
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
) -> Result<Grant, ChangePasswordError> {
    let user = live_user(auth, claims).await?;
    auth.policy.password.check(new_password, Some(&user.email))?;
    let parts: [&[u8]; 2] = [user.id.as_bytes(), claims.session_id.as_bytes()];
    let places = auth
        .reserve(client, [Limit::keyed(auth, "change_password", auth.policy.limits.change_password, &parts)])
        .await?;
    match auth.hashing.verify(current, user.password_hash.as_ref()).await {
        Ok(Verified::Match | Verified::MatchOutdated(_)) => auth.give_back(places, client).await,
        Ok(Verified::NoMatch) => {
            let (user_id, session_id) = (user.id, claims.session_id);
            auth.emit(client, EventKind::PasswordChangeFailed { user_id, session_id });
            return Err(ChangePasswordError::WrongPassword);
        }
        Err(error) => {
            // No password was judged, so nothing was guessed.
            auth.give_back(places, client).await;
            return Err(Failure::from(error).into());
        }
    }
    if auth.check_breach(new_password, client).await? {
        return Err(PasswordError::Breached.into());
    }
    replace(auth, user, new_password, client).await
}

async fn live_user(auth: &Inner, claims: &AccessClaims) -> Result<User, ChangePasswordError> {
    let now = auth.now();
    let user = auth.users.find_by_id(claims.user_id).await?.ok_or(ChangePasswordError::SessionEnded)?;
    let session = auth.tokens.find_session(claims.session_id).await?;
    let session_lives = session.is_some_and(|session| live(&session, &user, now));
    if session_lives && claims.epoch == user.epoch {
        Ok(user)
    } else {
        Err(ChangePasswordError::SessionEnded)
    }
}

/// One guarded write sets the password and ends every session; then this client gets a new one.
async fn replace(
    auth: &Inner,
    user: User,
    new_password: &Password,
    client: &Client,
) -> Result<Grant, ChangePasswordError> {
    let password_hash = auth.hashing.hash(new_password).await.map_err(Failure::from)?;
    let now = auth.now();
    let password = NewPassword { password_hash, at: now, email_verified_at: None };
    let epoch = user.epoch.next();
    let hash = Some(password.password_hash.clone());
    let changed = User { password_hash: hash, password_changed_at: now, epoch, ..user.clone() };
    let grant = auth.prepare_session(changed, epoch, now, client).await?;
    if auth.replace_password(&user, &password).await? == Guarded::Lost {
        return Err(ChangePasswordError::SessionEnded);
    }
    let (user_id, session_id) = (grant.user.id, grant.session.id);
    auth.emit(client, EventKind::PasswordChanged { user_id, session_id });
    Ok(auth.begin_session(grant, now, client).await?)
}
