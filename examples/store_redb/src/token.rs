//! Sessions and one-time tokens.

use async_trait::async_trait;
use auth_core::store::{GuardedWrite, OneTimeInsert, Revocation, SessionRotation, Spend, TokenStore};
use auth_core::{Digest, IntentId, OneTimeToken, Session, SessionId, StoreError, UserId};
use chrono::{DateTime, Utc};
use redb::ReadableTable as _;

use crate::row::{OneTimeRow, SessionRow};
use crate::{Failed, Id, ONE_TIME_TOKENS, RedbStore, SESSIONS, SESSIONS_BY_USER, find_all, get, put};

/// Where a session stands among those of its user.
fn place(id: Id, session: &SessionRow) -> (Id, i64, Id) {
    (session.user_id, session.created_at.timestamp_micros(), id)
}

#[async_trait]
impl TokenStore for RedbStore {
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let (id, row) = (*session.id.as_bytes(), SessionRow::from(session));
        self.write(move |transaction| {
            let mut sessions = transaction.open_table(SESSIONS)?;
            if sessions.get(id)?.is_some() {
                return Err(Failed(StoreError::conflict("a session of this id exists")));
            }
            put(&mut sessions, id, &row)?;
            transaction.open_table(SESSIONS_BY_USER)?.insert(place(id, &row), ())?;
            Ok(())
        })
        .await
    }

    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.read(move |transaction| {
            let session = get::<SessionRow>(&transaction.open_table(SESSIONS)?, *id.as_bytes())?;
            Ok(session.map(|session| session.into_session(*id.as_bytes())))
        })
        .await
    }

    async fn find_sessions_by_user(&self, user_id: UserId) -> Result<Vec<Session>, StoreError> {
        self.read(move |transaction| {
            let sessions = transaction.open_table(SESSIONS)?;
            let by_user = transaction.open_table(SESSIONS_BY_USER)?;
            let user = *user_id.as_bytes();
            let mut found = Vec::new();
            for entry in by_user.range((user, i64::MIN, Id::default())..=(user, i64::MAX, [u8::MAX; 16]))? {
                let (_, _, id) = entry?.0.value();
                found.extend(get::<SessionRow>(&sessions, id)?.map(|session| session.into_session(id)));
            }
            Ok(found)
        })
        .await
    }

    async fn rotate(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError> {
        let rotation = rotation.clone();
        self.write(move |transaction| {
            let id = *rotation.id.as_bytes();
            let mut sessions = transaction.open_table(SESSIONS)?;
            let Some(mut session) = get::<SessionRow>(&sessions, id)? else { return Ok(GuardedWrite::Stale) };
            let digest = Digest::from_bytes(session.digest);
            if session.generation != rotation.from_generation || !digest.matches(&rotation.from_digest) {
                return Ok(GuardedWrite::Stale);
            }
            session.generation = rotation.generation;
            session.digest = *rotation.digest.as_bytes();
            session.rotated_at = rotation.rotated_at;
            session.idle_expires_at = rotation.idle_expires_at;
            session.ip = rotation.ip;
            session.user_agent.clone_from(&rotation.user_agent);
            put(&mut sessions, id, &session)?;
            Ok(GuardedWrite::Applied)
        })
        .await
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError> {
        self.write(move |transaction| {
            let id = *id.as_bytes();
            let mut sessions = transaction.open_table(SESSIONS)?;
            let session = get::<SessionRow>(&sessions, id)?;
            let Some(session) = session.filter(|session| session.user_id == *user_id.as_bytes()) else {
                return Ok(Revocation::NotFound);
            };
            sessions.remove(id)?;
            transaction.open_table(SESSIONS_BY_USER)?.remove(place(id, &session))?;
            Ok(Revocation::Revoked)
        })
        .await
    }

    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError> {
        let (id, row) = (*token.id.as_bytes(), OneTimeRow::from(token));
        self.write(move |transaction| {
            let mut tokens = transaction.open_table(ONE_TIME_TOKENS)?;
            if tokens.get(id)?.is_some() {
                return Ok(OneTimeInsert::Exists);
            }
            put(&mut tokens, id, &row)?;
            Ok(OneTimeInsert::Inserted)
        })
        .await
    }

    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError> {
        self.read(move |transaction| {
            let token = get::<OneTimeRow>(&transaction.open_table(ONE_TIME_TOKENS)?, *id.as_bytes())?;
            token.map(|token| token.into_token(*id.as_bytes())).transpose()
        })
        .await
    }

    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError> {
        self.write(move |transaction| {
            let mut tokens = transaction.open_table(ONE_TIME_TOKENS)?;
            let token = get::<OneTimeRow>(&tokens, *id.as_bytes())?.filter(|token| token.spent_at.is_none());
            let Some(mut token) = token else { return Ok(Spend::NotSpendable) };
            token.spent_at = Some(at);
            put(&mut tokens, *id.as_bytes(), &token)?;
            Ok(Spend::Spent)
        })
        .await
    }

    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let mut sessions = transaction.open_table(SESSIONS)?;
            let mut by_user = transaction.open_table(SESSIONS_BY_USER)?;
            let ended = |session: &SessionRow| session.idle_expires_at.min(session.expires_at) <= now;
            let found = find_all(&sessions, limit, ended)?;
            for (id, session) in &found {
                sessions.remove(*id)?;
                by_user.remove(place(*id, session))?;
            }
            Ok(found.len() as u64)
        })
        .await
    }

    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let mut tokens = transaction.open_table(ONE_TIME_TOKENS)?;
            let found = find_all(&tokens, limit, |token: &OneTimeRow| token.expires_at <= now)?;
            for (id, _) in &found {
                tokens.remove(*id)?;
            }
            Ok(found.len() as u64)
        })
        .await
    }
}
