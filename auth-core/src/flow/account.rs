//! What a service does to its users.

use crate::auth::Inner;
use crate::email::Email;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::id::UserId;
use crate::store::{Deletion, GuardedWrite, StoreError};
use crate::user::{User, UserStatus};

/// How often a write is tried again that lost against others on the same user.
const MAX_TRIES: usize = 16;

/// Why nothing was done to a user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// There is no such user (or dead letter).
    #[error("not found")]
    NotFound,
    /// The user is disabled: no link would open anything.
    #[error("the user is disabled")]
    Disabled,
    /// The work could not be done.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A guarded write that moves the epoch of a user.
pub(super) enum EpochMove {
    /// Nothing but the epoch.
    Alone,
    /// The status too.
    Status(UserStatus),
}

impl Inner {
    /// Carries out a write that moves the epoch, reading the user anew whenever another was faster.
    pub(super) async fn move_epoch(&self, user_id: UserId, change: &EpochMove) -> Result<(), UserError> {
        for _ in 0..MAX_TRIES {
            let Some(user) = self.users.find_by_id(user_id).await? else {
                return Err(UserError::NotFound);
            };
            let outcome = match change {
                EpochMove::Alone => self.users.advance_epoch(user_id, user.epoch).await?,
                EpochMove::Status(status) if user.status == *status => return Ok(()),
                EpochMove::Status(status) => self.users.set_status(user_id, user.epoch, *status).await?,
            };
            self.live_cache.forget(user_id);
            if outcome == GuardedWrite::Applied {
                return Ok(());
            }
        }
        Err(StoreError::unavailable("the user is being changed by too many others").into())
    }
}

pub(crate) async fn user(auth: &Inner, user_id: UserId) -> Result<User, UserError> {
    auth.users.find_by_id(user_id).await?.ok_or(UserError::NotFound)
}

pub(crate) async fn find_user(auth: &Inner, text: &str) -> Result<User, UserError> {
    let Ok(email) = Email::parse(text) else { return Err(UserError::NotFound) };
    auth.users.find_by_email(&email).await?.ok_or(UserError::NotFound)
}

pub(crate) async fn disable_user(auth: &Inner, user_id: UserId) -> Result<(), UserError> {
    auth.move_epoch(user_id, &EpochMove::Status(UserStatus::Disabled)).await?;
    auth.emit_own(EventKind::UserDisabled { user_id });
    Ok(())
}

pub(crate) async fn enable_user(auth: &Inner, user_id: UserId) -> Result<(), UserError> {
    auth.move_epoch(user_id, &EpochMove::Status(UserStatus::Active)).await?;
    auth.emit_own(EventKind::UserEnabled { user_id });
    Ok(())
}

pub(crate) async fn delete_user(auth: &Inner, user_id: UserId) -> Result<(), UserError> {
    let deleted = match auth.users.delete(user_id).await {
        Ok(deleted) => deleted,
        // The outcome is unknown: whether the user is there tells.
        Err(error) => match auth.users.find_by_id(user_id).await {
            Ok(None) => Deletion::Deleted,
            _ => return Err(error.into()),
        },
    };
    auth.live_cache.forget(user_id);
    if deleted == Deletion::NotFound {
        return Err(UserError::NotFound);
    }
    auth.emit_own(EventKind::UserDeleted { user_id });
    tidy_sessions(auth, user_id).await;
    Ok(())
}

/// Deletes the sessions of a user who is gone. They are dead already.
async fn tidy_sessions(auth: &Inner, user_id: UserId) {
    let tidied = async {
        for session in auth.tokens.find_sessions_by_user(user_id).await? {
            let _gone = auth.tokens.revoke_session(user_id, session.id).await?;
        }
        Ok(())
    };
    auth.log_best_effort("delete the sessions of a deleted user", tidied.await);
}
