use std::net::IpAddr;

use async_trait::async_trait;
use auth_core::store::{GuardedWrite, OneTimeInsert, Revocation, SessionRotation, Spend};
use auth_core::{
    Digest, Email, IntentId, Name, OneTimeToken, PasswordHash, Purpose, Registration, Session, SessionId,
    StoreError, TokenStore, UserId,
};
use chrono::{DateTime, Utc};
use sqlx::query;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::row::{Record, micros, new_epoch, statements};

const SESSIONS: &str = "auth_sessions";
const ONE_TIME_TOKENS: &str = "auth_one_time_tokens";

statements! {
    INSERT_SESSION = "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, \
        rotated_at, idle_expires_at, expires_at, ip, user_agent) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    FIND_SESSION = "SELECT id, user_id, epoch, generation, digest, created_at, rotated_at, \
        idle_expires_at, expires_at, ip, user_agent FROM auth_sessions WHERE id = ?1";
    FIND_SESSIONS_BY_USER = "SELECT id, user_id, epoch, generation, digest, created_at, rotated_at, \
        idle_expires_at, expires_at, ip, user_agent FROM auth_sessions \
        WHERE user_id = ?1 ORDER BY created_at, id";
    ROTATE = "UPDATE auth_sessions SET generation = ?4, digest = ?5, rotated_at = ?6, idle_expires_at = ?7 \
        WHERE id = ?1 AND generation = ?2 AND digest = ?3";
    REVOKE_SESSION = "DELETE FROM auth_sessions WHERE id = ?1 AND user_id = ?2";
    INSERT_ONE_TIME = "INSERT INTO auth_one_time_tokens (id, user_id, purpose, email, epoch, digest, \
        registration_password_hash, registration_name, created_at, expires_at, spent_at) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO NOTHING";
    FIND_ONE_TIME = "SELECT id, user_id, purpose, email, epoch, digest, registration_password_hash, \
        registration_name, created_at, expires_at, spent_at FROM auth_one_time_tokens WHERE id = ?1";
    SPEND = "UPDATE auth_one_time_tokens SET spent_at = ?2 WHERE id = ?1 AND spent_at IS NULL";
    /// The earlier of two ends has come exactly when one of them has.
    PURGE_SESSIONS = "DELETE FROM auth_sessions WHERE id IN (SELECT id FROM auth_sessions \
        WHERE min(idle_expires_at, expires_at) <= ?1 LIMIT ?2)";
    PURGE_ONE_TIME = "DELETE FROM auth_one_time_tokens WHERE id IN (SELECT id FROM auth_one_time_tokens \
        WHERE expires_at <= ?1 LIMIT ?2)";
}

pub(crate) fn read_session(row: &SqliteRow) -> Result<Session, StoreError> {
    let record = Record::new(SESSIONS, row);
    let ip = record.maybe_text("ip")?.map(str::parse::<IpAddr>).transpose();
    Ok(Session {
        id: SessionId::from_bytes(record.bytes("id")?),
        user_id: UserId::from_bytes(record.bytes("user_id")?),
        epoch: record.epoch("epoch")?,
        generation: record.integer("generation")?,
        digest: Digest::from_bytes(record.bytes("digest")?),
        created_at: record.time("created_at")?,
        rotated_at: record.time("rotated_at")?,
        idle_expires_at: record.time("idle_expires_at")?,
        expires_at: record.time("expires_at")?,
        ip: ip.map_err(|error| record.corrupt("ip", error))?,
        user_agent: record.maybe_text("user_agent")?.map(str::to_owned),
    })
}

