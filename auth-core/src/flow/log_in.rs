//! Logging in.

use std::time::Duration;

use super::grant::SessionTokens;
use crate::auth::Inner;
use crate::client::Client;
use crate::email::{Email, MAX_EMAIL_BYTES};
use crate::event::{EventKind, LogInFailure};
use crate::failure::Failure;
use crate::gate::{Limit, Places, from_shut};
use crate::hashing::Verified;
use crate::password::Password;
use crate::store::GuardedWrite;
use crate::user::{User, UserStatus};

/// Why a log-in was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogInError {
    /// No active user has this address and password. One variant, after the same work, for an
    /// unknown address, a wrong password, a disabled user and a user without a password.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The password is right, but the address was never verified.
    #[error("the e-mail address is not verified")]
    EmailNotVerified,
    /// Too many failures; try again after this time.
    #[error("too many failed log-ins")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(LogInError);

/// What a log-in is counted under: the canonical address, or the text that is none, cut to a length
/// that no address exceeds.
fn account(email: Option<&Email>, text: &str) -> Vec<u8> {
    match email {
        Some(email) => email.canonical().as_bytes().to_vec(),
        None => text.bytes().take(MAX_EMAIL_BYTES + 1).collect(),
    }
}

/// The failed log-ins of an account from one client.
pub(super) fn failures(auth: &Inner, account: &[u8], client: &Client) -> Option<Limit> {
    Limit::keyed(auth, "log_in_account", auth.policy.limits.log_in_account, &[account, &client.network()])
}

/// The streak of failed log-ins of an account, from wherever.
pub(super) fn streak(auth: &Inner, account: &[u8]) -> Option<Limit> {
    Limit::keyed(
        auth,
        "log_in_consecutive_failures",
        auth.policy.limits.log_in_consecutive_failures,
        &[account],
    )
}

pub(crate) async fn log_in(
    auth: &Inner,
    text: &str,
    password: &Password,
    client: &Client,
) -> Result<SessionTokens, LogInError> {
    auth.hashing.admit().map_err(Failure::from)?;
    let email = Email::parse(text).ok();
    let account = account(email.as_ref(), text);
    let limits = &auth.policy.limits;
    let places = auth
        .reserve(
            client,
            [
                Limit::client(auth, "log_in_client", limits.log_in_client, client),
                failures(auth, &account, client),
                streak(auth, &account),
            ],
        )
        .await?;
    match check(auth, email, password).await {
        Ok(Checked::Proven(user)) => {
            auth.give_back_and_end_streaks(places, client).await;
            succeed(auth, user, client).await
        }
        Ok(Checked::Refused(user, reason)) => refuse(auth, &account, user, reason, places, client).await,
        Err(failure) => {
            // No password was judged, so nothing was guessed.
            auth.give_back(places, client).await;
            Err(failure.into())
        }
    }
}

/// What checking address and password found.
enum Checked {
    Proven(User),
    Refused(Option<User>, LogInFailure),
}

/// Reads the user, then hashes: one look-up and one hash whatever is found. No store connection is
/// held while hashing. The epoch of the user read here is the one the session will bear, so a
/// password set meanwhile leaves it dead on arrival.
async fn check(auth: &Inner, email: Option<Email>, password: &Password) -> Result<Checked, Failure> {
    let user = auth.users.find_by_email(&email.unwrap_or_else(Email::of_nobody)).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.as_ref());
    let verified = auth.hashing.verify(password, stored).await?;
    let user = user.filter(|user| !auth.is_abandoned(user, auth.now()));
    let Some(user) = user else { return Ok(Checked::Refused(None, LogInFailure::UnknownAccount)) };
    let upgraded = match verified {
        Verified::NoMatch => return Ok(Checked::Refused(Some(user), LogInFailure::WrongPassword)),
        Verified::Match => None,
        Verified::MatchOutdated(hash) => Some(hash),
    };
    if user.status == UserStatus::Disabled {
        return Ok(Checked::Refused(Some(user), LogInFailure::Disabled));
    }
    if !user.email_verified() {
        return Ok(Checked::Refused(Some(user), LogInFailure::NotVerified));
    }
    if let Some(hash) = upgraded {
        // GuardedWrite by the epoch: a password set meanwhile is not overwritten.
        let rehashed = auth.users.rehash_password(user.id, user.epoch, &hash).await;
        if matches!(rehashed, Ok(GuardedWrite::Applied)) {
            auth.emit_own(EventKind::PasswordRehashed { user_id: user.id });
        }
        auth.log_best_effort("replace an outdated password hash", rehashed);
    }
    Ok(Checked::Proven(user))
}

async fn succeed(auth: &Inner, user: User, client: &Client) -> Result<SessionTokens, LogInError> {
    // Hashing takes long enough that the lifetimes should start now.
    let now = auth.now();
    let grant = auth.prepare_session(user, now, client).await?;
    let grant = auth.begin_session(grant, now, client).await?;
    let (user_id, session_id) = (grant.user.id, grant.session.id);
    auth.emit(client, EventKind::LogInSucceeded { user_id, session_id });
    Ok(grant)
}

async fn refuse(
    auth: &Inner,
    account: &[u8],
    user: Option<User>,
    reason: LogInFailure,
    places: Places,
    client: &Client,
) -> Result<SessionTokens, LogInError> {
    let (account, user_id) = (auth.account_tag(account), user.map(|user| user.id));
    auth.emit(client, EventKind::LogInFailed { account, user_id, reason });
    if reason == LogInFailure::NotVerified {
        auth.give_back_and_end_streaks(places, client).await;
        return Err(LogInError::EmailNotVerified);
    }
    Err(LogInError::InvalidCredentials)
}
