use async_trait::async_trait;
use auth_core::store::{
    Deletion, EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, UserInsert,
};
use auth_core::{Email, Epoch, Name, PasswordHash, StoreError, User, UserId, UserStatus, UserStore};
use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlRow;
use sqlx::query;

use crate::MySqlStore;
use crate::error::is_of_key;
use crate::pool::{Statement, Written};
use crate::purge::Purge;
use crate::row::{Record, kept, statements};

pub(crate) const TABLE: &str = "auth_users";
const EMAIL_KEY: &str = "auth_users_email";

statements! {
    INSERT = "INSERT INTO auth_users (id, email_canonical, email, name, password_hash, password_changed_at, \
        epoch, status, email_verified_at, contested_at, created_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    FIND_BY_ID = "SELECT id, email_canonical, email, name, password_hash, password_changed_at, \
        epoch, status, email_verified_at, contested_at, created_at FROM auth_users WHERE id = ?";
    FIND_BY_EMAIL = "SELECT id, email_canonical, email, name, password_hash, password_changed_at, \
        epoch, status, email_verified_at, contested_at, created_at FROM auth_users WHERE email_canonical = ?";
    CONTEST = "UPDATE auth_users SET contested_at = ? WHERE email_canonical = ? AND id <> ?";
    VERIFY_EMAIL = "UPDATE auth_users SET email_verified_at = ?, contested_at = NULL \
        WHERE id = ? AND epoch = ? AND email_verified_at IS NULL";
    ACTIVATE = "UPDATE auth_users SET contested_at = NULL, password_hash = ?, name = ?, epoch = epoch + 1, \
        email_verified_at = ? WHERE id = ? AND epoch = ? AND email_verified_at IS NULL";
    SET_PASSWORD = "UPDATE auth_users SET password_hash = ?, password_changed_at = ?, \
        email_verified_at = IFNULL(email_verified_at, ?), contested_at = NULL, epoch = epoch + 1 \
        WHERE id = ? AND epoch = ?";
    SET_EMAIL = "UPDATE auth_users SET email_canonical = ?, email = ?, email_verified_at = ?, \
        contested_at = NULL, epoch = epoch + 1 WHERE id = ? AND epoch = ?";
    REHASH_PASSWORD = "UPDATE auth_users SET password_hash = ? WHERE id = ? AND epoch = ?";
    SET_STATUS = "UPDATE auth_users SET status = ?, epoch = epoch + 1 WHERE id = ? AND epoch = ?";
    ADVANCE_EPOCH = "UPDATE auth_users SET epoch = epoch + 1 WHERE id = ? AND epoch = ?";
    DELETE = "DELETE FROM auth_users WHERE id = ?";
    FIND_UNVERIFIED = "SELECT id FROM auth_users WHERE unverified_since < ? ORDER BY unverified_since LIMIT ?";
    /// The keys follow.
    PURGE_UNVERIFIED = "DELETE auth_users FROM auth_users FORCE INDEX (PRIMARY) WHERE unverified_since < ?";
}

fn status_text(status: UserStatus) -> &'static str {
    match status {
        UserStatus::Active => "active",
        UserStatus::Disabled => "disabled",
    }
}

fn read(row: &MySqlRow) -> Result<User, StoreError> {
    read_user(&Record::new(TABLE, row))
}

