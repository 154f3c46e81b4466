//! Reading, disabling, enabling and deleting users.

use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::id::UserId;
use crate::store::{GuardedWrite, StoreError};
use crate::user::email::Email;
use crate::user::{User, UserStatus};

/// Most tries of a guarded write that is stale because others write to the same user.
const MAX_TRIES: usize = 16;

/// Why an operation on a user failed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// There is no such user (or dead letter).
    #[error("not found")]
    NotFound,
    /// The user is disabled, so no link would work.
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
    /// The epoch alone.
    Alone,
    /// The epoch and the status.
    Status(UserStatus),
}

/// Moves the epoch of a user, and reads the user again when another write was faster.
pub(super) async fn move_epoch(ctx: &Context, user_id: UserId, change: &EpochMove) -> Result<(), UserError> {
    for _ in 0..MAX_TRIES {
        let Some(user) = ctx.store.find_by_id(user_id).await? else {
            return Err(UserError::NotFound);
        };
        let outcome = match change {
            EpochMove::Alone => ctx.store.advance_epoch(user_id, user.epoch).await?,
            EpochMove::Status(status) if user.status == *status => return Ok(()),
            EpochMove::Status(status) => ctx.store.set_status(user_id, user.epoch, *status).await?,
        };
        ctx.live_cache.forget(user_id);
        if outcome == GuardedWrite::Applied {
            return Ok(());
        }
    }
    Err(gave_up())
}

pub(crate) async fn user(ctx: &Context, user_id: UserId) -> Result<User, UserError> {
    ctx.store.find_by_id(user_id).await?.ok_or(UserError::NotFound)
}

pub(crate) async fn find_user(ctx: &Context, text: &str) -> Result<User, UserError> {
    let Ok(email) = Email::parse(text) else { return Err(UserError::NotFound) };
    ctx.store.find_by_email(&email).await?.ok_or(UserError::NotFound)
}

pub(crate) async fn users(ctx: &Context, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
    match after.map_or(Some(UserId::MIN), UserId::successor) {
        Some(from) => ctx.store.find_users(from, limit).await,
        None => Ok(Vec::new()),
    }
}

pub(crate) async fn disable_user(ctx: &Context, user_id: UserId) -> Result<(), UserError> {
    move_epoch(ctx, user_id, &EpochMove::Status(UserStatus::Disabled)).await?;
    ctx.emit_own(EventKind::UserDisabled { user_id });
    Ok(())
}

pub(crate) async fn enable_user(ctx: &Context, user_id: UserId) -> Result<(), UserError> {
    move_epoch(ctx, user_id, &EpochMove::Status(UserStatus::Active)).await?;
    ctx.emit_own(EventKind::UserEnabled { user_id });
    Ok(())
}

pub(crate) async fn delete_user(ctx: &Context, user_id: UserId) -> Result<(), UserError> {
    for _ in 0..MAX_TRIES {
        let user = user(ctx, user_id).await?;
        // First, since only a user who is still there can be deleted again after a failure.
        remove_dead_letters(ctx, &user, u32::MAX).await?;
        match delete(ctx, &user).await? {
            GuardedWrite::Applied => {
                ctx.emit_own(EventKind::UserDeleted { user_id });
                delete_sessions(ctx, user_id).await;
                return Ok(());
            }
            GuardedWrite::Stale => {}
        }
    }
    Err(gave_up())
}

fn gave_up() -> UserError {
    StoreError::unavailable("gave up after 16 conflicting updates of the user").into()
}

/// Deletes a user under the epoch that was read. Its sessions and dead letters are for the caller to delete.
pub(super) async fn delete(ctx: &Context, user: &User) -> Result<GuardedWrite, StoreError> {
    let deleted = match ctx.store.delete(user.id, user.epoch).await {
        Ok(deleted) => deleted,
        // The outcome is unknown: a read of the user decides.
        Err(error) => match ctx.store.find_by_id(user.id).await {
            Ok(None) => GuardedWrite::Applied,
            Ok(Some(_)) | Err(_) => return Err(error),
        },
    };
    ctx.live_cache.forget(user.id);
    Ok(deleted)
}

/// Deletes a user who has the address without having verified it; returns true if the address is then free.
/// For the owner of the mailbox, who has proven it, and for administrators.
pub(super) async fn delete_unverified_holder(
    ctx: &Context,
    client: &Client,
    email: &Email,
) -> Result<bool, StoreError> {
    let Some(holder) = ctx.store.find_by_email(email).await? else { return Ok(true) };
    if holder.email_verified() || holder.status != UserStatus::Active {
        return Ok(false);
    }
    let is_deleted = match ctx.store.delete_unverified(holder.id, holder.epoch).await {
        Ok(outcome) => outcome == GuardedWrite::Applied,
        // The outcome is unknown: a read of the user decides.
        Err(error) => match ctx.store.find_by_id(holder.id).await {
            Ok(None) => true,
            _ => return Err(error),
        },
    };
    if is_deleted {
        ctx.emit(client, EventKind::UserDeleted { user_id: holder.id });
    }
    Ok(is_deleted)
}

/// Removes the dead letters about a user, which have the address and perhaps a password hash. Reads at most `limit`
/// of all dead letters, the oldest first.
pub(super) async fn remove_dead_letters(ctx: &Context, user: &User, limit: u32) -> Result<(), StoreError> {
    let dead = ctx.store.stats().await?.dead;
    if dead == 0 {
        return Ok(());
    }
    for letter in ctx.store.dead_letters(u32::try_from(dead).unwrap_or(u32::MAX).min(limit)).await? {
        if letter.intent.email == user.email || letter.intent.mail.user_id() == Some(user.id) {
            let _removed = ctx.store.remove_dead_letter(letter.intent.id).await?;
        }
    }
    Ok(())
}

/// Deletes the sessions of a deleted user. None of them works any more.
pub(super) async fn delete_sessions(ctx: &Context, user_id: UserId) {
    let deleted = async {
        for session in ctx.store.find_sessions_by_user(user_id).await? {
            let _gone = ctx.store.revoke_session(user_id, session.id).await?;
        }
        Ok(())
    };
    ctx.log_best_effort("delete the sessions of a deleted user", deleted.await);
}
