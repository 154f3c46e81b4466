//! The operations on passwords: reset by mail, and change.

use super::limited::limited;
use super::{Auth, Limited};
use crate::client::Client;
use crate::flow;
use crate::flow::{ChangePasswordError, ForgotPasswordError, ResetPasswordError, SessionTokens};
use crate::session::access_token::AccessClaims;
use crate::user::password::Password;

impl Auth {
    /// Enqueues a reset link if the address is registered. The outcome is the same for known and unknown
    /// addresses. The account does not change.
    ///
    /// # Errors
    ///
    /// - [`ForgotPasswordError::Email`]: the text is not an address.
    /// - [`ForgotPasswordError::RateLimited`], [`ForgotPasswordError::Failed`].
    pub fn forgot_password<'a>(
        &'a self,
        email: &'a str,
        client: &'a Client,
    ) -> Limited<'a, (), ForgotPasswordError> {
        limited!(client, request => flow::reset_password::forgot_password(&self.0, &mut request, email))
    }

    /// Sets a new password by the token of a mailed link: of a reset, or of an
    /// [invitation](Self::invite_user). Ends every session, invalidates every other
    /// link and verifies the address. It starts no session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::{Auth, Client, Mailbox, MemoryStore, Password};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    /// # let auth = Auth::builder(store, mailbox.clone())
    /// #     .secret(std::env::var("AUTH_SECRET")?)
    /// #     .build()?;
    /// # let client = Client::new(None, None);
    /// # auth.create_user("ada@example.com", Password::new("correct horse battery"), None).await?;
    /// auth.forgot_password("ada@example.com", &client).await?;
    /// auth.deliver_due_mails().await?; // a server spawns `auth.run_background(shutdown)` once
    /// let mail = mailbox.mails().pop().ok_or("no mail")?;
    /// let token = mail.message.token().ok_or("no link")?.expose(); // a page of yours posts it
    /// auth.reset_password(&token, Password::new("seventeen blue herons"), &client).await?;
    ///
    /// assert!(auth.log_in("ada@example.com", Password::new("correct horse battery"), &client).await.is_err());
    /// auth.log_in("ada@example.com", Password::new("seventeen blue herons"), &client).await?;
    /// // A link works once.
    /// assert!(auth.reset_password(&token, Password::new("eighteen red cranes"), &client).await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`ResetPasswordError::Password`]: the new password is refused; the link stays valid.
    /// - [`ResetPasswordError::InvalidToken`], [`ResetPasswordError::RateLimited`],
    ///   [`ResetPasswordError::Failed`].
    pub fn reset_password<'a>(
        &'a self,
        token: &'a str,
        new_password: Password,
        client: &'a Client,
    ) -> Limited<'a, (), ResetPasswordError> {
        limited!(client, request => flow::reset_password::reset_password(&self.0, &mut request, token, &new_password))
    }

    /// Changes the password of a logged-in user. Every session ends, and this client gets a new one.
    ///
    /// # Errors
    ///
    /// - [`ChangePasswordError::WrongPassword`]: the current password is wrong.
    /// - [`ChangePasswordError::Password`]: the new password is refused.
    /// - [`ChangePasswordError::SessionEnded`]: the session of the claims has ended.
    /// - [`ChangePasswordError::RateLimited`], [`ChangePasswordError::Failed`].
    pub fn change_password<'a>(
        &'a self,
        claims: &'a AccessClaims,
        current_password: Password,
        new_password: Password,
        client: &'a Client,
    ) -> Limited<'a, SessionTokens, ChangePasswordError> {
        limited!(client, request => flow::change_password::change_password(&self.0, &mut request, claims, &current_password, &new_password))
    }
}
