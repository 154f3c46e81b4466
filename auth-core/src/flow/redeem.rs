//! Redeeming the token of a mailed link, whatever it is for.

use chrono::{DateTime, Utc};

use crate::context::Context;
use crate::mail::one_time_token::{MailedToken, OneTimeToken, Purpose};
use crate::store::StoreError;
use crate::user::{User, UserStatus};

/// Reads what a mailed token stands for, if it is good: its secret proves it, it is neither
/// spent nor expired, and its user is still the one it was made for.
pub(super) async fn redeem(
    ctx: &Context,
    text: &str,
    purpose: Purpose,
    now: DateTime<Utc>,
) -> Result<Option<(OneTimeToken, User)>, StoreError> {
    let Ok(mailed) = MailedToken::parse(text, purpose) else { return Ok(None) };
    let Some(kept) = ctx.tokens.find_one_time(mailed.id()).await? else { return Ok(None) };
    let proven = mailed.digest(kept.user_id, &kept.email, kept.epoch).matches(&kept.digest);
    if !proven || kept.purpose != purpose || kept.spent_at.is_some() || now >= kept.expires_at {
        return Ok(None);
    }
    let Some(user) = ctx.users.find_by_id(kept.user_id).await? else { return Ok(None) };
    // A new address is not the user's yet; the epoch alone says that nothing happened since.
    let fits_address = purpose == Purpose::ChangeEmail || user.email == kept.email;
    let fits = user.status == UserStatus::Active && user.epoch == kept.epoch && fits_address;
    Ok(fits.then_some((kept, user)))
}

/// Marks a token spent whose effect is done. The effect itself is what happens only once; this
/// is tidying.
pub(super) async fn mark_spent(ctx: &Context, token: &OneTimeToken, now: DateTime<Utc>) {
    let spent = ctx.tokens.spend(token.id, now).await;
    ctx.log_best_effort("mark a mailed token spent", spent);
}
