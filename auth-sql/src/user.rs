//! Users in SQL: runs the statements and turns affected rows into outcomes.

use async_trait::async_trait;
use auth_core::store::{EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, UserInsert};
use auth_core::{Email, Epoch, Name, PasswordHash, StoreError, User, UserId, UserStatus, UserStore};
use chrono::{DateTime, Utc};

use crate::statement::values;
use crate::store::{guarded, is_same_time, new_epoch};
use crate::{Database, Expired, Record, Row, SqlStore, UniqueKey, Value, WriteOutcome, table};

fn read(row: &impl Row) -> Result<User, StoreError> {
    read_user(&Record::new(table::USERS, row))
}

pub(crate) fn read_user(record: &Record<'_>) -> Result<User, StoreError> {
    let email = Email::from_stored(record.text("email")?);
    if email.canonical().as_bytes() != record.blob("email_canonical")? {
        return Err(record.corrupt("email_canonical", "not the canonical form of `email`"));
    }
    let Some(status) = UserStatus::from_stored(record.text("status")?) else {
        return Err(record.corrupt("status", "neither `active` nor `disabled`"));
    };
    Ok(User {
        id: UserId::from_bytes(record.bytes("id")?),
        email,
        name: record.optional_text("name")?.map(Name::from_stored),
        password_hash: record.optional_text("password_hash")?.map(PasswordHash::from_stored),
        password_changed_at: record.time("password_changed_at")?,
        epoch: record.epoch("epoch")?,
        status,
        email_verified_at: record.optional_time("email_verified_at")?,
        contested_at: record.optional_time("contested_at")?,
        created_at: record.time("created_at")?,
    })
}

/// Whether a user has this hash. Its random salt makes it unique, so nobody else can have written
/// it.
fn has_hash(user: &User, hash: &PasswordHash) -> bool {
    user.password_hash.as_ref().is_some_and(|stored| stored.expose() == hash.expose())
}

fn is_verified_at(user: &User, at: DateTime<Utc>) -> bool {
    user.email_verified_at.is_some_and(|stored| is_same_time(stored, at))
}

