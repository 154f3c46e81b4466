//! Resetting a password by a mailed link.

use crate::flow::enqueue::{LinkLimits, enqueue, enqueue_requested_link};
use crate::flow::new_password::{Notice, check_breach, replace_password};
use crate::flow::permit::{self, Request, from_limit_error};
use crate::flow::redeem::{mark_spent, redeem};
use crate::limit::{Limit, RateLimited};

use super::account::UserError;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::id::UserId;
use crate::mail::one_time_token::{MailedToken, Purpose};
use crate::store::{GuardedWrite, MailRequest, NewPassword};
use crate::user::UserStatus;
use crate::user::email::{Email, EmailError};
use crate::user::password::{Password, PasswordError};

/// Why no reset link was enqueued. Never because the address is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ForgotPasswordError {
    /// The text is not an address.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// Too many requests; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(ForgotPasswordError);

/// Why a password was not reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// The token is malformed, unknown, wrong, spent, expired, or no longer fits its user.
    #[error("invalid or expired link")]
    InvalidToken,
    /// The new password is not acceptable. The link stays valid.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Too many tries; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done. The link stays valid, unless the password was changed before the
    /// failure.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(ResetPasswordError);

pub(crate) async fn forgot_password(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<(), ForgotPasswordError> {
    let email = Email::parse(text)?;
    let limits = LinkLimits { by_client: Limit::ForgotClient, by_mailbox: Limit::ForgotMailbox };
    let event = EventKind::ResetRequested { account: ctx.email_tag(&email) };
    Ok(enqueue_requested_link(ctx, request, &email, MailRequest::PasswordReset, event, limits).await?)
}

pub(crate) async fn send_reset_link(ctx: &Context, user_id: UserId) -> Result<(), UserError> {
    let now = ctx.now();
    let user = ctx.store.find_by_id(user_id).await?.filter(|user| !ctx.is_abandoned(user, now));
    let user = user.ok_or(UserError::NotFound)?;
    if user.status == UserStatus::Disabled {
        return Err(UserError::Disabled);
    }
    enqueue(ctx, &user.email, MailRequest::PasswordReset, now).await?;
    ctx.emit_own(EventKind::ResetRequested { account: ctx.email_tag(&user.email) });
    ctx.mail_enqueued.notify_one();
    Ok(())
}

/// Checks the token of a reset or an invitation, hashes the new password, writes the user with one guarded write, then cleans up.
pub(crate) async fn reset_password(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
    new_password: &Password,
) -> Result<(), ResetPasswordError> {
    ctx.policy.password.check(new_password, None)?;
    permit::count_by_client(ctx, request, Limit::ResetClient).await?;
    let (client, now) = (request.client, ctx.now());
    let purpose = match MailedToken::parse(text, Purpose::AcceptInvitation) {
        Ok(_) => Purpose::AcceptInvitation,
        Err(_) => Purpose::ResetPassword,
    };
    let Some((token, user)) = redeem(ctx, text, purpose, now).await? else {
        ctx.emit(client, EventKind::MailedTokenRefused { purpose });
        return Err(ResetPasswordError::InvalidToken);
    };
    ctx.policy.password.check(new_password, Some(&user.email))?;
    if check_breach(ctx, new_password, client).await? {
        return Err(PasswordError::Breached.into());
    }
    let share = ctx.share(user.email.canonical().as_bytes(), client);
    let password_hash = ctx.hashing.hash_for(share, new_password).await.map_err(Failure::from)?;
    // The notice is sent once the user has this time or a later one. It waits as long as a write can last.
    let now = ctx.now();
    let password = NewPassword { password_hash, at: now, email_verified_at: Some(now) };
    let notice = if purpose == Purpose::AcceptInvitation { Notice::None } else { Notice::Mailed };
    if replace_password(ctx, &user, &password, notice).await? == GuardedWrite::Stale {
        return Err(ResetPasswordError::InvalidToken);
    }
    mark_spent(ctx, &token, now).await;
    let account = user.email.canonical().as_bytes();
    // A client that used these up before does not know the new password.
    for limit in [
        permit::log_in_consecutive_failures(ctx, account),
        permit::devices_consecutive_failures(ctx, account),
        permit::log_in_success(ctx, account),
        permit::log_in_account(ctx, account, client),
        permit::log_in_device(ctx, account, client),
    ] {
        permit::reset(ctx, limit).await;
    }
    ctx.emit(client, EventKind::PasswordReset { user_id: user.id });
    Ok(())
}
