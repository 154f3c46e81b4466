//! Listing and ending sessions.

use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::flow::account::UserError;
use crate::id::{SessionId, UserId};
use crate::session::Session;
use crate::session::rotation::live;
use crate::store::{Revocation, StoreError};

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// This user has no such session.
    #[error("no such session")]
    NotFound,
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn sessions(ctx: &Context, user_id: UserId) -> Result<Vec<Session>, UserError> {
    let now = ctx.now();
    let Some(user) = ctx.store.find_by_id(user_id).await? else { return Err(UserError::NotFound) };
    let mut sessions = ctx.store.find_sessions_by_user(user_id).await?;
    sessions.retain(|session| live(session, &user, now));
    Ok(sessions)
}

pub(crate) async fn revoke_session(
    ctx: &Context,
    user_id: UserId,
    session_id: SessionId,
    client: &Client,
) -> Result<(), SessionError> {
    let now = ctx.now();
    let (Some(session), Some(user)) = ctx.find_session_and_user(session_id).await? else {
        return Err(SessionError::NotFound);
    };
    // A dead session has ended, whether or not it was cleaned up.
    if user.id != user_id || !live(&session, &user, now) {
        return Err(SessionError::NotFound);
    }
    match ctx.store.revoke_session(user_id, session_id).await? {
        Revocation::Revoked => {
            ctx.emit(client, EventKind::SessionRevoked { user_id, session_id });
            Ok(())
        }
        Revocation::NotFound => Err(SessionError::NotFound),
    }
}
