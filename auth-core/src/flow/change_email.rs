//! Changing the address: requested while logged in, confirmed by the reader of the new mailbox.

use crate::flow::account::delete_unverified_holder;
use crate::flow::authenticate::live_session;
use crate::flow::enqueue::{enqueue, enqueue_if_allowed};
use crate::flow::permit::{self, Request, from_limit_error};
use crate::flow::redeem::{mark_spent, redeem};
use crate::flow::verify_current_password::verify_current_password;
use crate::limit::{Limit, RateLimited};

use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::mail::one_time_token::Purpose;
use crate::session::access_token::AccessClaims;
use crate::store::{MailRequest, NewEmail, SetEmailOutcome, StoreError};
use crate::user::User;
use crate::user::email::{Email, EmailError};
use crate::user::password::Password;

/// Why no mail to a new address was enqueued. Never because the address is taken.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    /// The text is not an address.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The user has this address already, perhaps in another spelling.
    #[error("this is the address already")]
    Unchanged,
    /// The current password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The session of the claims has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many wrong passwords or requests; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(ChangeEmailError);

/// Why the address was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmEmailError {
    /// The token is malformed, unknown, wrong, spent, expired, or no longer fits its user.
    #[error("invalid or expired link")]
    InvalidToken,
    /// Another user has the address now. The token stays valid. Only the reader of the mailbox learns
    /// this.
    #[error("another account has this e-mail address")]
    Taken,
    /// Too many tries; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done. The link stays valid, unless the address was changed before the
    /// failure.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(ConfirmEmailError);

/// Reads this user alone: the delivery worker finds out whether the address is taken.
pub(crate) async fn change_email(
    ctx: &Context,
    request: &mut Request<'_>,
    claims: &AccessClaims,
    text: &str,
    current: &Password,
) -> Result<(), ChangeEmailError> {
    let Some((_, user)) = live_session(ctx, claims, ctx.now()).await? else {
        return Err(ChangeEmailError::SessionEnded);
    };
    let email = Email::parse(text)?;
    if email == user.email {
        return Err(ChangeEmailError::Unchanged);
    }
    permit::count_by_client(ctx, request, Limit::ChangeEmailClient).await?;
    let (user_id, session_id) = (user.id, claims.session_id);
    if !verify_current_password(ctx, request, claims, &user, current).await? {
        ctx.emit(request.client, EventKind::EmailChangeFailed { user_id, session_id });
        return Err(ChangeEmailError::WrongPassword);
    }
    ctx.emit(request.client, EventKind::EmailChangeRequested { user_id, session_id });
    // The epoch under which the session was read as live: whatever ends the session cancels the change.
    let mail = MailRequest::ChangeEmail { user_id, epoch: user.epoch };
    Ok(enqueue_if_allowed(ctx, request.client, &email, mail, Limit::ChangeEmailMailbox).await?)
}

/// Checks the token, enqueues the notices, writes the user with one guarded write, then cleans up.
pub(crate) async fn confirm_email(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<(), ConfirmEmailError> {
    permit::count_by_client(ctx, request, Limit::ConfirmEmailClient).await?;
    let (client, now) = (request.client, ctx.now());
    let Some((token, user)) = redeem(ctx, text, Purpose::ChangeEmail, now).await? else {
        ctx.emit(client, EventKind::MailedTokenRefused { purpose: Purpose::ChangeEmail });
        return Err(ConfirmEmailError::InvalidToken);
    };
    let user_id = user.id;
    match replace_email(ctx, client, &user, &NewEmail { email: token.email.clone(), at: now }).await? {
        SetEmailOutcome::Applied => {
            mark_spent(ctx, &token, now).await;
            ctx.emit(client, EventKind::EmailChanged { user_id });
            Ok(())
        }
        SetEmailOutcome::Taken => {
            ctx.emit(client, EventKind::EmailTaken { user_id });
            Err(ConfirmEmailError::Taken)
        }
        SetEmailOutcome::Stale => Err(ConfirmEmailError::InvalidToken),
    }
}

/// Enqueues the notices to both addresses, then sets the new one in one write guarded by the epoch of
/// `user`.
async fn replace_email(
    ctx: &Context,
    client: &Client,
    user: &User,
    new: &NewEmail,
) -> Result<SetEmailOutcome, Failure> {
    for email in [&user.email, &new.email] {
        let (user_id, new_email, at) = (user.id, new.email.clone(), new.at);
        enqueue(ctx, email, MailRequest::EmailChanged { user_id, new_email, at }, at).await?;
    }
    let mut outcome = set_email(ctx, user, new).await?;
    if outcome == SetEmailOutcome::Taken && delete_unverified_holder(ctx, client, &new.email).await? {
        outcome = set_email(ctx, user, new).await?;
    }
    ctx.live_cache.forget(user.id);
    ctx.mail_enqueued.notify_one();
    Ok(outcome)
}

/// Sets the address. If the outcome of the write is unknown, a read of the user decides.
async fn set_email(ctx: &Context, user: &User, new: &NewEmail) -> Result<SetEmailOutcome, StoreError> {
    match ctx.store.set_email(user.id, user.epoch, new).await {
        Err(error) => match ctx.store.find_by_id(user.id).await {
            Ok(Some(found)) if found.email == new.email && found.email_verified_at == Some(new.at) => {
                Ok(SetEmailOutcome::Applied)
            }
            _ => Err(error),
        },
        outcome => outcome,
    }
}
