//! Sessions and one-time tokens in SQL: runs the statements and turns affected rows into outcomes.

use std::net::IpAddr;

use async_trait::async_trait;
use auth_core::store::{GuardedWrite, OneTimeInsert, Revocation, SessionRotation, Spend};
use auth_core::{
    Digest, Email, IntentId, Name, OneTimeToken, PasswordHash, Purpose, Registration, Session, SessionId,
    StoreError, TokenStore, UserId,
};
use chrono::{DateTime, Utc};

use crate::statement::values;
use crate::store::{guarded, is_same_time, new_epoch};
use crate::{Database, Expired, Record, Row, SqlStore, table};

pub(crate) fn read_session(row: &impl Row) -> Result<Session, StoreError> {
    let record = Record::new(table::SESSIONS, row);
    let ip = record.optional_text("ip")?.map(str::parse::<IpAddr>).transpose();
    Ok(Session {
        id: SessionId::from_bytes(record.bytes("id")?),
        user_id: UserId::from_bytes(record.bytes("user_id")?),
        epoch: record.epoch("epoch")?,
        generation: record.number("generation")?,
        digest: Digest::from_bytes(record.bytes("digest")?),
        created_at: record.time("created_at")?,
        rotated_at: record.time("rotated_at")?,
        idle_expires_at: record.time("idle_expires_at")?,
        expires_at: record.time("expires_at")?,
        ip: ip.map_err(|error| record.corrupt("ip", error))?,
        user_agent: record.optional_text("user_agent")?.map(str::to_owned),
    })
}

fn read_one_time(row: &impl Row) -> Result<OneTimeToken, StoreError> {
    let record = Record::new(table::ONE_TIME_TOKENS, row);
    let purpose = Purpose::from_stored(record.text("purpose")?)
        .ok_or_else(|| record.corrupt("purpose", "unknown purpose"))?;
    let name = record.optional_text("registration_name")?.map(Name::from_stored);
    let registration = match record.optional_text("registration_password_hash")? {
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
        spent_at: record.optional_time("spent_at")?,
    })
}

#[async_trait]
impl<D: Database> TokenStore for SqlStore<D> {
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let ip = session.ip.map(|ip| ip.to_string());
        let values = values![
            session.id,
            session.user_id,
            new_epoch::<D>(table::SESSIONS, session.epoch)?,
            session.generation,
            &session.digest,
            session.created_at,
            session.rotated_at,
            session.idle_expires_at,
            session.expires_at,
            ip.as_deref(),
            session.user_agent.as_deref(),
        ];
        let is_own = async {
            let found = self.find_session(session.id).await?;
            Ok(found.is_some_and(|found| found.digest.matches(&session.digest)))
        };
        if self.write_own(D::TOKEN.insert_session, &values, is_own).await? {
            return Ok(());
        }
        Err(StoreError::conflict("a session with this id exists"))
    }

    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.find(read_session, D::TOKEN.find_session, &values![id]).await
    }

    async fn find_sessions_by_user(&self, user_id: UserId) -> Result<Vec<Session>, StoreError> {
        self.list(read_session, D::TOKEN.find_sessions_by_user, &values![user_id]).await
    }

    async fn rotate(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError> {
        let ip = rotation.ip.map(|ip| ip.to_string());
        let values = values![
            rotation.generation,
            &rotation.digest,
            rotation.rotated_at,
            rotation.idle_expires_at,
            ip.as_deref(),
            rotation.user_agent.as_deref(),
            rotation.id,
            rotation.from_generation,
            &rotation.from_digest,
        ];
        // Concurrent callers derive the same child; `rotated_at` shows whose rotation was applied.
        let is_own = async {
            let found = self.find_session(rotation.id).await?;
            Ok(found.is_some_and(|found| {
                found.generation == rotation.generation
                    && found.digest.matches(&rotation.digest)
                    && is_same_time(found.rotated_at, rotation.rotated_at)
            }))
        };
        self.write_own(D::TOKEN.rotate, &values, is_own).await.map(guarded)
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError> {
        let revoked = self.write(D::TOKEN.revoke_session, &values![id, user_id]).await?;
        Ok(if revoked == 0 { Revocation::NotFound } else { Revocation::Revoked })
    }

    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError> {
        let registration = token.registration.as_ref();
        let name = registration.and_then(|registration| registration.name.as_ref());
        let values = values![
            token.id,
            token.user_id,
            token.purpose.as_str(),
            token.email.address(),
            new_epoch::<D>(table::ONE_TIME_TOKENS, token.epoch)?,
            &token.digest,
            registration.map(|registration| registration.password_hash.expose()),
            name.map(Name::as_str),
            token.created_at,
            token.expires_at,
            token.spent_at,
        ];
        let is_own = async {
            let found = self.find_one_time(token.id).await?;
            Ok(found.is_some_and(|found| found.spent_at.is_none() && found.digest.matches(&token.digest)))
        };
        let inserted = self.write_own(D::TOKEN.insert_one_time, &values, is_own).await?;
        Ok(if inserted { OneTimeInsert::Inserted } else { OneTimeInsert::Exists })
    }

    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError> {
        self.find(read_one_time, D::TOKEN.find_one_time, &values![id]).await
    }

    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError> {
        let is_own = async {
            let found = self.find_one_time(id).await?;
            Ok(found.and_then(|found| found.spent_at).is_some_and(|spent_at| is_same_time(spent_at, at)))
        };
        let spent = self.write_own(D::TOKEN.spend, &values![at, id], is_own).await?;
        Ok(if spent { Spend::Spent } else { Spend::NotSpendable })
    }

    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.database.purge(Expired::Sessions, now, limit).await
    }

    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.database.purge(Expired::OneTimeTokens, now, limit).await
    }
}
