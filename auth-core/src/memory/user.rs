//! Users in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{MemoryStore, at_most, count, lock};
use crate::id::UserId;
use crate::store::{
    EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, StoreError, UserInsert,
    UserStore,
};
use crate::user::email::Email;
use crate::user::{Epoch, Name, PasswordHash, User, UserStatus};

/// Users, and the unique index on the canonical address.
#[derive(Default)]
pub(super) struct Users {
    by_id: HashMap<UserId, User>,
    by_email: HashMap<String, UserId>,
}

impl Users {
    pub(super) fn user(&self, id: UserId) -> Option<User> {
        self.by_id.get(&id).cloned()
    }

    /// Writes to the user of this id, if the user still has this epoch and passes the guard.
    fn write(
        &mut self,
        id: UserId,
        epoch: Epoch,
        guard: impl FnOnce(&User) -> bool,
        write: impl FnOnce(&mut User),
    ) -> GuardedWrite {
        match self.by_id.get_mut(&id) {
            Some(user) if user.epoch == epoch && guard(user) => {
                write(user);
                GuardedWrite::Applied
            }
            _ => GuardedWrite::Stale,
        }
    }

    /// Deletes the user of this id, if the user still has this epoch and passes the guard, and frees the address.
    fn delete(&mut self, id: UserId, epoch: Epoch, guard: impl FnOnce(&User) -> bool) -> GuardedWrite {
        let Self { by_id, by_email } = self;
        let Some(user) = by_id.get(&id).filter(|user| user.epoch == epoch && guard(user)) else {
            return GuardedWrite::Stale;
        };
        by_email.remove(user.email.canonical());
        by_id.remove(&id);
        GuardedWrite::Applied
    }
}

#[async_trait]
impl UserStore for MemoryStore {
    async fn insert_user(&self, user: &User) -> Result<UserInsert, StoreError> {
        let mut users = lock(&self.users);
        if users.by_id.contains_key(&user.id) {
            return Err(StoreError::conflict("a user of this id exists"));
        }
        if users.by_email.contains_key(user.email.canonical()) {
            return Ok(UserInsert::EmailTaken);
        }
        users.by_email.insert(user.email.canonical().to_owned(), user.id);
        users.by_id.insert(user.id, user.clone());
        Ok(UserInsert::Inserted)
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(lock(&self.users).user(id))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let users = lock(&self.users);
        let id = users.by_email.get(email.canonical());
        Ok(id.and_then(|id| users.by_id.get(id)).cloned())
    }

    async fn find_users(&self, from: UserId, limit: u32) -> Result<Vec<User>, StoreError> {
        let users = lock(&self.users);
        let mut ids: Vec<&UserId> = users.by_id.keys().filter(|id| **id >= from).collect();
        ids.sort_unstable();
        Ok(ids.into_iter().take(at_most(limit)).filter_map(|id| users.user(*id)).collect())
    }

    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError> {
        let mut users = lock(&self.users);
        let Users { by_id, by_email } = &mut *users;
        let user = by_email.get(email.canonical()).and_then(|id| by_id.get_mut(id));
        Ok(match user {
            Some(user) if user.id != rival => {
                user.contested_at = Some(at);
                GuardedWrite::Applied
            }
            _ => GuardedWrite::Stale,
        })
    }

    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError> {
        let unverified = |user: &User| !user.email_verified();
        Ok(lock(&self.users).write(id, epoch, unverified, |user| {
            user.email_verified_at = Some(verification.at);
            user.contested_at = None;
            if let Some(registration) = &verification.activate {
                user.password_hash = Some(registration.password_hash.clone());
                user.name.clone_from(&registration.name);
                user.epoch = user.epoch.next();
            }
        }))
    }

    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(lock(&self.users).write(id, epoch, always, |user| {
            user.password_hash = Some(password.password_hash.clone());
            user.password_changed_at = password.at;
            if user.email_verified_at.is_none() && password.email_verified_at.is_some() {
                user.email_verified_at = password.email_verified_at;
                user.name = None;
            }
            user.contested_at = None;
            user.epoch = user.epoch.next();
        }))
    }

    async fn set_email(
        &self,
        id: UserId,
        epoch: Epoch,
        new: &NewEmail,
    ) -> Result<SetEmailOutcome, StoreError> {
        let mut users = lock(&self.users);
        let Users { by_id, by_email } = &mut *users;
        let Some(user) = by_id.get_mut(&id).filter(|user| user.epoch == epoch) else {
            return Ok(SetEmailOutcome::Stale);
        };
        if by_email.get(new.email.canonical()).is_some_and(|owner| *owner != id) {
            return Ok(SetEmailOutcome::Taken);
        }
        by_email.remove(user.email.canonical());
        by_email.insert(new.email.canonical().to_owned(), id);
        user.email = new.email.clone();
        user.email_verified_at = Some(new.at);
        user.contested_at = None;
        user.epoch = user.epoch.next();
        Ok(SetEmailOutcome::Applied)
    }

    async fn set_name(
        &self,
        id: UserId,
        epoch: Epoch,
        name: Option<&Name>,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(lock(&self.users).write(id, epoch, always, |user| user.name = name.cloned()))
    }

    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(lock(&self.users).write(id, epoch, always, |user| user.password_hash = Some(hash.clone())))
    }

    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(lock(&self.users).write(id, epoch, always, |user| {
            user.status = status;
            user.epoch = user.epoch.next();
        }))
    }

    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        Ok(lock(&self.users).write(id, epoch, always, |user| user.epoch = user.epoch.next()))
    }

    async fn delete(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        Ok(lock(&self.users).delete(id, epoch, always))
    }

    async fn delete_unverified(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        let unverified = |user: &User| user.status == UserStatus::Active && !user.email_verified();
        Ok(lock(&self.users).delete(id, epoch, unverified))
    }

    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let mut users = lock(&self.users);
        let Users { by_id, by_email } = &mut *users;
        let abandoned = |user: &User| {
            user.status == UserStatus::Active
                && !user.email_verified()
                && user.created_at < before
                && user.contested_at.is_none_or(|contested_at| contested_at < before)
        };
        let purged = by_id
            .extract_if(|_, user| abandoned(user))
            .take(at_most(limit))
            .inspect(|(_, user)| {
                by_email.remove(user.email.canonical());
            })
            .count();
        Ok(count(purged))
    }
}

/// The guard of writes that ask for nothing but id and epoch.
fn always(_: &User) -> bool {
    true
}
