//! [`Auth`]: the one object a service holds, with one thin method per operation.

mod administration;
mod builder;
mod email;
mod limited;

use std::future::Future;
use std::sync::Arc;

pub use builder::AuthBuilder;
pub use limited::Limited;
use limited::limited;

use chrono::{DateTime, Utc};

use crate::background;
use crate::clean_up::{self, CleanedUp};
use crate::client::Client;
use crate::context::Context;
use crate::delivery::{self, Delivered};
use crate::flow;
use crate::flow::{
    AuthenticateError, Authenticated, ChangePasswordError, ForgotPasswordError, LiveCheck, LogInError,
    LogOutError, LoggedOut, RefreshError, RegisterError, ResendVerificationError, ResetPasswordError,
    RestoredSession, SessionError, SessionTokens, UserError, VerifyEmailError,
};
use crate::hashing::HashingPool;
use crate::id::{IntentId, SessionId, UserId};
use crate::mail::Mailer;
use crate::policy::Policy;
use crate::session::Session;
use crate::session::access_token::{AccessClaims, InvalidAccessToken};
use crate::store::{JoinedStore, Outbox, StoreError, TokenStore, UserStore};
use crate::user::password::Password;

/// The authentication of one service. Cheap to clone; all clones are the same.
///
/// Every method takes the text that the client sent and answers with a typed outcome. A refusal
/// says what the *caller* may know; a [`Failure`](crate::Failure) says that the work could not be
/// done, and never reads as a wrong password or token.
///
/// Two errors mean the same wherever the methods name them: `RateLimited`, that a limit of
/// [`RateLimits`](crate::RateLimits) is used up, with the time to wait; `Failed`, that a store, the hashing
/// queue or the random generator did not do its part.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Context>);

impl Auth {
    /// Starts to put an `Auth` together over one store that keeps everything: users, sessions and
    /// promised mails.
    ///
    /// # Examples
    ///
    /// ```
    /// use auth_core::{Auth, Mailbox, MemoryStore};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let auth = Auth::builder(MemoryStore::new(), Mailbox::new())
    ///     .secret("output of `openssl rand -base64 48`")
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(store: impl JoinedStore + Outbox + 'static, mailer: impl Mailer + 'static) -> AuthBuilder {
        AuthBuilder::over(Arc::new(store), Arc::new(mailer))
    }

    /// Starts to put an `Auth` together over stores of different places. For one that keeps everything
    /// there is [`builder`](Self::builder), which is faster.
    pub fn builder_with_stores(
        users: impl UserStore + 'static,
        tokens: impl TokenStore + 'static,
        mailer: impl Mailer + 'static,
    ) -> AuthBuilder {
        AuthBuilder::new(Arc::new(users), Arc::new(tokens), Arc::new(mailer))
    }

    /// Registers a user, unverified, and promises a mail. Free and taken addresses are answered
    /// alike. Once the registrations per hour of a mailbox are used up, nothing happens, and the answer
    /// is the same.
    ///
    /// # Errors
    ///
    /// - [`RegisterError::Invalid`] names every field that is not acceptable.
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