pub(crate) fn read_user(record: &Record<'_>) -> Result<User, StoreError> {
    let email = Email::from_stored(record.text("email")?);
    if email.canonical().as_bytes() != record.blob("email_canonical")? {
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

fn read_id(row: &MySqlRow) -> Result<Vec<u8>, StoreError> {
    Record::new(TABLE, row).blob("id").map(<[u8]>::to_vec)
}

fn guarded(affected: u64) -> GuardedWrite {
    if affected == 0 { GuardedWrite::Stale } else { GuardedWrite::Applied }
}

impl MySqlStore {
    /// Runs a write that is guarded by `id` and `epoch`, its last two values; `bind` adds those before.
    /// A write that leaves a mark of its own says with `is_ours` whether a user bears it.
    async fn write_user(
        &self,
        sql: &'static str,
        (id, epoch): (UserId, Epoch),
        bind: impl Fn(Statement) -> Statement + Send + Sync,
        is_ours: impl Fn(&User) -> bool + Send + Sync,
    ) -> Result<GuardedWrite, StoreError> {
        let statement = || bind(query(sql)).bind(id.as_bytes().as_slice()).bind(epoch.as_u64());
        let is_ours = async { Ok(self.find_by_id(id).await?.is_some_and(|user| is_ours(&user))) };
        let applied = self.write_ours(statement, is_ours).await?;
        Ok(if applied { GuardedWrite::Applied } else { GuardedWrite::Stale })
    }

    /// Runs a write that anybody may have made: it is guarded by `id` and `epoch`, its last two values.
    async fn write_unmarked(
        &self,
        sql: &'static str,
        (id, epoch): (UserId, Epoch),
        bind: impl Fn(Statement) -> Statement + Send + Sync,
    ) -> Result<GuardedWrite, StoreError> {
        let statement = || bind(query(sql)).bind(id.as_bytes().as_slice()).bind(epoch.as_u64());
        self.write(statement).await.map(guarded)
    }
}

/// Whether this user has this hash, which nobody else could have salted.
fn has_hash(user: &User, hash: &PasswordHash) -> bool {
    user.password_hash.as_ref().is_some_and(|kept| kept.expose() == hash.expose())
}

#[async_trait]
impl UserStore for MySqlStore {
    async fn insert(&self, user: &User) -> Result<UserInsert, StoreError> {
        let statement = || {
            query(INSERT)
                .bind(user.id.as_bytes().as_slice())
                .bind(user.email.canonical().as_bytes())
                .bind(user.email.address())
                .bind(user.name.as_ref().map(Name::as_str))
                .bind(user.password_hash.as_ref().map(PasswordHash::expose))
                .bind(kept(user.password_changed_at))
                .bind(user.epoch.as_u64())
                .bind(status_text(user.status))
                .bind(user.email_verified_at.map(kept))
                .bind(user.contested_at.map(kept))
                .bind(kept(user.created_at))
        };
        let is_ours = async {
            let found = self.find_by_id(user.id).await?;
            Ok::<_, StoreError>(found.is_some_and(|found| {
                found.email.canonical() == user.email.canonical()
                    && kept(found.created_at) == kept(user.created_at)
            }))
        };
        match self.run(statement).await? {
            Written::Records(_) => return Ok(UserInsert::Inserted),
            // Servers look at the primary key first. Without a read, which would tell by its time that the
            // address is taken.
            Written::Duplicate(error) if is_of_key(&error, EMAIL_KEY) => return Ok(UserInsert::EmailTaken),
            Written::Unknown(_) if is_ours.await? => return Ok(UserInsert::Inserted),
            Written::Duplicate(_) | Written::Unknown(_) => {}
        }
        // Both may be taken. An id that exists is a conflict, whatever its address.
        match self.find_by_id(user.id).await? {
            Some(_) => Err(StoreError::conflict("a user of this id exists")),
            None => Ok(UserInsert::EmailTaken),
        }
    }

    async fn find_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.find(read, || query(FIND_BY_ID).bind(id.as_bytes().as_slice())).await
    }

    async fn find_by_email(&self, email: &Email) -> Result<Option<User>, StoreError> {
        self.find(read, || query(FIND_BY_EMAIL).bind(email.canonical().as_bytes())).await
    }

    async fn mark_contested(
        &self,
        email: &Email,
        rival: UserId,
        at: DateTime<Utc>,
    ) -> Result<GuardedWrite, StoreError> {
        let statement = || {
            query(CONTEST).bind(kept(at)).bind(email.canonical().as_bytes()).bind(rival.as_bytes().as_slice())
        };
        self.write(statement).await.map(guarded)
    }

    async fn verify_email(
        &self,
        id: UserId,
        epoch: Epoch,
        verification: &EmailVerification,
    ) -> Result<GuardedWrite, StoreError> {
        let at = kept(verification.at);
        let is_ours = |user: &User| {
            user.email_verified_at.map(kept) == Some(at)
                && verification
                    .activate
                    .as_ref()
                    .is_none_or(|registration| has_hash(user, &registration.password_hash))
        };
        let bind = |statement: Statement| match &verification.activate {
            None => statement.bind(at),
            Some(registration) => statement
                .bind(registration.password_hash.expose())
                .bind(registration.name.as_ref().map(Name::as_str))
                .bind(at),
        };
        let sql = if verification.activate.is_some() { ACTIVATE } else { VERIFY_EMAIL };
        self.write_user(sql, (id, epoch), bind, is_ours).await
    }

    async fn set_password(
        &self,
        id: UserId,
        epoch: Epoch,
        password: &NewPassword,
    ) -> Result<GuardedWrite, StoreError> {
        let bind = |statement: Statement| {
            statement
                .bind(password.password_hash.expose())
                .bind(kept(password.at))
                .bind(password.email_verified_at.map(kept))
        };
        self.write_user(SET_PASSWORD, (id, epoch), bind, |user| has_hash(user, &password.password_hash)).await
    }

    async fn set_email(
        &self,
        id: UserId,
        epoch: Epoch,
        new: &NewEmail,
    ) -> Result<SetEmailOutcome, StoreError> {
        let bind = |statement: Statement| {
            statement.bind(new.email.canonical().as_bytes()).bind(new.email.address()).bind(kept(new.at))
        };
        let is_ours =
            |user: &User| user.email == new.email && user.email_verified_at.map(kept) == Some(kept(new.at));
        if self.write_user(SET_EMAIL, (id, epoch), bind, is_ours).await? == GuardedWrite::Applied {
            return Ok(SetEmailOutcome::Applied);
        }
        // Under an epoch that is still the same, the unique key refused the write.
        let guard_holds = self.find_by_id(id).await?.is_some_and(|user| user.epoch == epoch);
        Ok(if guard_holds { SetEmailOutcome::Taken } else { SetEmailOutcome::Stale })
    }

    async fn rehash_password(
        &self,
        id: UserId,
        epoch: Epoch,
        hash: &PasswordHash,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_unmarked(REHASH_PASSWORD, (id, epoch), |statement| statement.bind(hash.expose())).await
    }

    async fn set_status(
        &self,
        id: UserId,
        epoch: Epoch,
        status: UserStatus,
    ) -> Result<GuardedWrite, StoreError> {
        self.write_unmarked(SET_STATUS, (id, epoch), |statement| statement.bind(status_text(status))).await
    }

    async fn advance_epoch(&self, id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError> {
        self.write_unmarked(ADVANCE_EPOCH, (id, epoch), |statement| statement).await
    }

    async fn delete(&self, id: UserId) -> Result<Deletion, StoreError> {
        let statement = || query(DELETE).bind(id.as_bytes().as_slice());
        let deleted = self.write(statement).await?;
        Ok(if deleted == 0 { Deletion::NotFound } else { Deletion::Deleted })
    }

    async fn purge_unverified(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let purge = Purge { find: FIND_UNVERIFIED, delete: PURGE_UNVERIFIED, read_id };
        self.purge(&purge, kept(before), limit).await
    }
}
