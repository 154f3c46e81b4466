//! Verifying the current password of a logged-in user.

use super::permit::{self, LimitError, Request};
use crate::context::Context;
use crate::failure::Failure;
use crate::hashing::Verified;
use crate::session::access_token::AccessClaims;
use crate::user::User;
use crate::user::password::Password;

/// Returns whether this is the user's password.
///
/// Wrong passwords of all operations count against one limit per account and session, and as failed log-ins in a
/// row of the account, or of its known devices. So a stolen session cannot guess for ever.
pub(super) async fn verify_current_password(
    ctx: &Context,
    request: &mut Request<'_>,
    claims: &AccessClaims,
    user: &User,
    current: &Password,
) -> Result<bool, LimitError> {
    let session: [&[u8]; 2] = [user.id.as_bytes(), claims.session_id.as_bytes()];
    let account = user.email.canonical().as_bytes();
    let permit = permit::acquire_current_password(ctx, request, account, &session).await?;
    let share = ctx.share(account, request.client);
    match ctx.hashing.verify_for(share, current, user.password_hash.as_ref()).await {
        Ok(Verified::NoMatch) => {
            permit.keep();
            Ok(false)
        }
        Ok(Verified::Match | Verified::MatchOutdated(_)) => {
            permit.release(ctx, request).await;
            Ok(true)
        }
        Err(error) => {
            // No password was judged, so nothing was guessed.
            permit.release(ctx, request).await;
            Err(LimitError::Failed(Failure::from(error)))
        }
    }
}
