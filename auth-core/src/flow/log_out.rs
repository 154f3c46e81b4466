//! Logging out of one session, and of all.

use super::account::{EpochMove, UserError};
use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::flow::account::move_epoch;
use crate::id::UserId;
use crate::session::refresh_token::RefreshToken;
use crate::session::rotation::{Proof, live, prove};
use crate::store::{Revocation, StoreError};

/// The outcome of a log-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedOut {
    /// The session of the token.
    SessionEnded,
    /// No session: the token belongs to none, or its session has ended.
    NothingToEnd,
}

/// The session could not be ended. Do not report a log-out to the client.
#[derive(Debug, thiserror::Error)]
#[error("the session could not be ended")]
pub struct LogOutError(#[from] Failure);

impl LogOutError {
    /// Returns the failure that kept the session from being ended.
    pub const fn failure(&self) -> &Failure {
        &self.0
    }
}

impl From<StoreError> for LogOutError {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

pub(crate) async fn log_out(ctx: &Context, text: &str, client: &Client) -> Result<LoggedOut, LogOutError> {
    let Ok(token) = RefreshToken::parse(text) else { return Ok(LoggedOut::NothingToEnd) };
    let now = ctx.now();
    let (Some(session), Some(user)) = ctx.find_session_and_user(token.session_id()).await? else {
        return Ok(LoggedOut::NothingToEnd);
    };
    // A dead session has ended, whether or not it was cleaned up.
    if !live(&session, &user, now) {
        return Ok(LoggedOut::NothingToEnd);
    }
    match prove(&ctx.chain_key, &session, &token, ctx.policy.refresh.max_chain_walk) {
        Proof::Unproven => Ok(LoggedOut::NothingToEnd),
        // An older generation does not count as reuse here: its holder wants the session to end.
        Proof::Current | Proof::Older(_) => {
            match ctx.store.revoke_session(session.user_id, session.id).await? {
                Revocation::Revoked => {
                    let (user_id, session_id) = (session.user_id, session.id);
                    ctx.emit(client, EventKind::SessionRevoked { user_id, session_id });
                    Ok(LoggedOut::SessionEnded)
                }
                Revocation::NotFound => Ok(LoggedOut::NothingToEnd),
            }
        }
    }
}

pub(crate) async fn log_out_everywhere(
    ctx: &Context,
    user_id: UserId,
    client: &Client,
) -> Result<(), UserError> {
    move_epoch(ctx, user_id, &EpochMove::Alone).await?;
    ctx.emit(client, EventKind::SessionsRevoked { user_id });
    Ok(())
}
