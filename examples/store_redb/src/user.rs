//! Users: one record each, and an index that keeps addresses unique.

use async_trait::async_trait;
use auth_core::store::{
    EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, UserInsert, UserStore,
};
use auth_core::{Email, Epoch, Name, PasswordHash, StoreError, User, UserId, UserStatus};
use chrono::{DateTime, Utc};
use redb::{ReadableTable as _, WriteTransaction};

use crate::row::UserRow;
use crate::{Failed, RedbStore, USERS, USERS_BY_EMAIL, find_all, get, put};

impl RedbStore {
    /// The shape of every guarded write: read, check, write, in one transaction.
    async fn write_user(
        &self,
        id: UserId,
        epoch: Epoch,
        write: impl FnOnce(&mut UserRow) -> GuardedWrite + Send + 'static,
    ) -> Result<GuardedWrite, StoreError> {
        self.write(move |transaction| {
            let mut users = transaction.open_table(USERS)?;
            let Some(mut user) = get::<UserRow>(&users, *id.as_bytes())? else {
                return Ok(GuardedWrite::Stale);
            };
            if user.epoch != epoch.as_u64() || write(&mut user) == GuardedWrite::Stale {
                return Ok(GuardedWrite::Stale);
            }
            put(&mut users, *id.as_bytes(), &user)?;
            Ok(GuardedWrite::Applied)
        })
        .await
    }
}

/// Deletes a user that this holds for, and frees the address.
fn remove(
    transaction: &WriteTransaction,
    id: UserId,
    holds: impl FnOnce(&UserRow) -> bool,
) -> Result<GuardedWrite, Failed> {
    let mut users = transaction.open_table(USERS)?;
    let Some(user) = get::<UserRow>(&users, *id.as_bytes())?.filter(holds) else {
        return Ok(GuardedWrite::Stale);
    };
    users.remove(*id.as_bytes())?;
    transaction.open_table(USERS_BY_EMAIL)?.remove(Email::from_stored(user.email).canonical())?;
    Ok(GuardedWrite::Applied)
}

#[async_trait]
impl UserStore for RedbStore {
    async fn insert_user(&self, user: &User) -> Result<UserInsert, StoreError> {
        let (id, email, row) = (*user.id.as_bytes(), user.email.canonical().to_owned(), UserRow::from(user));
        self.write(move |transaction| {
            let mut users = transaction.open_table(USERS)?;
            let mut by_email = transaction.open_table(USERS_BY_EMAIL)?;
            if users.get(id)?.is_some() {
                return Err(Failed(StoreError::conflict("a user of this id exists")));
            }
            if by_email.get(&*email)?.is_some() {
                return Ok(UserInsert::EmailTaken);
            }
            by_email.insert(&*email, id)?;
            put(&mut users, id, &row)?;
            Ok(UserInsert::Inserted)
        })
        .await
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read(move |transaction| {
            let user = get::<UserRow>(&transaction.open_table(USERS)?, *id.as_bytes())?;
            Ok(user.map(|user| user.into_user(*id.as_bytes())))
        })
        .await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        let email = email.canonical().to_owned();
        self.read(move |transaction| {
            let Some(id) = transaction.open_table(USERS_BY_EMAIL)?.get(&*email)?.map(|id| id.value()) else {
                return Ok(None);
            };
            let user = get::<UserRow>(&transaction.open_table(USERS)?, id)?;
            Ok(user.map(|user| user.into_user(id)))
        })
        .await
    }

