//! Logging out of one session, and of all.

use super::account::{EpochMove, UserError};
use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::flow::account::move_epoch;
use crate::flow::permit::{self, Request, from_limit_error};
use crate::id::UserId;
use crate::limit::{Limit, RateLimited};
use crate::session::refresh_token::RefreshToken;
use crate::session::rotation::may_log_out;
use crate::store::{Revocation, StoreError};

/// The outcome of a log-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedOut {
    /// The session of the token.
    SessionEnded,
    /// No session: the token belongs to none, or its session has ended.
    NothingToEnd,
}

/// Why a session could not be ended. Do not report a log-out to the client.
#[derive(Debug, thiserror::Error)]
pub enum LogOutError {
    /// Too many requests; try again after this time.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The work could not be done.
    #[error("the session could not be ended")]
    Failed(#[from] Failure),
}

from_limit_error!(LogOutError);

pub(crate) async fn log_out(
    ctx: &Context,
    request: &mut Request<'_>,
    text: &str,
) -> Result<LoggedOut, LogOutError> {
    permit::count_by_client(ctx, request, Limit::LogOutClient).await?;
    Ok(end_session(ctx, text, request.client).await?)
}

/// Ends the session of a refresh token that a log-in has replaced.
pub(crate) async fn end_replaced_session(ctx: &Context, text: &str, client: &Client) {
    let ended = end_session(ctx, text, client).await;
    ctx.log_best_effort("end the session that a log-in replaced", ended);
}

/// Ends the session of a token, of any generation that it has had.
async fn end_session(ctx: &Context, text: &str, client: &Client) -> Result<LoggedOut, StoreError> {
    let Ok(token) = RefreshToken::parse(text, &ctx.refresh_keys) else { return Ok(LoggedOut::NothingToEnd) };
    let (Some(session), Some(user)) = ctx.find_session_and_user(token.session_id()).await? else {
        return Ok(LoggedOut::NothingToEnd);
    };
    if !may_log_out(&session, &user, &token, ctx.now()) {
        return Ok(LoggedOut::NothingToEnd);
    }
    match ctx.store.revoke_session(session.user_id, session.id).await? {
        Revocation::Revoked => {
            let (user_id, session_id) = (session.user_id, session.id);
            ctx.emit(client, EventKind::SessionRevoked { user_id, session_id });
            Ok(LoggedOut::SessionEnded)
        }
        Revocation::NotFound => Ok(LoggedOut::NothingToEnd),
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
