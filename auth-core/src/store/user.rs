//! The trait for users, and its outcomes.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{GuardedWrite, StoreError};
use crate::id::UserId;
use crate::mail::one_time_token::Registration;
use crate::user::email::Email;
use crate::user::{Epoch, Name, PasswordHash, User, UserStatus};

/// The outcome of [`UserStore::insert_user`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a taken address means that nothing was written"]
pub enum UserInsert {
    /// The user was written.
    Inserted,
    /// Another user has the same canonical address; nothing was written.
    EmailTaken,
}

/// The values that [`UserStore::verify_email`] writes.
#[derive(Debug, Clone)]
pub struct EmailVerification {
    /// Becomes `email_verified_at`.
    pub at: DateTime<Utc>,
    /// Replaces password hash and name and moves the epoch, if given.
    pub activate: Option<Registration>,
}

/// The values that [`UserStore::set_password`] writes.
#[derive(Debug, Clone)]
pub struct NewPassword {
    /// Becomes the user's hash.
    pub password_hash: PasswordHash,
    /// Becomes `password_changed_at`.
    pub at: DateTime<Utc>,
    /// Becomes `email_verified_at` where that is still empty; `None` leaves it alone. Where it does, the
    /// name becomes empty: an earlier registrant chose it, who may not be the owner of the mailbox.
    pub email_verified_at: Option<DateTime<Utc>>,
}

/// The values that [`UserStore::set_email`] writes.
#[derive(Debug, Clone)]
pub struct NewEmail {
    /// Becomes the user's address.
    pub email: Email,
    /// Becomes `email_verified_at`: the new mailbox was proven.
    pub at: DateTime<Utc>,
}

/// The outcome of [`UserStore::set_email`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an address that was not applied changed nothing"]
pub enum SetEmailOutcome {
    /// The guard held and the user has the new address.
    Applied,
    /// The guard held, but another user has the same canonical address; nothing changed.
    Taken,
    /// The guard did not hold, or there is no such user; nothing changed, whether the address is free or taken.
    Stale,
}

/// Stores users. See [Writing a store](crate::store#writing-a-store).
#[async_trait]
pub trait UserStore: Debug + Send + Sync {
    /// Writes a new user.
    ///
    /// # Atomicity
    ///
    /// One insert under a unique key on the canonical address: of any number of concurrent callers
    /// with one address, exactly one gets [`UserInsert::Inserted`]. After a crash the user is there
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// - [`Conflict`](super::StoreErrorKind::Conflict) when the *id* exists already, whatever its
    ///   address.
    async fn insert_user(&self, user: &User) -> Result<UserInsert, StoreError>;

    /// Reads a user by id.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write that was acknowledged before it began, by any process.
    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// Reads a user by canonical address, compared byte by byte.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write that was acknowledged before it began, by any process.
    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;

    /// Reads at most `limit` users in the order of their ids, compared byte by byte, beginning with the id `from`.
    ///
    /// # Atomicity
    ///
    /// One read, or several. Pages are read one after the other, each from behind the last id of the page before:
    /// a user who is there all the time is on exactly one, while others are inserted and deleted. It sees every
    /// write that was acknowledged before it began, by any process.
    async fn find_users(&self, from: UserId, limit: u32) -> Result<Vec<User>, StoreError>;

    /// Marks the user of this address as contested, unless its id is `rival`.
    ///
    /// `rival` is the id of another registration of the same address, which may have made the user itself.
    ///
    /// # Atomicity
    ///
    /// One write: `contested_at = at` where the address matches and the id differs from `rival`. A
    /// later call writes its later time. Verified users are written too, so that a registration
    /// costs as many writes whether its address is free, taken or verified.
    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError>;

    /// Marks the address verified and uncontested; with an activation also replaces password hash
    /// and name and moves the epoch to the next. `password_changed_at` stays.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by `id`, `epoch` and an empty `email_verified_at`: of any number of
    /// concurrent callers exactly one gets [`GuardedWrite::Applied`].
    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError>;

    /// Sets the password, moves the epoch to the next, and marks the user uncontested. If it verifies the
    /// address, it removes the name.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by `id` and `epoch`. Password, name and epoch change in the same instant, so
    /// a reader of the new password sees every older session dead.
    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError>;

    /// Replaces the address, marks it verified and uncontested, and moves the epoch to the next. The old
    /// address is free at once.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by `id` and `epoch` and by the unique key on the canonical address: of any
    /// number of concurrent callers and [inserts](Self::insert_user) with one address, exactly one gets it.
    /// Address and epoch change in the same instant, so a reader of the new address sees every older
    /// session and every token mailed to the old one dead.
    async fn set_email(
        &self,
        id: UserId,
        epoch: Epoch,
        email: &NewEmail,
    ) -> Result<SetEmailOutcome, StoreError>;

    /// Sets or removes the name. The epoch stays.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by `id` and `epoch`. Setting the name that the user has is applied, too.
    async fn set_name(
        &self,
        id: UserId,
        epoch: Epoch,
        name: Option<&Name>,
    ) -> Result<GuardedWrite, StoreError>;

    /// Replaces the hash of the *same* password by a stronger one. The epoch stays.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by `id` and `epoch`: a password set meanwhile is never overwritten.
    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError>;

    /// Sets the status and moves the epoch to the next.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by `id` and `epoch`.
    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError>;

    /// Moves the epoch to the next, which ends all sessions and kills all mailed tokens of the user.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by `id` and `epoch`: of any number of concurrent callers with one epoch
    /// exactly one gets [`GuardedWrite::Applied`], and the epoch moves once.
    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError>;

    /// Deletes the user. The address is free again at once; the id is never reused.
    ///
    /// # Atomicity
    ///
    /// One delete, guarded by `id` and `epoch`: of any number of concurrent callers exactly one gets
    /// [`GuardedWrite::Applied`], and a session that a reset has ended meanwhile deletes nobody.
    async fn delete(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError>;

    /// Deletes an active user whose address is not verified, with this epoch. The address is free again at
    /// once. A disabled user stays, or deleting it would lift the ban.
    ///
    /// # Atomicity
    ///
    /// One delete, guarded by `id` and `epoch`: a user who verifies or is disabled meanwhile stays.
    async fn delete_unverified(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError>;

    /// Deletes at most `limit` active users that never verified their address and whose `created_at`
    /// and `contested_at` (where set) both lie before `before`; returns how many. Disabled users stay,
    /// or deleting them would lift the ban.
    ///
    /// # Atomicity
    ///
    /// Each user by one guarded delete: a user who verifies or is contested meanwhile stays.
    /// Fewer than `limit` means that none is left, even while others purge: clean-up stops then.
    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
}
