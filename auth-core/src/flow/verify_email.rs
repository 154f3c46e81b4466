//! Verifying an address, and asking for another link.

use std::time::Duration;

use crate::auth::Inner;
use crate::client::Client;
use crate::email::{Email, EmailError};
use crate::event::EventKind;
use crate::failure::Failure;
use crate::gate::{Limit, from_shut};
use crate::hashing::Verified;
use crate::one_time::{OneTimeToken, Purpose};
use crate::password::Password;
use crate::policy::VerificationProof;
use crate::store::{EmailVerification, GuardedWrite, MailRequest};
use crate::user::User;

/// Why an address was not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyEmailError {
    /// The token is malformed, unknown, wrong, spent, expired, or no longer fits its user.
    #[error("invalid or expired link")]
    InvalidToken,
    /// The policy asks for the password typed when registering. Nothing was spent.
    #[error("the password is required")]
    PasswordRequired,
    /// The password is not the one typed when registering. Nothing was spent.
    #[error("the password is wrong")]
    WrongPassword,
    /// Too many tries; try again after this time.
    #[error("too many requests")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done; unless the address was verified all the same, the link stays good.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(VerifyEmailError);

/// Why no verification link was promised. Never because the address is unknown or verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResendVerificationError {
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

from_shut!(ResendVerificationError);

pub(crate) async fn verify_email(
    auth: &Inner,
    text: &str,
    password: Option<&Password>,
    client: &Client,
) -> Result<(), VerifyEmailError> {
    let limits = &auth.policy.limits;
    let _counted =
        auth.reserve(client, [Limit::client(auth, "verify_client", limits.verify_client, client)]).await?;
    let now = auth.now();
    let redeemed = auth.redeem(text, Purpose::VerifyEmail, now).await?;
    let Some((token, user)) = redeemed.filter(|(_, user)| !user.email_verified()) else {
        auth.emit(client, EventKind::MailedTokenRefused { purpose: Purpose::VerifyEmail.as_str() });
        return Err(VerifyEmailError::InvalidToken);
    };
    if auth.policy.links.verification_proof == VerificationProof::LinkAndPassword {
        prove_password(auth, password, &token, &user).await?;
    }
    let verification = EmailVerification { at: now, activate: token.registration.clone() };
    let outcome = match auth.users.verify_email(user.id, token.epoch, &verification).await {
        Ok(outcome) => outcome,
        // The outcome is unknown: what the user looks like now tells.
        Err(error) => match auth.users.find_by_id(user.id).await {
            Ok(Some(user)) if bears(&user, &verification) => GuardedWrite::Applied,
            _ => return Err(error.into()),
        },
    };
    if outcome == GuardedWrite::Stale {
        return Err(VerifyEmailError::InvalidToken);
    }
    auth.live_cache.forget(user.id);
    auth.mark_spent(&token, now).await;
    auth.emit(client, EventKind::EmailVerified { user_id: user.id });
    Ok(())
}

/// Whether the user looks just as this verification leaves it.
fn bears(user: &User, verification: &EmailVerification) -> bool {
    let activated = verification.activate.as_ref().is_none_or(|attempt| {
        user.password_hash.as_ref().is_some_and(|hash| hash.expose() == attempt.password_hash.expose())
    });
    activated && user.email_verified_at == Some(verification.at)
}

/// Checks the password against what the token would activate.
async fn prove_password(
    auth: &Inner,
    password: Option<&Password>,
    token: &OneTimeToken,
    user: &User,
) -> Result<(), VerifyEmailError> {
    let Some(password) = password else { return Err(VerifyEmailError::PasswordRequired) };
    let hash =
        token.registration.as_ref().map(|attempt| &attempt.password_hash).or(user.password_hash.as_ref());
    match auth.hashing.verify(password, hash).await.map_err(Failure::from)? {
        Verified::Match | Verified::MatchOutdated(_) => Ok(()),
        Verified::NoMatch => Err(VerifyEmailError::WrongPassword),
    }
}

pub(crate) async fn resend_verification(
    auth: &Inner,
    text: &str,
    client: &Client,
) -> Result<(), ResendVerificationError> {
    let email = Email::parse(text)?;
    let limits = &auth.policy.limits;
    let limits = [("resend_client", limits.resend_client), ("resend_mailbox", limits.resend_mailbox)];
    let event = EventKind::VerificationRequested { account: auth.email_tag(&email) };
    Ok(auth.promise_quietly(&email, MailRequest::Verification, event, limits, client).await?)
}
