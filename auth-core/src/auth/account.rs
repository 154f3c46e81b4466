//! The operations that open an account: register and verify the address.

use super::limited::limited;
use super::{Auth, Limited};
use crate::client::Client;
use crate::flow;
use crate::flow::{RegisterError, ResendVerificationError, VerifyEmailError};
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
}
