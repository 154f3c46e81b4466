use async_trait::async_trait;
use auth_core::store::{
    Email, EmailVerification, Epoch, GuardedWrite, Name, NewEmail, NewPassword, PasswordHash,
    SetEmailOutcome, StoreError, User, UserId, UserInsert, UserStatus, UserStore,
};
use chrono::{DateTime, Utc};

use crate::MapStore;

impl MapStore {
    /// Changes a user if it has this epoch.
    fn update(&self, id: UserId, epoch: Epoch, change: impl FnOnce(&mut User)) -> GuardedWrite {
        self.transaction(|data| match data.users.get_mut(&id) {
            Some(user) if user.epoch == epoch => {
                change(user);
                GuardedWrite::Applied
            }
            _ => GuardedWrite::Stale,
        })
    }

    /// Deletes a user that this holds for, and frees the address.
    fn remove(&self, id: UserId, holds: impl FnOnce(&User) -> bool) -> GuardedWrite {
        self.transaction(|data| {
            let Some(user) = data.users.get(&id).filter(|user| holds(user)) else {
                return GuardedWrite::Stale;
            };
            data.users_by_email.remove(user.email.canonical());
            data.users.remove(&id);
            GuardedWrite::Applied
        })
    }
}

#[async_trait]
impl UserStore for MapStore {
    async fn insert_user(&self, user: &User) -> Result<UserInsert, StoreError> {
        self.transaction(|data| {
            if data.users.contains_key(&user.id) {
                return Err(StoreError::conflict("a user of this id exists"));
            }
            if data.users_by_email.contains_key(user.email.canonical()) {
                return Ok(UserInsert::EmailTaken);
            }
            data.users_by_email.insert(user.email.canonical().to_owned(), user.id);
            data.users.insert(user.id, user.clone());
            Ok(UserInsert::Inserted)
        })
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(self.transaction(|data| data.users.get(&id).cloned()))
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        Ok(self.transaction(|data| {
            let id = data.users_by_email.get(email.canonical())?;
            data.users.get(id).cloned()
        }))
    }

    async fn find_users(&self, from: UserId, limit: u32) -> Result<Vec<User>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self
            .transaction(|data| data.users.range(from..).map(|(_, user)| user.clone()).take(limit).collect()))
    }

    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(self.transaction(|data| {
            let id = data.users_by_email.get(email.canonical()).filter(|id| **id != rival);
            let Some(user) = id.and_then(|id| data.users.get_mut(id)) else { return GuardedWrite::Stale };
            user.contested_at = Some(at);
            GuardedWrite::Applied
        }))
    }

    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(self.transaction(|data| {
            let user = data.users.get_mut(&id);
            let is_current = |user: &&mut User| user.epoch == epoch && user.email_verified_at.is_none();
            let Some(user) = user.filter(is_current) else {
                return GuardedWrite::Stale;
            };
            user.email_verified_at = Some(verification.at);
            user.contested_at = None;
            if let Some(registration) = &verification.activate {
                user.password_hash = Some(registration.password_hash.clone());
                user.name.clone_from(&registration.name);
                user.epoch = user.epoch.next();
            }
            GuardedWrite::Applied
        }))
    }

    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(self.update(id, epoch, |user| {
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
        Ok(self.transaction(|data| {
            let Some(user) = data.users.get_mut(&id).filter(|user| user.epoch == epoch) else {
                return SetEmailOutcome::Stale;
            };
            if data.users_by_email.get(new.email.canonical()).is_some_and(|owner| *owner != id) {
                return SetEmailOutcome::Taken;
            }
            data.users_by_email.remove(user.email.canonical());
            data.users_by_email.insert(new.email.canonical().to_owned(), id);
            user.email = new.email.clone();
            user.email_verified_at = Some(new.at);
            user.contested_at = None;
            user.epoch = user.epoch.next();
            SetEmailOutcome::Applied
        }))
    }

    async fn set_name(
        &self,
        id: UserId,
        epoch: Epoch,
        name: Option<&Name>,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(self.update(id, epoch, |user| user.name = name.cloned()))
    }

    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(self.update(id, epoch, |user| user.password_hash = Some(hash.clone())))
    }

    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError> {
        Ok(self.update(id, epoch, |user| {
            user.status = status;
            user.epoch = user.epoch.next();
        }))
    }

    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        Ok(self.update(id, epoch, |user| user.epoch = user.epoch.next()))
    }

    async fn delete(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        Ok(self.remove(id, |user| user.epoch == epoch))
    }

    async fn delete_unverified(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        Ok(self.remove(id, |user| {
            user.epoch == epoch && user.status == UserStatus::Active && user.email_verified_at.is_none()
        }))
    }

    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        Ok(self.transaction(|data| {
            let purged = crate::purge(&mut data.users, limit, |user| {
                user.status == UserStatus::Active
                    && user.email_verified_at.is_none()
                    && user.created_at < before
                    && user.contested_at.is_none_or(|at| at < before)
            });
            for user in &purged {
                data.users_by_email.remove(user.email.canonical());
            }
            crate::count(&purged)
        }))
    }
}
