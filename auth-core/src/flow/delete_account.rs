//! Deleting one's own account.

use std::time::Duration;

use super::account::{delete, delete_sessions, remove_dead_letters};
use super::authenticate::live_session;
use super::enqueue::enqueue_once;
use crate::client::Client;
use crate::clock::elapsed;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::session::access_token::AccessClaims;
use crate::store::{GuardedWrite, MailRequest, StoreError};

/// Most dead letters that a deletion reads, some 10 MB: a request of a user must not read any number. Clean-up deletes
/// what is left after 30 days.
const MOST_DEAD_LETTERS: u32 = 10_000;

/// Why an account was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// The last log-in of the session is longer ago than the policy accepts. Log in again.
    #[error("the last log-in is longer ago than {} s", max_age.as_secs())]
    ReauthenticationRequired {
        /// How long ago it may be: [`Policy::reauthentication_window`](crate::Policy::reauthentication_window).
        max_age: Duration,
    },
    /// The session of the claims has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreError> for DeleteAccountError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn delete_account(
    ctx: &Context,
    claims: &AccessClaims,
    client: &Client,
) -> Result<(), DeleteAccountError> {
    let now = ctx.now();
    let Some((session, user)) = live_session(ctx, claims, now).await? else {
        return Err(DeleteAccountError::SessionEnded);
    };
    let max_age = ctx.policy.reauthentication_window;
    // The older of what the token and the record say counts.
    if elapsed(claims.authenticated_at.min(session.created_at), now) >= max_age {
        return Err(DeleteAccountError::ReauthenticationRequired { max_age });
    }
    // Written first, so that no crash loses it. It is not sent while the user is still there, and once for all
    // attempts.
    let notice = MailRequest::AccountDeleted { user_id: user.id, at: now };
    let once: [&[u8]; 2] = [user.id.as_bytes(), &user.epoch.as_u64().to_be_bytes()];
    enqueue_once(ctx, &once, &user.email, notice, now).await?;
    match delete(ctx, &user).await? {
        GuardedWrite::Applied => {}
        GuardedWrite::Stale => return Err(DeleteAccountError::SessionEnded),
    }
    ctx.emit(client, EventKind::UserDeleted { user_id: user.id });
    delete_sessions(ctx, user.id).await;
    let removed = remove_dead_letters(ctx, &user, MOST_DEAD_LETTERS).await;
    ctx.log_best_effort("remove the dead letters about a deleted user", removed);
    ctx.mail_enqueued.notify_one();
    Ok(())
}
