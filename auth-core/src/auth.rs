//! [`Auth`]: the handle of a service, with one thin method per operation, grouped by subject.

mod account;
mod administration;
mod builder;
mod email;
mod limited;
mod password;
mod session;

use std::future::Future;
use std::sync::Arc;

pub use builder::AuthBuilder;
pub use limited::Limited;

use chrono::{DateTime, Utc};

use crate::background;
use crate::clean_up::{self, CleanedUp};
use crate::context::Context;
use crate::delivery::{self, Delivered};
use crate::hashing::HashingPool;
use crate::id::{IntentId, SessionId, UserId};
use crate::mail::Mailer;
use crate::policy::Policy;
use crate::store::{Store, StoreError};

/// Runs every authentication flow of one service. Cheap to clone; clones share everything.
///
/// Every method takes the text that the client sent and returns a typed outcome. A refusal says what
/// the *caller* may know. A [`Failure`](crate::Failure) means that the work could not be done, and never
/// reads as a wrong password or token.
///
/// Two errors mean the same in every method that lists them. `RateLimited`: a limit of
/// [`RateLimits`](crate::RateLimits) is used up; it holds the time to wait. `Failed`: a store, the hashing
/// queue or the random generator failed.
#[derive(Debug, Clone)]
pub struct Auth(Arc<Context>);

impl Auth {
    /// Starts to build an `Auth` over one store of users, sessions and mail requests.
    ///
    /// [`SplitStore`](crate::SplitStore) makes one store of three of different places.
    ///
    /// # Examples
    ///
    /// ```
    /// use auth_core::{Auth, Mailbox, MemoryStore};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let auth = Auth::builder(MemoryStore::new(), Mailbox::new())
    ///     .secret(std::env::var("AUTH_SECRET")?)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(store: impl Store + 'static, mailer: impl Mailer + 'static) -> AuthBuilder {
        AuthBuilder::new(Arc::new(store), Arc::new(mailer))
    }

    /// Sends enqueued mails and cleans up on schedule until `shutdown` completes. Then it finishes the
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

    /// Sends the mails that are due now, one after the other, and counts the outcomes.
    ///
    /// # Errors
    ///
    /// - [`StoreError`] when the outbox fails.
    pub async fn deliver_due_mails(&self) -> Result<Delivered, StoreError> {
        delivery::deliver_due(&self.0).await
    }

    /// Deletes expired records in batches, within the configured time budget. No later decision depends
    /// on it.
    ///
    /// # Errors
    ///
    /// - [`StoreError`]: the first failure of a store. The other kinds of records were still cleaned up.
    pub async fn clean_up(&self) -> Result<CleanedUp, StoreError> {
        clean_up::clean_up(&self.0).await
    }

    /// Checks that each store answers, by reading a record that does not exist.
    ///
    /// # Errors
    ///
    /// - [`StoreError`]: the first failure of a store.
    pub async fn check_stores(&self) -> Result<(), StoreError> {
        let nothing = [0; 16];
        self.0.store.find_by_id(UserId::from_bytes(nothing)).await?;
        self.0.store.find_session(SessionId::from_bytes(nothing)).await?;
        self.0.store.find_dead_letter(IntentId::from_bytes(nothing)).await?;
        Ok(())
    }

    /// Returns the public keys that verify this service's access tokens, as a JSON Web Key Set (RFC 7517).
    /// The set is empty for HS256.
    pub fn jwks(&self) -> serde_json::Value {
        self.0.access_tokens.ring().jwks(self.0.now())
    }

    /// Returns the time of the configured clock, for judging [`AccessClaims`](crate::AccessClaims) by it.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// Returns the hashing pool, for importing users and for metrics.
    pub fn hashing(&self) -> &HashingPool {
        &self.0.hashing
    }
}
