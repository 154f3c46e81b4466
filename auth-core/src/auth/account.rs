//! The operations on the account itself: register, verify the address, change the name, delete.

use super::limited::limited;
use super::{Auth, Limited};
use crate::client::Client;
use crate::flow;
use crate::flow::{
    ChangeNameError, DeleteAccountError, RegisterError, ResendVerificationError, VerifyEmailError,
};
use crate::session::access_token::AccessClaims;
use crate::user::User;
use crate::user::password::Password;

impl Auth {
    /// Registers an unverified user and enqueues a mail.
    ///
    /// The outcome is the same for a free and a taken address. When the mailbox has used up its
    /// registrations per hour, nothing happens and the outcome is the same.
    ///
    /// # Errors
    ///
    /// - [`RegisterError::Invalid`]: one or more fields are not acceptable.
    /// - [`RegisterError::RateLimited`], [`RegisterError::Failed`].
    pub fn register<'a>(
        &'a self,
        email: &'a str,
        password: Password,
        name: Option<&'a str>,
        client: &'a Client,
    ) -> Limited<'a, (), RegisterError> {
        limited!(client, request => flow::register::register(&self.0, &mut request, email, &password, name))
    }

    /// Verifies an address by the token of a mailed link, and activates the registration that the token
    /// carries.
    ///
    /// `password` is required by [`VerificationProof::LinkAndPassword`](crate::VerificationProof) and
    /// ignored otherwise.
    ///
    /// # Errors
    ///
    /// - [`VerifyEmailError::InvalidToken`]: the token is not valid, or not any more.
    /// - [`VerifyEmailError::PasswordRequired`], [`VerifyEmailError::WrongPassword`]: the token stays valid.
    /// - [`VerifyEmailError::RateLimited`], [`VerifyEmailError::Failed`].
    pub fn verify_email<'a>(
        &'a self,
        token: &'a str,
        password: Option<Password>,
        client: &'a Client,
    ) -> Limited<'a, (), VerifyEmailError> {
        limited!(client, request => flow::verify_email::verify_email(&self.0, &mut request, token, password.as_ref()))
    }

    /// Enqueues another verification link if the address is registered and unverified. The outcome is
    /// the same for known and unknown addresses.
    ///
    /// # Errors
    ///
    /// - [`ResendVerificationError::Email`]: the text is not an address.
    /// - [`ResendVerificationError::RateLimited`], [`ResendVerificationError::Failed`].
    pub fn resend_verification<'a>(
        &'a self,
        email: &'a str,
        client: &'a Client,
    ) -> Limited<'a, (), ResendVerificationError> {
        limited!(client, request => flow::verify_email::resend_verification(&self.0, &mut request, email))
    }

    /// Changes the name of a logged-in user; none or a blank one removes it. Returns the user as it is now.
    ///
    /// # Errors
    ///
    /// - [`ChangeNameError::Name`]: the name is not acceptable.
    /// - [`ChangeNameError::SessionEnded`]: the session of the claims has ended.
    /// - [`ChangeNameError::Failed`].
    pub async fn change_name(
        &self,
        claims: &AccessClaims,
        name: Option<&str>,
        client: &Client,
    ) -> Result<User, ChangeNameError> {
        flow::change_name::change_name(&self.0, claims, name, client).await
    }

    /// Deletes the account of a logged-in user with everything that belongs to it, and mails a notice to its
    /// address. The address is free at once.
    ///
    /// Your own records of the user are yours to delete: your [`EventSink`](crate::EventSink) gets
    /// [`UserDeleted`](crate::EventKind::UserDeleted).
    ///
    /// # Errors
    ///
    /// - [`DeleteAccountError::ReauthenticationRequired`]: the last log-in is longer ago than
    ///   [`Policy::reauthentication_window`](crate::Policy::reauthentication_window).
    /// - [`DeleteAccountError::SessionEnded`]: the session of the claims has ended.
    /// - [`DeleteAccountError::Failed`]: repeat the call.
    ///
    /// # Security
    ///
    /// A session that a reset, a new password or a log-out everywhere has ended deletes nothing, also if it began to.
    /// What is left of the user expires: rows of mailed links, and mails that wait to be sent, which are dropped.
    pub async fn delete_account(
        &self,
        claims: &AccessClaims,
        client: &Client,
    ) -> Result<(), DeleteAccountError> {
        flow::delete_account::delete_account(&self.0, claims, client).await
    }
}
