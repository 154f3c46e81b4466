use super::Auth;
use crate::access_token::AccessClaims;
use crate::client::Client;
use crate::flow;
use crate::flow::{ChangeEmailError, ConfirmEmailError};
use crate::password::Password;

/// The user's own address.
impl Auth {
    /// Promises a mail to a new address of a logged-in user. Nothing changes before its link is
    /// [confirmed](Self::confirm_email). A free address gets the link; whoever has a taken one is told
    /// that somebody tried it; the answer is the same.
    ///
    /// Everything that moves the user's epoch cancels the change: a new password, a reset, logging out
    /// everywhere, another confirmed address.
    ///
    /// Stated limit: a registration that was never verified holds its address too, until clean-up may
    /// delete it or the owner of the mailbox takes it over by a reset.
    ///
    /// # Errors
    ///
    /// - [`ChangeEmailError::Email`] when the text is no address.
    /// - [`ChangeEmailError::Unchanged`] when it is the user's own.
    /// - [`ChangeEmailError::WrongPassword`] when the current password is wrong.
    /// - [`ChangeEmailError::SessionEnded`] when the session behind the claims is over.
    /// - [`ChangeEmailError::RateLimited`], [`ChangeEmailError::Failed`].
    pub async fn change_email(
        &self,
        claims: &AccessClaims,
        new_email: &str,
        current_password: Password,
        client: &Client,
    ) -> Result<(), ChangeEmailError> {
        flow::change_email::change_email(&self.0, claims, new_email, &current_password, client).await
    }

    /// Makes a new address the user's own, by the token of the link mailed to it. Ends every session,
    /// this browser's too, kills every other link, and logs nobody in; the old address and the new one
    /// get a notice.
    ///
    /// # Security
    ///
    /// The epoch is all that ends anything, so the asking session ends as well: logging in again is the
    /// price of ending whatever an intruder left behind.
    ///
    /// # Errors
    ///
    /// - [`ConfirmEmailError::InvalidToken`] when the token is not (or no longer) good.
    /// - [`ConfirmEmailError::Taken`] when another user has the address by now.
    /// - [`ConfirmEmailError::RateLimited`], [`ConfirmEmailError::Failed`].
    pub async fn confirm_email(&self, token: &str, client: &Client) -> Result<(), ConfirmEmailError> {
        flow::change_email::confirm_email(&self.0, token, client).await
    }
}
