use std::net::IpAddr;

use async_trait::async_trait;
use auth_core::store::{GuardedWrite, OneTimeInsert, Revocation, SessionRotation, Spend};
use auth_core::{
    Digest, Email, IntentId, Name, OneTimeToken, PasswordHash, Purpose, Registration, Session, SessionId,
    StoreError, TokenStore, UserId,
};
use chrono::{DateTime, Utc};
use sqlx::mysql::MySqlRow;
use sqlx::query;

use crate::MySqlStore;
use crate::purge::Purge;
use crate::row::{Record, kept, statements};

const SESSIONS: &str = "auth_sessions";
const ONE_TIME_TOKENS: &str = "auth_one_time_tokens";

statements! {
    INSERT_SESSION = "INSERT INTO auth_sessions (id, user_id, epoch, generation, digest, created_at, \
        rotated_at, idle_expires_at, expires_at, ip, user_agent) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    FIND_SESSION = "SELECT id, user_id, epoch, generation, digest, created_at, rotated_at, \
        idle_expires_at, expires_at, ip, user_agent FROM auth_sessions WHERE id = ?";
    FIND_SESSIONS_BY_USER = "SELECT id, user_id, epoch, generation, digest, created_at, rotated_at, \
        idle_expires_at, expires_at, ip, user_agent FROM auth_sessions \
        WHERE user_id = ? ORDER BY created_at, id";
    ROTATE = "UPDATE auth_sessions SET generation = ?, digest = ?, rotated_at = ?, idle_expires_at = ? \
        WHERE id = ? AND generation = ? AND digest = ?";
    REVOKE_SESSION = "DELETE FROM auth_sessions WHERE id = ? AND user_id = ?";
    INSERT_ONE_TIME = "INSERT INTO auth_one_time_tokens (id, user_id, purpose, email, epoch, digest, \
        registration_password_hash, registration_name, created_at, expires_at, spent_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    FIND_ONE_TIME = "SELECT id, user_id, purpose, email, epoch, digest, registration_password_hash, \
        registration_name, created_at, expires_at, spent_at FROM auth_one_time_tokens WHERE id = ?";
    SPEND = "UPDATE auth_one_time_tokens SET spent_at = ? WHERE id = ? AND spent_at IS NULL";
    FIND_ENDED_SESSIONS = "SELECT id FROM auth_sessions WHERE ends_at <= ? ORDER BY ends_at LIMIT ?";
    /// The keys follow.
    PURGE_SESSIONS = "DELETE auth_sessions FROM auth_sessions FORCE INDEX (PRIMARY) WHERE ends_at <= ?";
    FIND_ENDED_ONE_TIME = "SELECT id FROM auth_one_time_tokens WHERE expires_at <= ? \
        ORDER BY expires_at LIMIT ?";
    /// The keys follow.
    PURGE_ONE_TIME = "DELETE auth_one_time_tokens FROM auth_one_time_tokens FORCE INDEX (PRIMARY) WHERE expires_at <= ?";
}

pub(crate) fn read_session(row: &MySqlRow) -> Result<Session, StoreError> {
    let record = Record::new(SESSIONS, row);
    let ip = record.maybe_text("ip")?.map(str::parse::<IpAddr>).transpose();
    Ok(Session {
        id: SessionId::from_bytes(record.bytes("id")?),
        user_id: UserId::from_bytes(record.bytes("user_id")?),
        epoch: record.epoch("epoch")?,
        generation: record.unsigned("generation")?,
        digest: Digest::from_bytes(record.bytes("digest")?),
        created_at: record.time("created_at")?,
        rotated_at: record.time("rotated_at")?,
        idle_expires_at: record.time("idle_expires_at")?,
        expires_at: record.time("expires_at")?,
        ip: ip.map_err(|error| record.corrupt("ip", error))?,
        user_agent: record.maybe_text("user_agent")?.map(str::to_owned),
    })
}

