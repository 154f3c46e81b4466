//! What a service does to its users and mails on its own word.

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

    /// Reads the user of an address. A text that is no address is nobody's.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn find_user(&self, email: &str) -> Result<User, UserError> {
        flow::account::find_user(&self.0, email).await
    }

    /// Creates a user on the service's own word: verified, and no mail is sent. The row of somebody who
    /// registered the address and never proved it is taken over; links mailed for it are dead.
    ///
    /// # Errors
    ///
    /// - [`CreateUserError::Invalid`] names every field that is not acceptable.
    /// - [`CreateUserError::EmailTaken`], [`CreateUserError::Failed`].
    ///
    /// # Security
    ///
    /// It tells whether an address is taken, and no limit counts it: for administrators only.
    pub async fn create_user(
        &self,
        email: &str,
        password: Password,
        name: Option<&str>,
    ) -> Result<User, CreateUserError> {
        flow::create_user::create_user(&self.0, email, &password, name).await
    }

    /// Promises a reset link to a user, whatever the limits say. Changes nothing about the account.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Disabled`], [`UserError::Failed`].
    pub async fn send_reset_link(&self, user_id: UserId) -> Result<(), UserError> {
        flow::reset_password::send_reset_link(&self.0, user_id).await
    }

    /// Disables a user: all sessions end, no mailed link works, no log-in succeeds.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn disable_user(&self, user_id: UserId) -> Result<(), UserError> {
        flow::account::disable_user(&self.0, user_id).await
    }

    /// Lets a disabled user log in again. Nothing that ended comes back.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn enable_user(&self, user_id: UserId) -> Result<(), UserError> {
        flow::account::enable_user(&self.0, user_id).await
    }

    /// Deletes a user. Everything that stood on the user is dead at once; left-over records are
    /// cleaned up later.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`], [`UserError::Failed`].
    pub async fn delete_user(&self, user_id: UserId) -> Result<(), UserError> {
        flow::account::delete_user(&self.0, user_id).await
    }

    /// Counts what the outbox holds.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the outbox cannot be read.
    pub async fn outbox_stats(&self) -> Result<OutboxStats, StoreError> {
        self.0.outbox.stats().await
    }

    /// Reads at most `limit` dead letters, the oldest first.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the outbox cannot be read.
    pub async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.outbox.dead_letters(limit).await
    }

    /// Promises the mail of a dead letter anew: with a new link and a new lifetime.
    ///
    /// # Errors
    ///
    /// - [`UserError::NotFound`] when there is no such dead letter.
    /// - [`UserError::Failed`].
    pub async fn requeue_dead_letter(&self, id: IntentId) -> Result<(), UserError> {
        flow::enqueue::requeue(&self.0, id).await
    }
}
