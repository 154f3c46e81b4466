//! What every new password goes through, and how it takes the place of the old one.

use crate::client::Client;
use crate::context::Context;
use crate::event::EventKind;
use crate::failure::Failure;
use crate::flow::enqueue::enqueue;
use crate::store::{GuardedWrite, MailRequest, NewPassword};
use crate::user::User;
use crate::user::password::breach::{BreachOutcome, breached};
use crate::user::password::{BreachPolicy, Password};

/// Asks whether a new password is known from a breach.
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

/// Promises the notice, then sets the password in one write guarded by the epoch of `user`.
///
/// When the outcome of the write is unknown, what the user looks like afterwards tells.
pub(super) async fn replace_password(
    ctx: &Context,
    user: &User,
    password: &NewPassword,
) -> Result<GuardedWrite, Failure> {
    let notice = MailRequest::PasswordChanged { user_id: user.id, at: password.at };
    enqueue(ctx, &user.email, notice, password.at).await?;
    let outcome = match ctx.users.set_password(user.id, user.epoch, password).await {
        Ok(outcome) => outcome,
        Err(error) => match ctx.users.find_by_id(user.id).await {
            Ok(Some(found)) if holds(&found, password) => GuardedWrite::Applied,
            _ => return Err(error.into()),
        },
    };
    ctx.live_cache.forget(user.id);
    ctx.mail_enqueued.notify_one();
    Ok(outcome)
}

/// Whether the user has just this hash. Hashes are salted, so no other write made it.
fn holds(user: &User, password: &NewPassword) -> bool {
    user.password_hash.as_ref().is_some_and(|hash| hash.expose() == password.password_hash.expose())
}
