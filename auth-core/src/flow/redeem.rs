//! Checks the token of a mailed link, for every purpose, and marks it spent.

use chrono::{DateTime, Utc};

use crate::context::Context;
use crate::mail::one_time_token::{MailedToken, OneTimeToken, Purpose};
use crate::store::StoreError;
use crate::user::{User, UserStatus};

/// Reads the record and the user of a mailed token, if its secret is right, it is neither spent nor
/// expired, and user, epoch and address are those it was made for.
pub(super) async fn redeem(
    ctx: &Context,
    text: &str,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<Option<(OneTimeToken, User)>, StoreError> {
    let Ok(mailed) = MailedToken::parse(text, purpose) else { return Ok(None) };
    let Some(stored) = ctx.store.find_one_time(mailed.id()).await? else { return Ok(None) };
    let proven = mailed.digest(stored.user_id, &stored.email, stored.epoch).matches(&stored.digest);
    if !proven || stored.purpose != purpose || stored.spent_at.is_some() || now >= stored.expires_at {
        return Ok(None);
    }
    let Some(user) = ctx.store.find_by_id(stored.user_id).await? else { return Ok(None) };
    let fits_address = !purpose.binds_user_email() || user.email == stored.email;
    let fits = user.status == UserStatus::Active && user.epoch == stored.epoch && fits_address;
    Ok(fits.then_some((stored, user)))
}

/// Marks a token as spent. Its effect was already a single guarded write, so this is best effort.
pub(super) async fn mark_spent(ctx: &Context, token: &OneTimeToken, now: DateTime<Utc>) {
    let spent = ctx.store.spend(token.id, now).await;
    ctx.log_best_effort("mark a mailed token spent", spent);
}
