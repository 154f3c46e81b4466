//! Changing the name while logged in.

use super::authenticate::live_session;
use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::session::access_token::AccessClaims;
use crate::store::{GuardedWrite, StoreError};
use crate::user::{Name, NameError, User};

/// Why a name was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeNameError {
    /// The name is not acceptable.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The session of the claims has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreError> for ChangeNameError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

pub(crate) async fn change_name(
    ctx: &Context,
    claims: &AccessClaims,
    name: Option<&str>,
    client: &Client,
) -> Result<User, ChangeNameError> {
    let name = Name::parse_optional(name)?;
    let Some((_, user)) = live_session(ctx, claims, ctx.now()).await? else {
        return Err(ChangeNameError::SessionEnded);
    };
    match ctx.store.set_name(user.id, user.epoch, name.as_ref()).await? {
        GuardedWrite::Applied => {
            ctx.live_cache.forget(user.id);
            ctx.emit(client, EventKind::NameChanged { user_id: user.id });
            Ok(User { name, ..user })
        }
        GuardedWrite::Stale => Err(ChangeNameError::SessionEnded),
    }
}
