//! Importing users of an older system into a store.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::{StoreError, StoreErrorKind, UserInsert, UserStore};
use crate::id::UserId;
use crate::user::User;

/// How far an import has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Users written.
    pub inserted: u64,
    /// Users that were there already, under this id and address: an import may be repeated.
    pub present: u64,
    /// Users not written, because another user has the address.
    pub email_taken: Vec<UserId>,
    /// Users not written, because a user with another address has the id.
    pub id_taken: Vec<UserId>,
}

/// Writes users from an older system, bcrypt hashes and all, and reports after every batch.
///
/// The users of a batch are written at the same time, so choose as many as the store has connections
/// or a few times that. Give each user an id that a second run gives again, derived from the older
/// system's: what an interrupted import had written is then counted as present. To let bcrypt hashes log in, set
/// [`HashingPolicy::bcrypt`](crate::HashingPolicy::bcrypt); the first log-in replaces each.
///
/// A second run writes users again that were deleted in between, with their old passwords: stores do not remember
/// deleted users. Remember the ids of imported users, and leave them out.
///
/// # Errors
///
/// - The first [`StoreError`] of a user; those of its batch may have been written.
///
/// # Atomicity
///
/// Each user by one insert; running it again completes what broke off.
pub async fn import_users(
    store: Arc<dyn UserStore>,
    users: impl IntoIterator<Item = User, IntoIter: Send> + Send,
    batch: NonZeroUsize,
    mut report: impl FnMut(&ImportProgress) + Send,
) -> Result<ImportProgress, StoreError> {
    let (mut progress, mut users) = (ImportProgress::default(), users.into_iter());
    loop {
        let mut writing = JoinSet::new();
        for user in users.by_ref().take(batch.get()) {
            let store = Arc::clone(&store);
            writing.spawn(async move { insert(&*store, &user).await });
        }
        if writing.is_empty() {
            return Ok(progress);
        }
        while let Some(written) = writing.join_next().await {
            match written.map_err(StoreError::unavailable)?? {
                Imported::Inserted => progress.inserted += 1,
                Imported::Present => progress.present += 1,
                Imported::EmailTaken(id) => progress.email_taken.push(id),
                Imported::IdTaken(id) => progress.id_taken.push(id),
            }
        }
        report(&progress);
    }
}

enum Imported {
    Inserted,
    Present,
    EmailTaken(UserId),
    IdTaken(UserId),
}

async fn insert(store: &dyn UserStore, user: &User) -> Result<Imported, StoreError> {
    match store.insert_user(user).await {
        Ok(UserInsert::Inserted) => Ok(Imported::Inserted),
        Ok(UserInsert::EmailTaken) => Ok(Imported::EmailTaken(user.id)),
        Err(conflict) if conflict.kind() == StoreErrorKind::Conflict => {
            match store.find_by_id(user.id).await? {
                Some(found) if found.email.canonical() == user.email.canonical() => Ok(Imported::Present),
                Some(_) => Ok(Imported::IdTaken(user.id)),
                // Deleted meanwhile.
                None => Err(conflict),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::memory::MemoryStore;
    use crate::user::email::Email;
    use crate::user::{Epoch, PasswordHash, UserStatus};

    fn user(id: u8, email: &str) -> User {
        User {
            id: UserId::from_bytes([id; 16]),
            email: Email::parse(email).unwrap(),
            name: None,
            password_hash: Some(PasswordHash::from_stored("$2b$04$x")),
            password_changed_at: DateTime::UNIX_EPOCH,
            epoch: Epoch::from_u64(1),
            status: UserStatus::Active,
            email_verified_at: Some(DateTime::UNIX_EPOCH),
            contested_at: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn users() -> Vec<User> {
        (1..=10).map(|id| user(id, &format!("ada{}@example.com", id % 9))).collect()
    }

    #[tokio::test]
    async fn an_import_reports_every_batch_and_may_be_repeated() {
        let store: Arc<dyn UserStore> = Arc::new(MemoryStore::new());
        let batch = NonZeroUsize::new(4).unwrap();
        let mut reported = Vec::new();
        let report = |progress: &ImportProgress| reported.push(progress.inserted);
        let first = import_users(Arc::clone(&store), users(), batch, report).await.unwrap();
        assert_eq!(reported, [4, 8, 9]);
        assert_eq!((first.inserted, first.present), (9, 0));
        assert_eq!(first.email_taken, [UserId::from_bytes([10; 16])]);
        let again = import_users(Arc::clone(&store), users(), batch, |_| {}).await.unwrap();
        assert_eq!((again.inserted, again.present, again.email_taken), (0, 9, first.email_taken));
    }

    #[tokio::test]
    async fn an_id_of_another_user_is_reported_and_ends_nothing() {
        let store: Arc<dyn UserStore> = Arc::new(MemoryStore::new());
        let clash = [user(1, "ada@example.com"), user(1, "grace@example.com"), user(2, "bob@example.com")];
        let done = import_users(store, clash, NonZeroUsize::MIN, |_| {}).await.unwrap();
        assert_eq!((done.inserted, done.present), (2, 0));
        assert_eq!(done.id_taken, [UserId::from_bytes([1; 16])]);
    }
}
