//! Checking a new password against breaches, and replacing the old one.

use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::flow::enqueue::enqueue;
use crate::store::{GuardedWrite, MailRequest, NewPassword};
use crate::user::User;
use crate::user::password::breach::{BreachOutcome, breached};
use crate::user::password::{BreachPolicy, Password};

/// Returns whether a new password is known from a breach.
pub(super) async fn check_breach(
    ctx: &Context,
    password: &Password,
    client: &Client,
) -> Result<bool, Failure> {
    let Some(check) = &ctx.breach_check else { return Ok(false) };
    match (breached(&**check, password).await, ctx.policy.password.breach) {
        (BreachOutcome::Clear, _) => Ok(false),
        (BreachOutcome::Breached, _) => Ok(true),
        (BreachOutcome::Unknown(_), BreachPolicy::FailOpen) => {
            ctx.emit(client, EventKind::BreachCheckSkipped);
            Ok(false)
        }
        (BreachOutcome::Unknown(error), BreachPolicy::FailClosed) => Err(Failure::BreachCheck(error)),
    }
}

/// Whether the user gets a notice of the new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    Mailed,
    None,
}

/// Enqueues the notice, then sets the password in one write guarded by the epoch of `user`. If the
/// outcome of the write is unknown, a read of the user decides.
pub(super) async fn replace_password(
    ctx: &Context,
    user: &User,
    password: &NewPassword,
    notice: Notice,
) -> Result<GuardedWrite, Failure> {
    // An invited user who chooses the first password needs no notice.
    if notice == Notice::Mailed {
        let notice = MailRequest::PasswordChanged { user_id: user.id, at: password.at };
        enqueue(ctx, &user.email, notice, password.at).await?;
    }
    let outcome = match ctx.store.set_password(user.id, user.epoch, password).await {
        Ok(outcome) => outcome,
        Err(error) => match ctx.store.find_by_id(user.id).await {
            Ok(Some(found)) if has_hash(&found, password) => GuardedWrite::Applied,
            _ => return Err(error.into()),
        },
    };
    ctx.live_cache.forget(user.id);
    ctx.mail_enqueued.notify_one();
    Ok(outcome)
}

/// Returns whether the user has this hash. Hashes are salted, so only this write can have set it.
fn has_hash(user: &User, password: &NewPassword) -> bool {
    user.password_hash.as_ref().is_some_and(|hash| hash.expose() == password.password_hash.expose())
}