    /// Verifies an address by the token of a mailed link, and activates what came with it.
    ///
    /// `password` is asked for by [`VerificationProof::LinkAndPassword`](crate::VerificationProof)
    /// and ignored otherwise.
    ///
    /// # Errors
    ///
    /// - [`VerifyEmailError::InvalidToken`] when the token is not (or no longer) good.
    /// - [`VerifyEmailError::PasswordRequired`], [`VerifyEmailError::WrongPassword`]: nothing is spent.
    /// - [`VerifyEmailError::RateLimited`], [`VerifyEmailError::Failed`].
    pub fn verify_email<'a>(
        &'a self,
        token: &'a str,
        password: Option<Password>,
        client: &'a Client,
    ) -> Limited<'a, (), VerifyEmailError> {
        limited!(client, request => flow::verify_email::verify_email(&self.0, &mut request, token, password.as_ref()))
    }

    /// Promises another verification link, if the address is registered and unverified. Known and
    /// unknown addresses are answered alike.
    ///
    /// # Errors
    ///
    /// - [`ResendVerificationError::Email`] when the text is no address.
    /// - [`ResendVerificationError::RateLimited`], [`ResendVerificationError::Failed`].
    pub fn resend_verification<'a>(
        &'a self,
        email: &'a str,
        client: &'a Client,
    ) -> Limited<'a, (), ResendVerificationError> {
        limited!(client, request => flow::verify_email::resend_verification(&self.0, &mut request, email))
    }

    /// Logs a user in: a new session, an access token and a refresh token.
    ///
    /// # Errors
    ///
    /// - [`LogInError::InvalidCredentials`] for an unknown address, a wrong password and a disabled
    ///   user alike, after the same work.
    /// - [`LogInError::EmailNotVerified`] only after the right password.
    /// - [`LogInError::RateLimited`], [`LogInError::Failed`].
    pub fn log_in<'a>(
        &'a self,
        email: &'a str,
        password: Password,
        client: &'a Client,
    ) -> Limited<'a, SessionTokens, LogInError> {
        limited!(client, request => flow::log_in::log_in(&self.0, &mut request, email, &password))
    }

    /// Verifies an access token by its signature and times alone, without touching a store.
    ///
    /// A session that ended lives on here until the token's own expiry; see
    /// [`authenticate_live`](Self::authenticate_live).
    ///
    /// # Errors
    ///
    /// - [`InvalidAccessToken`], whatever is wrong with it.
    pub fn authenticate(&self, access_token: &str) -> Result<AccessClaims, InvalidAccessToken> {
        self.0.access_tokens.verify(access_token, self.0.now())
    }

    /// Verifies an access token and that its user, and by choice its session, is still live.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::{Auth, Client, LiveCheck, Mailbox, MemoryStore, Password};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    /// # let auth = Auth::builder(store, mailbox.clone())
    /// #     .secret("q8Jv0Yf2mZr7LwXs4TbNcPd1HgKe9UaR")
    /// #     .build()?;
    /// # let client = Client::new(None, None);
    /// # auth.create_user("ada@example.com", Password::new("correct horse battery"), None).await?;
    /// let grant = auth.log_in("ada@example.com", Password::new("correct horse battery"), &client).await?;
    /// let token = grant.access_token.expose();
    /// let caller = auth.authenticate_live(token, LiveCheck::UserAndSession).await?;
    /// assert_eq!(caller.user.email.address(), "ada@example.com");
    ///
    /// auth.revoke_session(grant.user.id, grant.session.id, &client).await?;
    /// assert!(auth.authenticate_live(token, LiveCheck::UserAndSession).await.is_err());
    /// // The user is still there, and a signature does not wear off.
    /// assert!(auth.authenticate_live(token, LiveCheck::User).await.is_ok());
    /// assert!(auth.authenticate(token).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`AuthenticateError::InvalidToken`] when the token is not good or what it stands for ended.
    /// - [`AuthenticateError::Failed`] when the store cannot tell.
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
    /// - [`RefreshError::InvalidToken`] for everything that is not (or no longer) good, detected
    ///   reuse included.
    /// - [`RefreshError::Superseded`] when this request merely lost a race: keep the client's cookie.
    /// - [`RefreshError::RateLimited`], [`RefreshError::Failed`].
    pub fn refresh<'a>(
        &'a self,
        refresh_token: &'a str,
        client: &'a Client,
    ) -> Limited<'a, SessionTokens, RefreshError> {
        limited!(client, request => flow::refresh::refresh(&self.0, &mut request, refresh_token))
    }

    /// Restores a session from a refresh token without rotating it, for instance when a page loads.
    /// Reuse is detected here as well.
    ///
    /// # Errors
    ///
    /// - As [`refresh`](Self::refresh), except that nothing is ever superseded.
    pub fn restore<'a>(
        &'a self,
        refresh_token: &'a str,
        client: &'a Client,
    ) -> Limited<'a, RestoredSession, RefreshError> {
        limited!(client, request => flow::refresh::restore(&self.0, &mut request, refresh_token))
    }

    /// Ends the session of a refresh token, also of an older generation of it. A token that is not
    /// good is nothing to end, not an error.
    ///
    /// # Errors
    ///
    /// - [`LogOutError`] when the store cannot end the session; the client must not be told that it
    ///   is logged out.
    pub async fn log_out(&self, refresh_token: &str, client: &Client) -> Result<LoggedOut, LogOutError> {
        flow::log_out::log_out(&self.0, refresh_token, client).await
    }

    /// Ends all sessions of a user and kills all mailed links.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn log_out_everywhere(&self, user_id: UserId, client: &Client) -> Result<(), UserError> {
        flow::log_out::log_out_everywhere(&self.0, user_id, client).await
    }

    /// Lists the live sessions of a user, the oldest first.
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
    /// - [`SessionError::NotFound`] for another user's session and an unknown one alike.
    /// - [`SessionError::Failed`].
    pub async fn revoke_session(
        &self,
        user_id: UserId,
        session_id: SessionId,
        client: &Client,
    ) -> Result<(), SessionError> {
        flow::sessions::revoke_session(&self.0, user_id, session_id, client).await
    }

    /// Promises a reset link, if the address is registered. Known and unknown addresses are answered
    /// alike. Changes nothing about the account.
    ///
    /// # Errors
    ///
    /// - [`ForgotPasswordError::Email`] when the text is no address.
    /// - [`ForgotPasswordError::RateLimited`], [`ForgotPasswordError::Failed`].
    pub fn forgot_password<'a>(
        &'a self,
        email: &'a str,
        client: &'a Client,
    ) -> Limited<'a, (), ForgotPasswordError> {
        limited!(client, request => flow::reset_password::forgot_password(&self.0, &mut request, email))
    }

    /// Sets a new password by the token of a mailed link. Ends every session, kills every other
    /// link, proves the address, and logs nobody in.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::{Auth, Client, Mailbox, MemoryStore, Password};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    /// # let auth = Auth::builder(store, mailbox.clone())
    /// #     .secret("q8Jv0Yf2mZr7LwXs4TbNcPd1HgKe9UaR")
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
    /// - [`ResetPasswordError::Password`] when the new password is refused; the link stays good.
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

    /// Changes the password of a logged-in user: every other session ends, and this client gets a
    /// new one.
    ///
    /// # Errors
    ///
    /// - [`ChangePasswordError::WrongPassword`] when the current password is wrong.
    /// - [`ChangePasswordError::Password`] when the new password is refused.
    /// - [`ChangePasswordError::SessionEnded`] when the session behind the claims is over.
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

    /// Sends promised mails and cleans up on schedule until `shutdown` completes; then finishes the
    /// mails it is sending and returns. Spawn it once in every process.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::{Auth, Mailbox, MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # let store = MemoryStore::new();
    /// # let root = auth_core::RootSecret::generate(&auth_core::SystemRandom).unwrap();
    /// # let ring = auth_core::KeyRing::generate(&auth_core::SystemRandom).unwrap();
    /// # let auth = Auth::builder(store, Mailbox::new()).key_ring(ring).root_secret(root).build().unwrap();
    /// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    /// let background = tokio::spawn({
    ///     let auth = auth.clone();
    ///     async move { auth.run_background(async { _ = stopped.await }).await }
    /// });
    /// // ... serve requests ...
    /// drop(stop);
    /// background.await.unwrap();
    /// # }
    /// ```
    pub async fn run_background(&self, shutdown: impl Future<Output = ()> + Send) {
        background::run(&self.0, shutdown).await;
    }

    /// Sends the mails that are due now, one after the other, and returns what became of them.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the outbox cannot be worked on.
    pub async fn deliver_due_mails(&self) -> Result<Delivered, StoreError> {
        delivery::deliver_due(&self.0).await
    }

    /// Deletes expired records in batches within the configured time budget. Changes no decision.
    ///
    /// # Errors
    ///
    /// - [`StoreError`], the first, when a store fails; the rest was cleaned up all the same.
    pub async fn clean_up(&self) -> Result<CleanedUp, StoreError> {
        clean_up::clean_up(&self.0).await
    }

    /// Asks each store for something that is not there: whether the service can work.
    ///
    /// # Errors
    ///
    /// - [`StoreError`], the first, when a store does not answer.
    pub async fn check_stores(&self) -> Result<(), StoreError> {
        let nothing = [0; 16];
        self.0.users.find_by_id(UserId::from_bytes(nothing)).await?;
        self.0.tokens.find_session(SessionId::from_bytes(nothing)).await?;
        self.0.outbox.find_dead_letter(IntentId::from_bytes(nothing)).await?;
        Ok(())
    }

    /// The public keys that verify this service's access tokens, as a JSON Web Key Set (RFC 7517);
    /// empty for HS256.
    pub fn jwks(&self) -> serde_json::Value {
        self.0.access_tokens.ring().jwks(self.0.now())
    }

    /// The time by the clock in force, for judging [`AccessClaims`] by it.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The hashing pool, for importing users and for metrics.
    pub fn hashing(&self) -> &HashingPool {
        &self.0.hashing
    }
}