fn read_one_time(row: &MySqlRow) -> Result<OneTimeToken, StoreError> {
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

fn read_session_id(row: &MySqlRow) -> Result<Vec<u8>, StoreError> {
    Record::new(SESSIONS, row).blob("id").map(<[u8]>::to_vec)
}

fn read_one_time_id(row: &MySqlRow) -> Result<Vec<u8>, StoreError> {
    Record::new(ONE_TIME_TOKENS, row).blob("id").map(<[u8]>::to_vec)
}

#[async_trait]
impl TokenStore for MySqlStore {
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let statement = || {
            query(INSERT_SESSION)
                .bind(session.id.as_bytes().as_slice())
                .bind(session.user_id.as_bytes().as_slice())
                .bind(session.epoch.as_u64())
                .bind(session.generation)
                .bind(session.digest.as_bytes().as_slice())
                .bind(kept(session.created_at))
                .bind(kept(session.rotated_at))
                .bind(kept(session.idle_expires_at))
                .bind(kept(session.expires_at))
                .bind(session.ip.map(|ip| ip.to_string()))
                .bind(session.user_agent.as_deref())
        };
        let is_ours = async {
            let found = self.find_session(session.id).await?;
            Ok(found.is_some_and(|found| found.digest.matches(&session.digest)))
        };
        if self.write_ours(statement, is_ours).await? {
            return Ok(());
        }
        Err(StoreError::conflict("a session of this id exists"))
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
                .bind(rotation.generation)
                .bind(rotation.digest.as_bytes().as_slice())
                .bind(kept(rotation.rotated_at))
                .bind(kept(rotation.idle_expires_at))
                .bind(rotation.id.as_bytes().as_slice())
                .bind(rotation.from_generation)
                .bind(rotation.from_digest.as_bytes().as_slice())
        };
        // All rivals derive the same child; the time tells whose swap it was.
        let is_ours = async {
            let found = self.find_session(rotation.id).await?;
            Ok(found.is_some_and(|found| {
                found.generation == rotation.generation
                    && found.digest.matches(&rotation.digest)
                    && kept(found.rotated_at) == kept(rotation.rotated_at)
            }))
        };
        let rotated = self.write_ours(statement, is_ours).await?;
        Ok(if rotated { GuardedWrite::Applied } else { GuardedWrite::Stale })
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError> {
        let statement =
            || query(REVOKE_SESSION).bind(id.as_bytes().as_slice()).bind(user_id.as_bytes().as_slice());
        let revoked = self.write(statement).await?;
        Ok(if revoked == 0 { Revocation::NotFound } else { Revocation::Revoked })
    }

    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError> {
        let registration = token.registration.as_ref();
        let name = registration.and_then(|registration| registration.name.as_ref());
        let statement = || {
            query(INSERT_ONE_TIME)
                .bind(token.id.as_bytes().as_slice())
                .bind(token.user_id.as_bytes().as_slice())
                .bind(token.purpose.as_str())
                .bind(token.email.address())
                .bind(token.epoch.as_u64())
                .bind(token.digest.as_bytes().as_slice())
                .bind(registration.map(|registration| registration.password_hash.expose()))
                .bind(name.map(Name::as_str))
                .bind(kept(token.created_at))
                .bind(kept(token.expires_at))
                .bind(token.spent_at.map(kept))
        };
        let is_ours = async {
            let found = self.find_one_time(token.id).await?;
            Ok(found.is_some_and(|found| found.spent_at.is_none() && found.digest.matches(&token.digest)))
        };
        let inserted = self.write_ours(statement, is_ours).await?;
        Ok(if inserted { OneTimeInsert::Inserted } else { OneTimeInsert::Exists })
    }

    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError> {
        self.find(read_one_time, || query(FIND_ONE_TIME).bind(id.as_bytes().as_slice())).await
    }

    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError> {
        let statement = || query(SPEND).bind(kept(at)).bind(id.as_bytes().as_slice());
        let is_ours = async {
            let found = self.find_one_time(id).await?;
            Ok(found.is_some_and(|found| found.spent_at.map(kept) == Some(kept(at))))
        };
        let spent = self.write_ours(statement, is_ours).await?;
        Ok(if spent { Spend::Spent } else { Spend::NotSpendable })
    }

    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let purge = Purge { find: FIND_ENDED_SESSIONS, delete: PURGE_SESSIONS, read_id: read_session_id };
        self.purge(&purge, kept(now), limit).await
    }

    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let purge = Purge { find: FIND_ENDED_ONE_TIME, delete: PURGE_ONE_TIME, read_id: read_one_time_id };
        self.purge(&purge, kept(now), limit).await
    }
}
