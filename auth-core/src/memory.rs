//! A store in memory: for tests, demos and single-process services that may forget.

#[cfg(all(test, shuttle))]
mod interleavings;
mod mailbox;
mod outbox;
mod token;
mod user;

use std::fmt;

use async_trait::async_trait;
pub use mailbox::Mailbox;

use outbox::Intents;
use token::Tokens;
use user::Users;

use crate::id::SessionId;
use crate::session::Session;
use crate::store::{Store, StoreError};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::user::User;

/// A [`Store`](crate::store::Store) that holds everything in this process.
///
/// It passes the suite of `auth-testkit`, so tests and demos behave like a service over a database. All
/// data is lost when the process ends. A clone shares its data with the original.
///
/// # Examples
///
/// ```
/// # use auth_core::{Email, MemoryStore};
/// # use auth_core::store::UserStore;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let nobody = store.find_by_email(&Email::parse("ada@example.com")?).await?;
/// assert!(nobody.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    users: Arc<Mutex<Users>>,
    tokens: Arc<Mutex<Tokens>>,
    intents: Arc<Mutex<Intents>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        let session = lock(&self.tokens).session(id);
        Ok(session.map(|session| {
            let user = lock(&self.users).user(session.user_id);
            (session, user)
        }))
    }
}

/// Shows no content, which is personal data.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// Every change under a lock is a single step that leaves the data whole, so a panic elsewhere in
/// the process is no reason to refuse work for ever.
fn lock<T>(data: &Mutex<T>) -> MutexGuard<'_, T> {
    data.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A limit as an iterator counts.
fn at_most(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// How many records a purge took. `usize` is never wider than 64 bits.
fn count(purged: usize) -> u64 {
    u64::try_from(purged).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::outbox::MAX_INTENTS;
    use super::*;
    use crate::id::IntentId;
    use crate::store::{Intent, MailRequest, Outbox as _, Settlement, StoreErrorKind};
    use crate::user::email::Email;

    #[test]
    fn debug_shows_no_data() {
        assert_eq!(format!("{:?}", MemoryStore::new()), "MemoryStore { .. }");
    }

    #[test]
    fn a_panic_while_locked_does_not_stop_the_store() {
        let data = Arc::new(Mutex::new(1));
        let poisoner = Arc::clone(&data);
        let panicked = std::thread::spawn(move || {
            let _guard = poisoner.lock().unwrap();
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert_eq!(*lock(&data), 1);
    }

    #[tokio::test]
    async fn without_a_worker_the_outbox_fills_and_says_so() {
        let (store, email) = (MemoryStore::new(), Email::parse("ada@example.com").unwrap());
        let intent = |number: u128| Intent {
            id: IntentId::from_bytes(number.to_be_bytes()),
            email: email.clone(),
            mail: MailRequest::Verification,
            languages: None,
            created_at: DateTime::UNIX_EPOCH,
        };
        for number in 0..MAX_INTENTS as u128 {
            store.insert_intent(&intent(number)).await.unwrap();
        }
        let full = store.insert_intent(&intent(u128::MAX)).await.unwrap_err();
        assert_eq!(full.kind(), StoreErrorKind::Unavailable);
        store.insert_intent(&intent(0)).await.unwrap();
        let now = DateTime::UNIX_EPOCH;
        for claimed in store.claim(now, now, 1).await.unwrap() {
            assert_eq!(
                store.complete(claimed.intent.id, claimed.attempt).await.unwrap(),
                Settlement::Settled
            );
        }
        store.insert_intent(&intent(u128::MAX)).await.unwrap();
    }
}
