//! Verifying an address, and resending its link.

use crate::flow::enqueue::{LinkLimits, enqueue_requested_link};
use crate::flow::permit::{self, Request, from_limit_error};
use crate::flow::redeem::{mark_spent, redeem};
use crate::limit::{Limit, RateLimited};

use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::hashing::Verified;
use crate::mail::one_time_token::{OneTimeToken, Purpose};
use crate::mail::policy::VerificationProof;
use crate::store::{EmailVerification, GuardedWrite, MailRequest};
use crate::user::User;
use crate::user::email::{Email, EmailError};
use crate::user::password::Password;

/// Why an address was not verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyEmailError {
    /// The token is malformed, unknown, wrong, spent, expired, or no longer fits its user.
    #[error("invalid or expired link")]
    InvalidToken,
    /// The policy requires the password of the registration. The token stays valid.
    #[error("the password is required")]
    PasswordRequired,
    /// The password is not that of the registration. The token stays valid.
    #[error("the password is wrong")]
    WrongPassword,
    /// Too many tries; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done. The link stays valid, unless the address was verified before the
    /// failure.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(VerifyEmailError);

/// Why no verification link was enqueued. Never because the address is unknown or verified.
#[derive(Debug, thiserror::Error)]
pub enum ResendVerificationError {
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

from_limit_error!(ResendVerificationError);

pub(crate) async fn verify_email(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
    password: Option<&Password>,
) -> Result<(), VerifyEmailError> {
    permit::count_by_client(ctx, request, Limit::VerifyClient).await?;
    let (client, now) = (request.client, ctx.now());
    let redeemed = redeem(ctx, text, Purpose::VerifyEmail, now).await?;
    let Some((token, user)) = redeemed.filter(|(_, user)| !user.email_verified()) else {
        ctx.emit(client, EventKind::MailedTokenRefused { purpose: Purpose::VerifyEmail });
        return Err(VerifyEmailError::InvalidToken);
    };
    if ctx.policy.links.verification_proof == VerificationProof::LinkAndPassword {
        check_password(ctx, client, password, &token, &user).await?;
    }
    let verification = EmailVerification { at: now, activate: token.registration.clone() };
    let outcome = match ctx.store.verify_email(user.id, token.epoch, &verification).await {
        Ok(outcome) => outcome,
        // The outcome is unknown: a read of the user decides.
        Err(error) => match ctx.store.find_by_id(user.id).await {
            Ok(Some(user)) if is_verified_by(&user, &verification) => GuardedWrite::Applied,
            _ => return Err(error.into()),
        },
    };
    if outcome == GuardedWrite::Stale {
        return Err(VerifyEmailError::InvalidToken);
    }
    ctx.live_cache.forget(user.id);
    mark_spent(ctx, &token, now).await;
    ctx.emit(client, EventKind::EmailVerified { user_id: user.id });
    Ok(())
}

/// Returns whether the user is as this verification leaves it.
fn is_verified_by(user: &User, verification: &EmailVerification) -> bool {
    let activated = verification.activate.as_ref().is_none_or(|attempt| {
        user.password_hash.as_ref().is_some_and(|hash| hash.expose() == attempt.password_hash.expose())
    });
    activated && user.email_verified_at == Some(verification.at)
}

/// Checks the password against the hash that the token would activate.
async fn check_password(
    ctx: &Context,
    client: &Client,
    password: Option<&Password>,
    token: &OneTimeToken,
    user: &User,
) -> Result<(), VerifyEmailError> {
    let Some(password) = password else { return Err(VerifyEmailError::PasswordRequired) };
    let hash =
        token.registration.as_ref().map(|attempt| &attempt.password_hash).or(user.password_hash.as_ref());
    let share = ctx.share(user.email.canonical().as_bytes(), client);
    match ctx.hashing.verify_for(share, password, hash).await.map_err(Failure::from)? {
        Verified::Match | Verified::MatchOutdated(_) => Ok(()),
        Verified::NoMatch => Err(VerifyEmailError::WrongPassword),
    }
}

pub(crate) async fn resend_verification(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<(), ResendVerificationError> {
    let email = Email::parse(text)?;
    let limits = LinkLimits { by_client: Limit::ResendClient, by_mailbox: Limit::ResendMailbox };
    let event = EventKind::VerificationRequested { account: ctx.email_tag(&email) };
    Ok(enqueue_requested_link(ctx, request, &email, MailRequest::Verification, event, limits).await?)
}
