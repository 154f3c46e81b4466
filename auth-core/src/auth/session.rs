//! The operations on sessions: log in, refresh, authenticate, list and end.

use super::limited::limited;
use super::{Auth, Limited};
use crate::client::Client;
use crate::flow;
use crate::flow::{
    AuthenticateError, Authenticated, LiveCheck, LogInError, LogOutError, LoggedOut, RefreshError,
    RestoredSession, SessionError, SessionTokens, UserError,
};
use crate::id::{SessionId, UserId};
use crate::session::Session;
use crate::session::access_token::{AccessClaims, InvalidAccessToken};
use crate::user::password::Password;

impl Auth {
    /// Logs a user in: starts a session and issues an access token and a refresh token.
    ///
    /// # Errors
    ///
    /// - [`LogInError::InvalidCredentials`]: the address is unknown, the password is wrong or the user is
    ///   disabled. The work is the same in each case.
    /// - [`LogInError::EmailNotVerified`]: only after the right password.
    /// - [`LogInError::RateLimited`], [`LogInError::Failed`].
    pub fn log_in<'a>(
        &'a self,
        email: &'a str,
        password: Password,
        client: &'a Client,
    ) -> Limited<'a, SessionTokens, LogInError> {
        limited!(client, request => flow::log_in::log_in(&self.0, &mut request, email, &password))
    }

    /// Verifies an access token by its signature and times alone, without reading a store.
    ///
    /// The token of an ended session stays valid here until it expires; see
    /// [`authenticate_live`](Self::authenticate_live).
    ///
    /// # Errors
    ///
    /// - [`InvalidAccessToken`] for every defect.
    pub fn authenticate(&self, access_token: &str) -> Result<AccessClaims, InvalidAccessToken> {
        self.0.access_tokens.verify(access_token, self.0.now())
    }

    /// Verifies an access token, and reads whether its user and, by choice, its session are still live.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::{Auth, Client, LiveCheck, Mailbox, MemoryStore, Password};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    /// # let auth = Auth::builder(store, mailbox.clone())
    /// #     .secret(std::env::var("AUTH_SECRET")?)
    /// #     .build()?;
    /// # let client = Client::new(None, None);
    /// # auth.create_user("ada@example.com", Password::new("correct horse battery"), None).await?;
    /// let tokens = auth.log_in("ada@example.com", Password::new("correct horse battery"), &client).await?;
    /// let token = tokens.access_token.expose();
    /// let caller = auth.authenticate_live(token, LiveCheck::UserAndSession).await?;
    /// assert_eq!(caller.user.email.address(), "ada@example.com");
    ///
    /// auth.revoke_session(tokens.user.id, tokens.session.id, &client).await?;
    /// assert!(auth.authenticate_live(token, LiveCheck::UserAndSession).await.is_err());
    /// // The user is still active, and the signature is still valid.
    /// assert!(auth.authenticate_live(token, LiveCheck::User).await.is_ok());
    /// assert!(auth.authenticate(token).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`AuthenticateError::InvalidToken`]: the token is not valid, or its session or user is not live.
    /// - [`AuthenticateError::Failed`]: the store failed.
    pub async fn authenticate_live(
        &self,
        access_token: &str,
        check: LiveCheck,
    ) -> Result<Authenticated, AuthenticateError> {
        flow::authenticate::authenticate_live(&self.0, access_token, check).await
    }

    /// Exchanges a refresh token for a new access token and, usually, a new refresh token.
    ///
    /// # Errors
    ///
    /// - [`RefreshError::InvalidToken`]: the token is not valid, or not any more; also when reuse was
    ///   detected.
    /// - [`RefreshError::Superseded`]: this request lost a race. Leave the client's cookie as it is.
    /// - [`RefreshError::RateLimited`], [`RefreshError::Failed`].
    pub fn refresh<'a>(
        &'a self,
        refresh_token: &'a str,
        client: &'a Client,
    ) -> Limited<'a, SessionTokens, RefreshError> {
        limited!(client, request => flow::refresh::refresh(&self.0, &mut request, refresh_token))
    }

    /// Restores a session from a refresh token without rotating it, for instance when a page loads.
    /// It detects reuse, too.
    ///
    /// # Errors
    ///
    /// - As [`refresh`](Self::refresh), without [`RefreshError::Superseded`].
    pub fn restore<'a>(
        &'a self,
        refresh_token: &'a str,
        client: &'a Client,
    ) -> Limited<'a, RestoredSession, RefreshError> {
        limited!(client, request => flow::refresh::restore(&self.0, &mut request, refresh_token))
    }

    /// Ends the session of a refresh token, of any generation. A token that is not valid is not an
    /// error: there is nothing to end.
    ///
    /// # Errors
    ///
    /// - [`LogOutError::RateLimited`], and [`LogOutError::Failed`] if the store could not end the session.
    ///   Do not report a log-out to the client in either case.
    pub fn log_out<'a>(
        &'a self,
        refresh_token: &'a str,
        client: &'a Client,
    ) -> Limited<'a, LoggedOut, LogOutError> {
        limited!(client, request => flow::log_out::log_out(&self.0, &mut request, refresh_token))
    }

    /// Ends the session of a refresh token that a log-in has replaced, as the cookie of a browser does: what
    /// the browser cannot use any more, nobody should (ASVS 5.0, 7.2.4).
    ///
    /// Call it after the log-in has succeeded. Best effort: a failure is emitted as an event, and the session
    /// then lives until it expires. A token that is not valid ends nothing. Not limited: the log-in was.
    pub async fn end_replaced_session(&self, refresh_token: &str, client: &Client) {
        flow::log_out::end_replaced_session(&self.0, refresh_token, client).await;
    }

    /// Ends all sessions of a user and invalidates all mailed links.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn log_out_everywhere(&self, user_id: UserId, client: &Client) -> Result<(), UserError> {
        flow::log_out::log_out_everywhere(&self.0, user_id, client).await
    }

    /// Lists the live sessions of a user, oldest first.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn sessions(&self, user_id: UserId) -> Result<Vec<Session>, UserError> {
        flow::sessions::sessions(&self.0, user_id).await
    }

    /// Ends one session of a user.
    ///
    /// # Errors
    ///
    /// - [`SessionError::NotFound`]: the session is unknown or another user's.
    /// - [`SessionError::Failed`].
    pub async fn revoke_session(
        &self,
        user_id: UserId,
        session_id: SessionId,
        client: &Client,
    ) -> Result<(), SessionError> {
        flow::sessions::revoke_session(&self.0, user_id, session_id, client).await
    }
}
