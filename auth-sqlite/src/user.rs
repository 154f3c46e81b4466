use async_trait::async_trait;
use auth_core::store::{
    Deletion, EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, UserInsert,
};
use auth_core::{Email, Epoch, Name, PasswordHash, StoreError, User, UserId, UserStatus, UserStore};
use chrono::{DateTime, Utc};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::pool::Statement;
use crate::row::{Record, epoch_number, micros, new_epoch, statements};

pub(crate) const TABLE: &str = "auth_users";

statements! {
    INSERT = "INSERT INTO auth_users (id, email_canonical, email, name, password_hash, password_changed_at, \
        epoch, status, email_verified_at, contested_at, created_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (email_canonical) DO NOTHING";
    FIND_BY_ID = "SELECT id, email_canonical, email, name, password_hash, password_changed_at, \
        epoch, status, email_verified_at, contested_at, created_at FROM auth_users WHERE id = ?1";
    FIND_BY_EMAIL = "SELECT id, email_canonical, email, name, password_hash, password_changed_at, \
        epoch, status, email_verified_at, contested_at, created_at FROM auth_users WHERE email_canonical = ?1";
    CONTEST = "UPDATE auth_users SET contested_at = ?3 WHERE email_canonical = ?1 AND id <> ?2";
    VERIFY_EMAIL = "UPDATE auth_users SET email_verified_at = ?3, contested_at = NULL \
        WHERE id = ?1 AND epoch = ?2 AND email_verified_at IS NULL";
    ACTIVATE = "UPDATE auth_users SET email_verified_at = ?3, contested_at = NULL, \
        password_hash = ?4, name = ?5, epoch = epoch + 1 \
        WHERE id = ?1 AND epoch = ?2 AND email_verified_at IS NULL";
    SET_PASSWORD = "UPDATE auth_users SET password_hash = ?3, password_changed_at = ?4, \
        email_verified_at = ifnull(email_verified_at, ?5), contested_at = NULL, epoch = epoch + 1 \
        WHERE id = ?1 AND epoch = ?2";
    /// An address that is taken fails the unique key: then the record is passed over.
    SET_EMAIL = "UPDATE OR IGNORE auth_users SET email_canonical = ?3, email = ?4, email_verified_at = ?5, \
        contested_at = NULL, epoch = epoch + 1 WHERE id = ?1 AND epoch = ?2";
    REHASH_PASSWORD = "UPDATE auth_users SET password_hash = ?3 WHERE id = ?1 AND epoch = ?2";
    SET_STATUS = "UPDATE auth_users SET status = ?3, epoch = epoch + 1 WHERE id = ?1 AND epoch = ?2";
    ADVANCE_EPOCH = "UPDATE auth_users SET epoch = epoch + 1 WHERE id = ?1 AND epoch = ?2";
    DELETE = "DELETE FROM auth_users WHERE id = ?1";
    /// The later of two times lies before a third exactly when both do.
    PURGE_UNVERIFIED = "DELETE FROM auth_users WHERE id IN (SELECT id FROM auth_users \
        WHERE email_verified_at IS NULL AND status = 'active' \
        AND max(created_at, ifnull(contested_at, created_at)) < ?1 LIMIT ?2)";
}

fn status_text(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        UserStatus::Disabled => "disabled",
    }
}

fn read(row: &SqliteRow) -> Result<User, StoreError> {
    read_user(&Record::new(TABLE, row))
}

pub(crate) fn read_user(record: &Record<'_>) -> Result<User, StoreError> {
    let email = Email::from_stored(record.text("email")?);
    if email.canonical() != record.text("email_canonical")? {
        return Err(record.corrupt("email_canonical", "not the canonical form of `email`"));
    }
    let status = match record.text("status")? {
        "active" => UserStatus::Active,
        "disabled" => UserStatus::Disabled,
        _ => return Err(record.corrupt("status", "neither `active` nor `disabled`")),
    };
    Ok(User {
        id: UserId::from_bytes(record.bytes("id")?),
        email,
        name: record.maybe_text("name")?.map(Name::from_stored),
        password_hash: record.maybe_text("password_hash")?.map(PasswordHash::from_stored),
        password_changed_at: record.time("password_changed_at")?,
        epoch: record.epoch("epoch")?,
        status,
        email_verified_at: record.maybe_time("email_verified_at")?,
        contested_at: record.maybe_time("contested_at")?,
        created_at: record.time("created_at")?,
    })
}