    async fn find_users(&self, from: UserId, limit: u32) -> Result<Vec<User>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.read(move |transaction| {
            let users = transaction.open_table(USERS)?;
            let mut page = Vec::new();
            for entry in users.range(*from.as_bytes()..)?.take(limit) {
                let id = entry?.0.value();
                page.extend(get::<UserRow>(&users, id)?.map(|user| user.into_user(id)));
            }
            Ok(page)
        })
        .await
    }

    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError> {
        let email = email.canonical().to_owned();
        self.write(move |transaction| {
            let mut users = transaction.open_table(USERS)?;
            let owner = transaction.open_table(USERS_BY_EMAIL)?.get(&*email)?.map(|id| id.value());
            let Some(id) = owner.filter(|id| id != rival.as_bytes()) else { return Ok(GuardedWrite::Stale) };
            let Some(mut user) = get::<UserRow>(&users, id)? else { return Ok(GuardedWrite::Stale) };
            user.contested_at = Some(at);
            put(&mut users, id, &user)?;
            Ok(GuardedWrite::Applied)
        })
        .await
    }

    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError> {
        let EmailVerification { at, activate } = verification.clone();
        self.write_user(id, epoch, move |user| {
            if user.email_verified_at.is_some() {
                return GuardedWrite::Stale;
            }
            user.email_verified_at = Some(at);
            user.contested_at = None;
            if let Some(registration) = &activate {
                user.activate(registration);
                user.epoch += 1;
            }
            GuardedWrite::Applied
        })
        .await
    }

    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError> {
        let NewPassword { password_hash, at, email_verified_at } = password.clone();
        self.write_user(id, epoch, move |user| {
            user.password_hash = Some(password_hash.expose().to_owned());
            user.password_changed_at = at;
            if user.email_verified_at.is_none() && email_verified_at.is_some() {
                user.email_verified_at = email_verified_at;
                user.name = None;
            }
            user.contested_at = None;
            user.epoch += 1;
            GuardedWrite::Applied
        })
        .await
    }

    async fn set_email(
        &self,
        id: UserId,
        epoch: Epoch,
        new: &NewEmail,
    ) -> Result<SetEmailOutcome, StoreError> {
        let (id, new) = (*id.as_bytes(), new.clone());
        self.write(move |transaction| {
            let mut users = transaction.open_table(USERS)?;
            let mut by_email = transaction.open_table(USERS_BY_EMAIL)?;
            let user = get::<UserRow>(&users, id)?.filter(|user| user.epoch == epoch.as_u64());
            let Some(mut user) = user else { return Ok(SetEmailOutcome::Stale) };
            let owner = by_email.get(new.email.canonical())?.map(|owner| owner.value());
            if owner.is_some_and(|owner| owner != id) {
                return Ok(SetEmailOutcome::Taken);
            }
            by_email.remove(Email::from_stored(user.email).canonical())?;
            by_email.insert(new.email.canonical(), id)?;
            user.email = String::from(new.email.address());
            user.email_verified_at = Some(new.at);
            user.contested_at = None;
            user.epoch += 1;
            put(&mut users, id, &user)?;
            Ok(SetEmailOutcome::Applied)
        })
        .await
    }

    async fn set_name(
        &self,
        id: UserId,
        epoch: Epoch,
        name: Option<&Name>,
    ) -> Result<GuardedWrite, StoreError> {
        let name = name.map(|name| name.as_str().to_owned());
        self.write_user(id, epoch, move |user| {
            user.name = name;
            GuardedWrite::Applied
        })
        .await
    }

    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError> {
        let hash = hash.expose().to_owned();
        self.write_user(id, epoch, move |user| {
            user.password_hash = Some(hash);
            GuardedWrite::Applied
        })
        .await
    }

    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_user(id, epoch, move |user| {
            user.disabled = status == UserStatus::Disabled;
            user.epoch += 1;
            GuardedWrite::Applied
        })
        .await
    }

    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.write_user(id, epoch, |user| {
            user.epoch += 1;
            GuardedWrite::Applied
        })
        .await
    }

    async fn delete(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        let is_current = move |row: &UserRow| row.epoch == epoch.as_u64();
        self.write(move |transaction| remove(transaction, id, is_current)).await
    }

    async fn delete_unverified(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        let is_unverified = move |row: &UserRow| {
            row.epoch == epoch.as_u64() && !row.disabled && row.email_verified_at.is_none()
        };
        self.write(move |transaction| remove(transaction, id, is_unverified)).await
    }

    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let abandoned = |user: &UserRow| {
                !user.disabled
                    && user.email_verified_at.is_none()
                    && user.created_at < before
                    && user.contested_at.is_none_or(|contested_at| contested_at < before)
            };
            let found = find_all(&transaction.open_table(USERS)?, limit, abandoned)?;
            for (id, _) in &found {
                let _ = remove(transaction, UserId::from_bytes(*id), |_| true)?;
            }
            Ok(found.len() as u64)
        })
        .await
    }
}
