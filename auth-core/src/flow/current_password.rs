//! Asking a logged-in user for the current password.

use crate::access_token::AccessClaims;
use crate::auth::Inner;
use crate::client::Client;
use crate::failure::Failure;
use crate::gate::{Limit, Shut};
use crate::hashing::Verified;
use crate::password::Password;
use crate::user::User;

/// The limit that wrong current passwords are counted in.
const WRONG_ONES: &str = "change_password";

impl Inner {
    /// Whether this is the user's password. Whatever it is asked for, wrong ones are counted together,
    /// per account and session. `besides` is a limit that right ones count against, too.
    pub(super) async fn verify_current_password(
        &self,
        claims: &AccessClaims,
        user: &User,
        current: &Password,
        besides: Option<Limit>,
        client: &Client,
    ) -> Result<bool, Shut> {
        let parts: [&[u8]; 2] = [user.id.as_bytes(), claims.session_id.as_bytes()];
        let wrong_ones = Limit::keyed(self, WRONG_ONES, self.policy.limits.change_password, &parts);
        let places = self.reserve(client, [besides, wrong_ones]).await?;
        match self.hashing.verify(current, user.password_hash.as_ref()).await {
            Ok(Verified::NoMatch) => Ok(false),
            Ok(Verified::Match | Verified::MatchOutdated(_)) => {
                self.give_back(places.of(WRONG_ONES), client).await;
                Ok(true)
            }
            Err(error) => {
                // No password was judged, so nothing was guessed.
                self.give_back(places, client).await;
                Err(Shut::Failed(Failure::from(error)))
            }
        }
    }
}