impl<D: Database> SqlStore<D> {
    /// Runs a write that is guarded by id and epoch, its last two values. If the outcome is
    /// unknown, `is_own` decides by what the caller wrote.
    async fn write_user(
        &self,
        sql: &'static str,
        written: &[Value<'_>],
        (id, epoch): (UserId, Epoch),
        is_own: impl FnOnce(&User) -> bool + Send,
    ) -> Result<GuardedWrite, StoreError> {
        if epoch.as_u64() > D::MAX_EPOCH {
            return Ok(GuardedWrite::Stale);
        }
        let values = [written, &values![id, epoch]].concat();
        let is_own = async { Ok(self.find_by_id(id).await?.is_some_and(|user| is_own(&user))) };
        self.write_own(sql, &values, is_own).await.map(guarded)
    }

    /// Runs a write that is guarded by id and epoch, its last two values, and leaves no trace of
    /// its caller.
    async fn write_untraced(
        &self,
        sql: &'static str,
        written: &[Value<'_>],
        (id, epoch): (UserId, Epoch),
    ) -> Result<GuardedWrite, StoreError> {
        if epoch.as_u64() > D::MAX_EPOCH {
            return Ok(GuardedWrite::Stale);
        }
        let values = [written, &values![id, epoch]].concat();
        Ok(guarded(self.write(sql, &values).await? > 0))
    }

    /// Whether the insert of this user was applied.
    async fn is_inserted(&self, user: &User) -> Result<bool, StoreError> {
        let found = self.find_by_id(user.id).await?;
        Ok(found.is_some_and(|found| {
            found.email.canonical() == user.email.canonical()
                && is_same_time(found.created_at, user.created_at)
        }))
    }
}

#[async_trait]
impl<D: Database> UserStore for SqlStore<D> {
    async fn insert_user(&self, user: &User) -> Result<UserInsert, StoreError> {
        let values = values![
            user.id,
            Value::Canonical(user.email.canonical()),
            user.email.address(),
            user.name.as_ref().map(Name::as_str),
            user.password_hash.as_ref().map(PasswordHash::expose),
            user.password_changed_at,
            new_epoch::<D>(table::USERS, user.epoch)?,
            user.status.as_str(),
            user.email_verified_at,
            user.contested_at,
            user.created_at,
        ];
        match self.database.write(D::USER.insert, &values).await? {
            // One more statement for a taken address would reveal by its time that the address is
            // taken.
            WriteOutcome::Affected(0) | WriteOutcome::Duplicate(UniqueKey::Email) => {
                return Ok(UserInsert::EmailTaken);
            }
            WriteOutcome::Affected(_) => return Ok(UserInsert::Inserted),
            WriteOutcome::Unknown(_) if self.is_inserted(user).await? => return Ok(UserInsert::Inserted),
            WriteOutcome::Duplicate(UniqueKey::Other) | WriteOutcome::Unknown(_) => {}
        }
        // An id that exists is a conflict, whether or not the address exists.
        match self.find_by_id(user.id).await? {
            Some(_) => Err(StoreError::conflict("a user with this id exists")),
            None => Ok(UserInsert::EmailTaken),
        }
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.find(read, D::USER.find_by_id, &values![id]).await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.find(read, D::USER.find_by_email, &[Value::Canonical(email.canonical())]).await
    }

    async fn find_users(&self, from: UserId, limit: u32) -> Result<Vec<User>, StoreError> {
        self.list(read, D::USER.find_users, &values![from, limit]).await
    }

    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError> {
        let values = values![at, Value::Canonical(email.canonical()), rival];
        Ok(guarded(self.write(D::USER.mark_contested, &values).await? > 0))
    }

    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError> {
        let at = verification.at;
        let Some(registration) = &verification.activate else {
            let is_own = |user: &User| is_verified_at(user, at);
            return self.write_user(D::USER.verify_email, &values![at], (id, epoch), is_own).await;
        };
        let hash = &registration.password_hash;
        let values = values![hash.expose(), registration.name.as_ref().map(Name::as_str), at];
        let is_own = |user: &User| is_verified_at(user, at) && has_hash(user, hash);
        self.write_user(D::USER.activate, &values, (id, epoch), is_own).await
    }

    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError> {
        let hash = &password.password_hash;
        let verified_at = password.email_verified_at;
        let values = values![hash.expose(), password.at, verified_at, verified_at];
        self.write_user(D::USER.set_password, &values, (id, epoch), |user| has_hash(user, hash)).await
    }

    async fn set_email(
        &self,
        id: UserId,
        epoch: Epoch,
        new: &NewEmail,
    ) -> Result<SetEmailOutcome, StoreError> {
        let values = values![Value::Canonical(new.email.canonical()), new.email.address(), new.at];
        let is_own = |user: &User| user.email == new.email && is_verified_at(user, new.at);
        match self.write_user(D::USER.set_email, &values, (id, epoch), is_own).await? {
            GuardedWrite::Applied => return Ok(SetEmailOutcome::Applied),
            GuardedWrite::Stale => {}
        }
        // If the epoch is unchanged, the guard held, so the unique key refused the write.
        let guard_holds = self.find_by_id(id).await?.is_some_and(|user| user.epoch == epoch);
        Ok(if guard_holds { SetEmailOutcome::Taken } else { SetEmailOutcome::Stale })
    }

    async fn set_name(
        &self,
        id: UserId,
        epoch: Epoch,
        name: Option<&Name>,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_untraced(D::USER.set_name, &values![name.map(Name::as_str)], (id, epoch)).await
    }

    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_untraced(D::USER.rehash_password, &values![hash.expose()], (id, epoch)).await
    }

    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_untraced(D::USER.set_status, &values![status.as_str()], (id, epoch)).await
    }

    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.write_untraced(D::USER.advance_epoch, &[], (id, epoch)).await
    }

    async fn delete(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.write_untraced(D::USER.delete, &[], (id, epoch)).await
    }

    async fn delete_unverified(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.write_untraced(D::USER.delete_unverified, &[], (id, epoch)).await
    }

    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.database.purge(Expired::UnverifiedUsers, before, limit).await
    }
}
