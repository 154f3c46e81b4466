//! Verifying the current password of a logged-in user.

use super::permit::{self, Counted, LimitError, Request};
use crate::context::Context;
use crate::failure::Failure;
use crate::hashing::Verified;
use crate::limit::Limit;
use crate::session::access_token::AccessClaims;
use crate::user::User;
use crate::user::password::Password;

/// Returns whether this is the user's password.
///
/// Wrong passwords of all operations count against one limit per account and session.
/// `extra_limit` also counts right ones.
pub(super) async fn verify_current_password(
    ctx: &Context,
    request: &mut Request<'_>,
    claims: &AccessClaims,
    user: &User,
    current: &Password,
    extra_limit: Option<Counted>,
) -> Result<bool, LimitError> {
    let parts: [&[u8]; 2] = [user.id.as_bytes(), claims.session_id.as_bytes()];
    let wrong_passwords = permit::by_key(ctx, Limit::ChangePassword, &parts);
    let permit = permit::acquire(ctx, request, [extra_limit, wrong_passwords]).await?;
    let share = ctx.share(user.email.canonical().as_bytes(), request.client);
    match ctx.hashing.verify_for(share, current, user.password_hash.as_ref()).await {
        Ok(Verified::NoMatch) => {
            permit.keep();
            Ok(false)
        }
        Ok(Verified::Match | Verified::MatchOutdated(_)) => {
            permit.release_only(Limit::ChangePassword, ctx, request).await;
            Ok(true)
        }
        Err(error) => {
            // No password was judged, so nothing was guessed.
            permit.release(ctx, request).await;
            Err(LimitError::Failed(Failure::from(error)))
        }
    }
}
