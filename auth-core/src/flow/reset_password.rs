//! Forgetting and resetting a password.

use std::time::Duration;

use super::account::UserError;
use super::log_in::{failures, streak};
use crate::auth::Inner;
use crate::client::Client;
use crate::email::{Email, EmailError};
use crate::event::EventKind;
use crate::failure::Failure;
use crate::gate::{Limit, from_shut};
use crate::id::UserId;
use crate::one_time::Purpose;
use crate::password::{Password, PasswordError};
use crate::store::{GuardedWrite, MailRequest, NewPassword};
use crate::user::UserStatus;

/// Why no reset link was promised. Never because the address is unknown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForgotPasswordError {
    /// The text is no address.
    #[error(transparent)]
    Email(#[from] EmailError),
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

from_shut!(ForgotPasswordError);

/// Why a password was not reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResetPasswordError {
    /// The token is malformed, unknown, wrong, spent, expired, or no longer fits its user.
    #[error("invalid or expired link")]
    InvalidToken,
    /// The new password is not acceptable. The link stays good.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Too many tries; try again after this time.
    #[error("too many requests")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done; unless the password was changed all the same, the link stays good.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(ResetPasswordError);

pub(crate) async fn forgot_password(
    auth: &Inner,
    text: &str,
    client: &Client,
) -> Result<(), ForgotPasswordError> {
    let email = Email::parse(text)?;
    let limits = &auth.policy.limits;
    let limits = [("forgot_client", limits.forgot_client), ("forgot_mailbox", limits.forgot_mailbox)];
    let event = EventKind::ResetRequested { account: auth.email_tag(&email) };
    Ok(auth.promise_quietly(&email, MailRequest::PasswordReset, event, limits, client).await?)
}

pub(crate) async fn send_reset_link(auth: &Inner, user_id: UserId) -> Result<(), UserError> {
    let now = auth.now();
    let user = auth.users.find_by_id(user_id).await?.filter(|user| !auth.is_abandoned(user, now));
    let user = user.ok_or(UserError::NotFound)?;
    if user.status == UserStatus::Disabled {
        return Err(UserError::Disabled);
    }
    auth.promise(&user.email, MailRequest::PasswordReset, now).await?;
    auth.emit_own(EventKind::ResetRequested { account: auth.email_tag(&user.email) });
    auth.mail_promised.notify_one();
    Ok(())
}

/// Check the token, hash the new password, one guarded write on the user, tidy.
pub(crate) async fn reset_password(
    auth: &Inner,
    text: &str,
    new_password: &Password,
    client: &Client,
) -> Result<(), ResetPasswordError> {
    auth.policy.password.check(new_password, None)?;
    let limits = &auth.policy.limits;
    let _counted =
        auth.reserve(client, [Limit::client(auth, "reset_client", limits.reset_client, client)]).await?;
    let now = auth.now();
    let Some((token, user)) = auth.redeem(text, Purpose::ResetPassword, now).await? else {
        auth.emit(client, EventKind::MailedTokenRefused { purpose: Purpose::ResetPassword.as_str() });
        return Err(ResetPasswordError::InvalidToken);
    };
    auth.policy.password.check(new_password, Some(&user.email))?;
    if auth.check_breach(new_password, client).await? {
        return Err(PasswordError::Breached.into());
    }
    let password_hash = auth.hashing.hash(new_password).await.map_err(Failure::from)?;
    // The notice looks for this time or a later one, and waits no longer than a write can last.
    let now = auth.now();
    let password = NewPassword { password_hash, at: now, email_verified_at: Some(now) };
    if auth.replace_password(&user, &password).await? == GuardedWrite::Stale {
        return Err(ResetPasswordError::InvalidToken);
    }
    auth.mark_spent(&token, now).await;
    let account = user.email.canonical().as_bytes();
    auth.forget(streak(auth, account)).await;
    auth.forget(failures(auth, account, client)).await;
    auth.emit(client, EventKind::PasswordReset { user_id: user.id });
    Ok(())
}