fn guarded(affected: u64) -> GuardedWrite {
    if affected == 0 { GuardedWrite::Stale } else { GuardedWrite::Applied }
}

impl SqliteStore {
    /// Runs a write that is guarded by `id` and `epoch`, its first two values; `bind` adds the rest.
    async fn write_user(
        &self,
        sql: &'static str,
        id: UserId,
        epoch: Epoch,
        bind: impl Fn(Statement) -> Statement + Send + Sync,
    ) -> Result<GuardedWrite, StoreError> {
        let Some(epoch) = epoch_number(epoch) else {
            return Ok(GuardedWrite::Stale);
        };
        let statement = || bind(query(sql).bind(id.as_bytes().as_slice()).bind(epoch));
        self.write(statement).await.map(guarded)
    }
}

#[async_trait]
impl UserStore for SqliteStore {
    async fn insert(&self, user: &User) -> Result<UserInsert, StoreError> {
        let epoch = new_epoch(TABLE, user.epoch)?;
        let statement = || {
            query(INSERT)
                .bind(user.id.as_bytes().as_slice())
                .bind(user.email.canonical())
                .bind(user.email.address())
                .bind(user.name.as_ref().map(Name::as_str))
                .bind(user.password_hash.as_ref().map(PasswordHash::expose))
                .bind(micros(user.password_changed_at))
                .bind(epoch)
                .bind(status_text(user.status))
                .bind(user.email_verified_at.map(micros))
                .bind(user.contested_at.map(micros))
                .bind(micros(user.created_at))
        };
        let inserted = self.write(statement).await? > 0;
        // Read either way: one statement more for a taken address would tell that it is taken.
        let found = self.find_by_id(user.id).await;
        if inserted {
            return Ok(UserInsert::Inserted);
        }
        // Both may be taken. An id that exists is a conflict, whatever its address.
        match found? {
            Some(_) => Err(StoreError::conflict("a user of this id exists")),
            None => Ok(UserInsert::EmailTaken),
        }
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.find(read, || query(FIND_BY_ID).bind(id.as_bytes().as_slice())).await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.find(read, || query(FIND_BY_EMAIL).bind(email.canonical())).await
    }

    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError> {
        let statement =
            || query(CONTEST).bind(email.canonical()).bind(rival.as_bytes().as_slice()).bind(micros(at));
        self.write(statement).await.map(guarded)
    }

    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError> {
        let at = micros(verification.at);
        match &verification.activate {
            None => self.write_user(VERIFY_EMAIL, id, epoch, |statement| statement.bind(at)).await,
            Some(registration) => {
                self.write_user(ACTIVATE, id, epoch, |statement| {
                    statement
                        .bind(at)
                        .bind(registration.password_hash.expose())
                        .bind(registration.name.as_ref().map(Name::as_str))
                })
                .await
            }
        }
    }

    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_user(SET_PASSWORD, id, epoch, |statement| {
            statement
                .bind(password.password_hash.expose())
                .bind(micros(password.at))
                .bind(password.email_verified_at.map(micros))
        })
        .await
    }

    async fn set_email(
        &self,
        id: UserId,
        epoch: Epoch,
        new: &NewEmail,
    ) -> Result<SetEmailOutcome, StoreError> {
        let bind = |statement: Statement| {
            statement.bind(new.email.canonical()).bind(new.email.address()).bind(micros(new.at))
        };
        if self.write_user(SET_EMAIL, id, epoch, bind).await? == GuardedWrite::Applied {
            return Ok(SetEmailOutcome::Applied);
        }
        // An epoch that is still the same was no reason to pass the record over.
        let guard_holds = self.find_by_id(id).await?.is_some_and(|user| user.epoch == epoch);
        Ok(if guard_holds { SetEmailOutcome::Taken } else { SetEmailOutcome::Stale })
    }

    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_user(REHASH_PASSWORD, id, epoch, |statement| statement.bind(hash.expose())).await
    }

    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_user(SET_STATUS, id, epoch, |statement| statement.bind(status_text(status))).await
    }

    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.write_user(ADVANCE_EPOCH, id, epoch, |statement| statement).await
    }

    async fn delete(&self, id: UserId) -> Result<Deletion, StoreError> {
        let statement = || query(DELETE).bind(id.as_bytes().as_slice());
        let deleted = self.write(statement).await?;
        Ok(if deleted == 0 { Deletion::NotFound } else { Deletion::Deleted })
    }

    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(|| query(PURGE_UNVERIFIED).bind(micros(before)).bind(limit)).await
    }
}
