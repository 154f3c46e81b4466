//! Changing the address: asked for while logged in, done by whoever reads the new mailbox.

use std::time::Duration;

use crate::access_token::AccessClaims;
use crate::auth::Inner;
use crate::client::Client;
use crate::clock::before;
use crate::email::{Email, EmailError};
use crate::event::EventKind;
use crate::failure::Failure;
use crate::gate::{Limit, from_shut};
use crate::one_time::Purpose;
use crate::password::Password;
use crate::store::{MailRequest, NewEmail, SetEmailOutcome, StoreError};
use crate::user::User;

/// Why no mail to a new address was promised. Never because the address is taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeEmailError {
    /// The text is no address.
    #[error(transparent)]
    Email(#[from] EmailError),
    /// The user has this address already, perhaps in another spelling.
    #[error("this is the address already")]
    Unchanged,
    /// The current password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The session behind the claims is over.
    #[error("the session has ended")]
    SessionEnded,
    /// Too many wrong passwords or requests; try again after this time.
    #[error("too many requests")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(ChangeEmailError);

/// Why the address was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmEmailError {
    /// The token is malformed, unknown, wrong, spent, expired, or no longer fits its user.
    #[error("invalid or expired link")]
    InvalidToken,
    /// Another user has the address by now. Nothing was spent. Only who reads the mailbox is told.
    #[error("another account has this e-mail address")]
    Taken,
    /// Too many tries; try again after this time.
    #[error("too many requests")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The work could not be done; unless the address was changed all the same, the link stays good.
    #[error(transparent)]
    Failed(#[from] Failure),
}

from_shut!(ConfirmEmailError);

/// Looks at nobody but the user: whether the address is taken is found out by the worker.
pub(crate) async fn change_email(
    auth: &Inner,
    claims: &AccessClaims,
    text: &str,
    current: &Password,
    client: &Client,
) -> Result<(), ChangeEmailError> {
    let Some((_, user)) = auth.live_session(claims, auth.now()).await? else {
        return Err(ChangeEmailError::SessionEnded);
    };
    let email = Email::parse(text)?;
    if email == user.email {
        return Err(ChangeEmailError::Unchanged);
    }
    let limits = &auth.policy.limits;
    let per_client = Limit::client(auth, "change_email_client", limits.change_email_client, client);
    let (user_id, session_id) = (user.id, claims.session_id);
    if !auth.verify_current_password(claims, &user, current, per_client, client).await? {
        auth.emit(client, EventKind::EmailChangeFailed { user_id, session_id });
        return Err(ChangeEmailError::WrongPassword);
    }
    auth.emit(client, EventKind::EmailChangeRequested { user_id, session_id });
    // The epoch is the one that the session was found live under: no change outlives what ends it.
    let promise = MailRequest::ChangeEmail { user_id, epoch: user.epoch };
    let per_mailbox = ("change_email_mailbox", limits.change_email_mailbox);
    Ok(auth.promise_silently(&email, promise, per_mailbox, client).await?)
}

/// Check the token, promise the notices, one guarded write on the user, tidy.
pub(crate) async fn confirm_email(
    auth: &Inner,
    text: &str,
    client: &Client,
) -> Result<(), ConfirmEmailError> {
    let limits = &auth.policy.limits;
    let per_client = Limit::client(auth, "confirm_email_client", limits.confirm_email_client, client);
    let _counted = auth.reserve(client, [per_client]).await?;
    let now = auth.now();
    let Some((token, user)) = auth.redeem(text, Purpose::ChangeEmail, now).await? else {
        auth.emit(client, EventKind::MailedTokenRefused { purpose: Purpose::ChangeEmail.as_str() });
        return Err(ConfirmEmailError::InvalidToken);
    };
    let user_id = user.id;
    match auth.replace_email(&user, &NewEmail { email: token.email.clone(), at: now }).await? {
        SetEmailOutcome::Applied => {
            auth.mark_spent(&token, now).await;
            auth.emit(client, EventKind::EmailChanged { user_id });
            Ok(())
        }
        SetEmailOutcome::Taken => {
            auth.emit(client, EventKind::EmailTaken { user_id });
            Err(ConfirmEmailError::Taken)
        }
        SetEmailOutcome::Stale => Err(ConfirmEmailError::InvalidToken),
    }
}

impl Inner {
    /// Promises the notices to both addresses, then sets the new one in one write guarded by the epoch
    /// of `user`.
    async fn replace_email(&self, user: &User, new: &NewEmail) -> Result<SetEmailOutcome, Failure> {
        for email in [&user.email, &new.email] {
            let (user_id, new_email, at) = (user.id, new.email.clone(), new.at);
            self.promise(email, MailRequest::EmailChanged { user_id, new_email, at }, at).await?;
        }
        let mut outcome = self.set_email(user, new).await?;
        if outcome == SetEmailOutcome::Taken && self.free_abandoned(&new.email).await? {
            outcome = self.set_email(user, new).await?;
        }
        self.live_cache.forget(user.id);
        self.mail_promised.notify_one();
        Ok(outcome)
    }

    /// When the outcome of the write is unknown, what the user looks like afterwards tells.
    async fn set_email(&self, user: &User, new: &NewEmail) -> Result<SetEmailOutcome, StoreError> {
        match self.users.set_email(user.id, user.epoch, new).await {
            Err(error) => match self.users.find_by_id(user.id).await {
                Ok(Some(found)) if found.email == new.email && found.email_verified_at == Some(new.at) => {
                    Ok(SetEmailOutcome::Applied)
                }
                _ => Err(error),
            },
            outcome => outcome,
        }
    }

    /// Whether nobody has the address any more once the users are gone whom clean-up may delete: no
    /// answer may depend on whether it ran.
    async fn free_abandoned(&self, email: &Email) -> Result<bool, StoreError> {
        let (policy, now) = (&self.policy.clean_up, self.now());
        match self.users.find_by_email(email).await? {
            Some(holder) if !self.is_abandoned(&holder, now) => return Ok(false),
            _ => {}
        }
        let (before, batch) = (before(now, policy.unverified_user_lifetime), policy.batch.get());
        while self.users.purge_unverified(before, batch).await? >= u64::from(batch) {}
        Ok(true)
    }
}
