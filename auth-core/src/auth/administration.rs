//! The operations of administrators on users and mails.

use super::Auth;
use crate::flow;
use crate::flow::{CreateUserError, UserError};
use crate::id::{IntentId, UserId};
use crate::store::{DeadLetter, OutboxStats, StoreError};
use crate::user::User;
use crate::user::password::Password;

impl Auth {
    /// Reads a user.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn user(&self, user_id: UserId) -> Result<User, UserError> {
        flow::account::user(&self.0, user_id).await
    }

    /// Reads the user of an address. A text that is not an address has no user.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn find_user(&self, email: &str) -> Result<User, UserError> {
        flow::account::find_user(&self.0, email).await
    }

    /// Reads at most `limit` users behind the id `after`, or the first ones, in the order of their ids. Ids that this
    /// crate makes are in the order of creation.
    ///
    /// # Errors
    ///
    /// - [`StoreError`]: the store failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # async fn doc(auth: auth_core::Auth) -> Result<(), auth_core::StoreError> {
    /// let mut after = None;
    /// loop {
    ///     let page = auth.users(after, 100).await?;
    ///     let Some(last) = page.last() else { break };
    ///     after = Some(last.id);
    ///     for user in &page {
    ///         println!("{}", user.email.address());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        flow::account::users(&self.0, after, limit).await
    }

    /// Creates a verified user without sending a mail. If an unverified user has the address, that user
    /// is taken over, and links mailed for it stop working.
    ///
    /// # Errors
    ///
    /// - [`CreateUserError::Invalid`]: one or more fields are not acceptable.
    /// - [`CreateUserError::EmailTaken`], [`CreateUserError::Failed`].
    ///
    /// # Security
    ///
    /// The outcome reveals whether an address is taken, and no rate limit applies: for administrators only.
    pub async fn create_user(
        &self,
        email: &str,
        password: Password,
        name: Option<&str>,
    ) -> Result<User, CreateUserError> {
        flow::create_user::create_user(&self.0, email, &password, name).await
    }

    /// Creates a verified user without a password, and enqueues a mail with a link to choose one. The link works for
    /// [`LinkPolicy::invitation_lifetime`](crate::LinkPolicy::invitation_lifetime), in
    /// [`reset_password`](Self::reset_password), and only while no password was set. If an unverified user has the
    /// address, that user is deleted.
    ///
    /// # Errors
    ///
    /// - [`CreateUserError::Invalid`]: one or more fields are not acceptable.
    /// - [`CreateUserError::EmailTaken`], [`CreateUserError::Failed`].
    ///
    /// # Security
    ///
    /// As for [`create_user`](Self::create_user).
    pub async fn invite_user(&self, email: &str, name: Option<&str>) -> Result<User, CreateUserError> {
        flow::create_user::invite_user(&self.0, email, name).await
    }

    /// Enqueues a reset link to a user, without a rate limit. The account does not change.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Disabled`], [`UserError::Failed`].
    pub async fn send_reset_link(&self, user_id: UserId) -> Result<(), UserError> {
        flow::reset_password::send_reset_link(&self.0, user_id).await
    }

    /// Disables a user: ends all sessions and refuses mailed links and log-ins.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn disable_user(&self, user_id: UserId) -> Result<(), UserError> {
        flow::account::disable_user(&self.0, user_id).await
    }

    /// Enables a disabled user. Ended sessions and links stay ended.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn enable_user(&self, user_id: UserId) -> Result<(), UserError> {
        flow::account::enable_user(&self.0, user_id).await
    }

    /// Deletes a user. Sessions and links stop working at once; their records are cleaned up later.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn delete_user(&self, user_id: UserId) -> Result<(), UserError> {
        flow::account::delete_user(&self.0, user_id).await
    }

    /// Counts the queued mails and the dead letters of the outbox.
    ///
    /// # Errors
    ///
    /// - [`StoreError`]: the outbox failed.
    pub async fn outbox_stats(&self) -> Result<OutboxStats, StoreError> {
        self.0.store.stats().await
    }

    /// Reads at most `limit` dead letters, oldest first.
    ///
    /// # Errors
    ///
    /// - [`StoreError`]: the outbox failed.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.store.dead_letters(limit).await
    }

    /// Enqueues the mail of a dead letter again, with a new link and a new lifetime.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`]: there is no such dead letter.
    /// - [`UserError::Failed`].
    pub async fn requeue_dead_letter(&self, id: IntentId) -> Result<(), UserError> {
        flow::enqueue::requeue(&self.0, id).await
    }
}
