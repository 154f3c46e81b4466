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
    /// Enqueues a mail to a new address of a logged-in user. Nothing changes until its link is
    /// [confirmed](Self::confirm_email).
    ///
    /// A free address gets the link. The owner of a taken address gets a mail about the attempt. The
    /// outcome is the same. Everything that moves the user's epoch cancels the change: a new password, a
    /// reset, logging out everywhere, another confirmed address.
    ///
    /// A user who registered the address and never verified it does not keep it: confirming deletes that
    /// user. A disabled user keeps the address.
    ///
    /// # Errors
    ///
    /// - [`ChangeEmailError::Email`]: the text is not an address.
    /// - [`ChangeEmailError::Unchanged`]: the user has this address already.
    /// - [`ChangeEmailError::WrongPassword`]: the current password is wrong.
    /// - [`ChangeEmailError::SessionEnded`]: the session of the claims has ended.
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

    /// Sets the user's new address, by the token of the link mailed to it.
    ///
    /// Ends every session, also that of this browser, and invalidates every other link. It starts no
    /// session. The old and the new address get a notice. Deletes an active user who has the new address
    /// without having verified it.
    ///
    /// # Security
    ///
    /// Sessions end because the epoch moves, so the session that asked ends, too. That also ends the
    /// sessions of an intruder.
    ///
    /// # Errors
    ///
    /// - [`ConfirmEmailError::InvalidToken`]: the token is not valid, or not any more.
    /// - [`ConfirmEmailError::Taken`]: another user has verified the address, or is disabled.
    /// - [`ConfirmEmailError::RateLimited`], [`ConfirmEmailError::Failed`].
    pub fn confirm_email<'a>(
        &'a self,
        token: &'a str,
        client: &'a Client,
    ) -> Limited<'a, (), ConfirmEmailError> {
        limited!(client, request => flow::change_email::confirm_email(&self.0, &mut request, token))
    }
}
