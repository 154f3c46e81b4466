//! Logging in.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::flow::enqueue::enqueue;
use crate::flow::permit::{self, Request, from_limit_error};
use crate::flow::start_session::{prepare, start};
use crate::limit::{Limit, RateLimited};

use super::start_session::SessionTokens;
use crate::client::Client;
use crate::clock::after;
use crate::context::Context;
use crate::event::{EventKind, LogInFailure};
use crate::failure::Failure;
use crate::hashing::{Share, Verified};
use crate::store::{GuardedWrite, MailRequest};
use crate::user::email::{Email, MAX_EMAIL_BYTES};
use crate::user::password::Password;
use crate::user::{User, UserStatus};

/// How long after the verification of an address log-ins need no notice.
const FIRST_LOG_INS: Duration = Duration::from_hours(1);

/// Why a log-in was refused.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// No active user has this address and password. One variant, after the same work, for an
    /// unknown address, a wrong password, a disabled user and a user without a password.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// The password is right, but the address is not verified.
    #[error("the e-mail address is not verified")]
    EmailNotVerified,
    /// Too many failures, or too many log-ins of one account; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_limit_error!(LogInError);

/// Returns what a log-in counts by: the canonical address, or a text that is not an address, cut to
/// one byte more than the longest address.
fn account(email: Option<&Email>, text: &str) -> Vec<u8> {
    match email {
        Some(email) => email.canonical().as_bytes().to_vec(),
        None => text.bytes().take(MAX_EMAIL_BYTES + 1).collect(),
    }
}

pub(crate) async fn log_in(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
    password: &Password,
) -> Result<SessionTokens, LogInError> {
    let email = Email::parse(text).ok();
    let account = account(email.as_ref(), text);
    let share = ctx.share(&account, request.client);
    ctx.hashing.admit(share).map_err(Failure::from)?;
    let permit = permit::acquire_log_in(ctx, request, &account).await?;
    match check(ctx, share, email, password).await {
        Ok(Checked::Proven(user)) => {
            permit.release_after_success(ctx, request).await;
            // Any success ends the row of failures on known devices. The row of all other failures ends above, and
            // only after a success on a device that is not known.
            permit::reset(ctx, permit::devices_consecutive_failures(ctx, &account)).await;
            // Only now: refused before, a stranger could see that the account exists and is in use.
            let success = permit::acquire(ctx, request, permit::log_in_success(ctx, &account)).await?;
            match succeed(ctx, user, request.client).await {
                Ok(tokens) => {
                    success.keep();
                    Ok(tokens)
                }
                Err(failure) => {
                    success.release(ctx, request).await;
                    Err(failure.into())
                }
            }
        }
        Ok(Checked::Refused(user, reason)) => {
            emit_failure(ctx, &account, user, reason, request.client);
            if reason == LogInFailure::NotVerified {
                permit.release_after_success(ctx, request).await;
                // Apart from the owner's successes: an earlier registrant of the address must not use those up.
                permit::acquire(ctx, request, permit::log_in_unverified(ctx, &account)).await?.keep();
                return Err(LogInError::EmailNotVerified);
            }
            permit.keep();
            Err(LogInError::InvalidCredentials)
        }
        Err(failure) => {
            // No password was judged, so nothing was guessed.
            permit.release(ctx, request).await;
            Err(failure.into())
        }
    }
}

/// The result of checking address and password.
enum Checked {
    Proven(User),
    Refused(Option<User>, LogInFailure),
}

/// Reads the user, then hashes: one read and one hash in every case. No store connection is held while
/// hashing. The session gets the epoch of the user read here, so a password that is set in the meantime
/// leaves the new session dead on arrival.
async fn check(
    ctx: &Context,
    share: Share,
    email: Option<Email>,
    password: &Password,
) -> Result<Checked, Failure> {
    let user = ctx.store.find_by_email(&email.unwrap_or_else(Email::of_nobody)).await?;
    let stored = user.as_ref().and_then(|user| user.password_hash.as_ref());
    let verified = ctx.hashing.verify_for(share, password, stored).await?;
    let user = user.filter(|user| !ctx.is_abandoned(user, ctx.now()));
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
        // Guarded by the epoch: a password that was set in the meantime is not overwritten.
        let rehashed = ctx.store.rehash_password(user.id, user.epoch, &hash).await;
        if matches!(rehashed, Ok(GuardedWrite::Applied)) {
            ctx.emit_own(EventKind::PasswordRehashed { user_id: user.id });
        }
        ctx.log_best_effort("replace an outdated password hash", rehashed);
    }
    Ok(Checked::Proven(user))
}

async fn succeed(ctx: &Context, user: User, client: &Client) -> Result<SessionTokens, Failure> {
    // Hashing took time: the lifetimes start now.
    let now = ctx.now();
    let tokens = prepare(ctx, user, now, client).await?;
    let account = tokens.user.email.canonical().as_bytes();
    let is_known = ctx.device_keys.recognize(client.device(), account).is_some();
    let device = ctx.device_keys.renew(client.device(), account, &*ctx.random)?;
    if !is_known {
        // Before the session, so that no log-in is without its notice.
        enqueue_notice(ctx, &tokens, now, client).await?;
    }
    let tokens = start(ctx, SessionTokens { device_token: Some(device), ..tokens }, now, client).await?;
    let (user_id, session_id) = (tokens.user.id, tokens.session.id);
    ctx.emit(client, EventKind::LogInSucceeded { user_id, session_id });
    if !is_known {
        ctx.emit(client, EventKind::LogInFromUnknownDevice { user_id, session_id });
        ctx.mail_enqueued.notify_one();
    }
    Ok(tokens)
}

/// Enqueues the notice of a log-in from a device that is not known. A user who has just verified the address is
/// logging in for the first time, and needs none.
async fn enqueue_notice(
    ctx: &Context,
    tokens: &SessionTokens,
    now: DateTime<Utc>,
    client: &Client,
) -> Result<(), Failure> {
    let user = &tokens.user;
    let just_verified = user.email_verified_at.is_some_and(|at| at <= now && now < after(at, FIRST_LOG_INS));
    if just_verified
        || !ctx.policy.unknown_device_notice
        || !permit::count_by_mailbox(ctx, client, Limit::UnknownDeviceMailbox, &user.email).await?
    {
        return Ok(());
    }
    let mail = MailRequest::UnknownDevice { user_id: user.id, at: now, ip: client.ip() };
    enqueue(ctx, &user.email, mail, now).await
}

fn emit_failure(ctx: &Context, account: &[u8], user: Option<User>, reason: LogInFailure, client: &Client) {
    let (account, user_id) = (ctx.account_tag(account), user.map(|user| user.id));
    ctx.emit(client, EventKind::LogInFailed { account, user_id, reason });
}
