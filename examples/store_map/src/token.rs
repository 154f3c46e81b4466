use async_trait::async_trait;
use auth_core::store::{
    GuardedWrite, IntentId, OneTimeInsert, OneTimeToken, Revocation, Session, SessionId, SessionRotation,
    Spend, StoreError, TokenStore, UserId,
};
use chrono::{DateTime, Utc};

use crate::MapStore;

#[async_trait]
impl TokenStore for MapStore {
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        self.transaction(|data| {
            if data.sessions.contains_key(&session.id) {
                return Err(StoreError::conflict("a session of this id exists"));
            }
            data.sessions.insert(session.id, session.clone());
            Ok(())
        })
    }

    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.transaction(|data| data.sessions.get(&id).cloned()))
    }

    async fn find_sessions_by_user(&self, user_id: UserId) -> Result<Vec<Session>, StoreError> {
        let of_user = |session: &&Session| session.user_id == user_id;
        let mut sessions: Vec<Session> =
            self.transaction(|data| data.sessions.values().filter(of_user).cloned().collect());
        sessions.sort_by_key(|session| (session.created_at, session.id));
        Ok(sessions)
    }

    async fn rotate(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError> {
        Ok(self.transaction(|data| {
            let is_current = |session: &&mut Session| {
                session.generation == rotation.from_generation
                    && session.digest.matches(&rotation.from_digest)
            };
            let Some(session) = data.sessions.get_mut(&rotation.id).filter(is_current) else {
                return GuardedWrite::Stale;
            };
            session.generation = rotation.generation;
            session.digest = rotation.digest;
            session.rotated_at = rotation.rotated_at;
            session.idle_expires_at = rotation.idle_expires_at;
            session.ip = rotation.ip;
            session.user_agent.clone_from(&rotation.user_agent);
            GuardedWrite::Applied
        }))
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError> {
        Ok(self.transaction(|data| {
            if data.sessions.get(&id).is_none_or(|session| session.user_id != user_id) {
                return Revocation::NotFound;
            }
            data.sessions.remove(&id);
            Revocation::Revoked
        }))
    }

    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError> {
        Ok(self.transaction(|data| {
            if data.one_time_tokens.contains_key(&token.id) {
                return OneTimeInsert::Exists;
            }
            data.one_time_tokens.insert(token.id, token.clone());
            OneTimeInsert::Inserted
        }))
    }

    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError> {
        Ok(self.transaction(|data| data.one_time_tokens.get(&id).cloned()))
    }

    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError> {
        Ok(self.transaction(|data| {
            let token = data.one_time_tokens.get_mut(&id);
            let Some(token) = token.filter(|token| token.spent_at.is_none()) else {
                return Spend::NotSpendable;
            };
            token.spent_at = Some(at);
            Spend::Spent
        }))
    }

    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let is_expired = |session: &Session| session.expired(now);
        Ok(self.transaction(|data| crate::count(&crate::purge(&mut data.sessions, limit, is_expired))))
    }

    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let is_expired = |token: &OneTimeToken| token.expires_at <= now;
        Ok(self.transaction(|data| crate::count(&crate::purge(&mut data.one_time_tokens, limit, is_expired))))
    }
}
