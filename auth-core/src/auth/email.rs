//! The operations on the user's own address.

use super::limited::limited;
use super::{Auth, Limited};
use crate::client::Client;
use crate::flow;
use crate::flow::{ChangeEmailError, ConfirmEmailError};
use crate::session::access_token::AccessClaims;
use crate::user::password::Password;

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
    pub fn change_email<'a>(
        &'a self,
        claims: &'a AccessClaims,
        new_email: &'a str,
        current_password: Password,
        client: &'a Client,
    ) -> Limited<'a, (), ChangeEmailError> {
        limited!(client, request => flow::change_email::change_email(&self.0, &mut request, claims, new_email, &current_password))
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
    pub fn confirm_email<'a>(
        &'a self,
        token: &'a str,
        client: &'a Client,
    ) -> Limited<'a, (), ConfirmEmailError> {
        limited!(client, request => flow::change_email::confirm_email(&self.0, &mut request, token))
    }
}