fn read_one_time(row: &SqliteRow) -> Result<OneTimeToken, StoreError> {
    let record = Record::new(ONE_TIME_TOKENS, row);
    let purpose = Purpose::from_stored(record.text("purpose")?)
        .ok_or_else(|| record.corrupt("purpose", "no known purpose"))?;
    let name = record.maybe_text("registration_name")?.map(Name::from_stored);
    let registration = match record.maybe_text("registration_password_hash")? {
        Some(hash) => Some(Registration { password_hash: PasswordHash::from_stored(hash), name }),
        None if name.is_some() => return Err(record.corrupt("registration_name", "a name without a hash")),
        None => None,
    };
    Ok(OneTimeToken {
        id: IntentId::from_bytes(record.bytes("id")?),
        user_id: UserId::from_bytes(record.bytes("user_id")?),
        purpose,
        email: Email::from_stored(record.text("email")?),
        epoch: record.epoch("epoch")?,
        digest: Digest::from_bytes(record.bytes("digest")?),
        registration,
        created_at: record.time("created_at")?,
        expires_at: record.time("expires_at")?,
        spent_at: record.maybe_time("spent_at")?,
    })
}

#[async_trait]
impl TokenStore for SqliteStore {
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let epoch = new_epoch(SESSIONS, session.epoch)?;
        let statement = || {
            query(INSERT_SESSION)
                .bind(session.id.as_bytes().as_slice())
                .bind(session.user_id.as_bytes().as_slice())
                .bind(epoch)
                .bind(session.generation)
                .bind(session.digest.as_bytes().as_slice())
                .bind(micros(session.created_at))
                .bind(micros(session.rotated_at))
                .bind(micros(session.idle_expires_at))
                .bind(micros(session.expires_at))
                .bind(session.ip.map(|ip| ip.to_string()))
                .bind(session.user_agent.as_deref())
        };
        self.write(statement).await.map(|_| ())
    }

    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.find(read_session, || query(FIND_SESSION).bind(id.as_bytes().as_slice())).await
    }

    async fn find_sessions_by_user(&self, user_id: UserId) -> Result<Vec<Session>, StoreError> {
        self.list(read_session, || query(FIND_SESSIONS_BY_USER).bind(user_id.as_bytes().as_slice())).await
    }

    async fn rotate(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError> {
        let statement = || {
            query(ROTATE)
                .bind(rotation.id.as_bytes().as_slice())
                .bind(rotation.from_generation)
                .bind(rotation.from_digest.as_bytes().as_slice())
                .bind(rotation.generation)
                .bind(rotation.digest.as_bytes().as_slice())
                .bind(micros(rotation.rotated_at))
                .bind(micros(rotation.idle_expires_at))
        };
        let rotated = self.write(statement).await?;
        Ok(if rotated == 0 { GuardedWrite::Stale } else { GuardedWrite::Applied })
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError> {
        let statement =
            || query(REVOKE_SESSION).bind(id.as_bytes().as_slice()).bind(user_id.as_bytes().as_slice());
        let revoked = self.write(statement).await?;
        Ok(if revoked == 0 { Revocation::NotFound } else { Revocation::Revoked })
    }

    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError> {
        let epoch = new_epoch(ONE_TIME_TOKENS, token.epoch)?;
        let registration = token.registration.as_ref();
        let name = registration.and_then(|registration| registration.name.as_ref());
        let statement = || {
            query(INSERT_ONE_TIME)
                .bind(token.id.as_bytes().as_slice())
                .bind(token.user_id.as_bytes().as_slice())
                .bind(token.purpose.as_str())
                .bind(token.email.address())
                .bind(epoch)
                .bind(token.digest.as_bytes().as_slice())
                .bind(registration.map(|registration| registration.password_hash.expose()))
                .bind(name.map(Name::as_str))
                .bind(micros(token.created_at))
                .bind(micros(token.expires_at))
                .bind(token.spent_at.map(micros))
        };
        let inserted = self.write(statement).await?;
        Ok(if inserted == 0 { OneTimeInsert::Exists } else { OneTimeInsert::Inserted })
    }

    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError> {
        self.find(read_one_time, || query(FIND_ONE_TIME).bind(id.as_bytes().as_slice())).await
    }

    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError> {
        let statement = || query(SPEND).bind(id.as_bytes().as_slice()).bind(micros(at));
        let spent = self.write(statement).await?;
        Ok(if spent == 0 { Spend::NotSpendable } else { Spend::Spent })
    }

    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(|| query(PURGE_SESSIONS).bind(micros(now)).bind(limit)).await
    }

    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(|| query(PURGE_ONE_TIME).bind(micros(now)).bind(limit)).await
    }
}
