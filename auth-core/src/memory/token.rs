//! Sessions and one-time tokens in memory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{MemoryStore, at_most, count, lock};
use crate::id::{IntentId, SessionId, UserId};
use crate::mail::one_time_token::OneTimeToken;
use crate::session::Session;
use crate::store::{GuardedWrite, OneTimeInsert, Revocation, SessionRotation, Spend, StoreError, TokenStore};

/// Where a session stands among all of its user's, the oldest first.
type Place = (UserId, DateTime<Utc>, SessionId);

/// Sessions, the index that lists them by user, and one-time tokens.
#[derive(Default)]
pub(super) struct Tokens {
    sessions: HashMap<SessionId, Session>,
    by_user: BTreeSet<Place>,
    one_time: HashMap<IntentId, OneTimeToken>,
}

impl Tokens {
    pub(super) fn session(&self, id: SessionId) -> Option<Session> {
        self.sessions.get(&id).cloned()
    }
}

fn place(session: &Session) -> Place {
    (session.user_id, session.created_at, session.id)
}

#[async_trait]
impl TokenStore for MemoryStore {
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError> {
        let mut tokens = lock(&self.tokens);
        let Tokens { sessions, by_user, .. } = &mut *tokens;
        match sessions.entry(session.id) {
            Entry::Occupied(_) => Err(StoreError::conflict("a session of this id exists")),
            Entry::Vacant(entry) => {
                by_user.insert(place(entry.insert(session.clone())));
                Ok(())
            }
        }
    }

    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(lock(&self.tokens).session(id))
    }

    async fn find_sessions_by_user(&self, user_id: UserId) -> Result<Vec<Session>, StoreError> {
        let tokens = lock(&self.tokens);
        let first = (user_id, DateTime::<Utc>::MIN_UTC, SessionId::from_bytes([0; 16]));
        Ok(tokens
            .by_user
            .range(first..)
            .take_while(|(owner, ..)| *owner == user_id)
            .filter_map(|(.., id)| tokens.sessions.get(id).cloned())
            .collect())
    }

    async fn rotate(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError> {
        let mut tokens = lock(&self.tokens);
        let current = |session: &&mut Session| {
            session.generation == rotation.from_generation && session.digest.matches(&rotation.from_digest)
        };
        let Some(session) = tokens.sessions.get_mut(&rotation.id).filter(current) else {
            return Ok(GuardedWrite::Stale);
        };
        session.generation = rotation.generation;
        session.digest = rotation.digest;
        session.rotated_at = rotation.rotated_at;
        session.idle_expires_at = rotation.idle_expires_at;
        session.ip = rotation.ip;
        session.user_agent.clone_from(&rotation.user_agent);
        Ok(GuardedWrite::Applied)
    }

    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError> {
        let mut tokens = lock(&self.tokens);
        let Tokens { sessions, by_user, .. } = &mut *tokens;
        match sessions.entry(id) {
            Entry::Occupied(entry) if entry.get().user_id == user_id => {
                by_user.remove(&place(&entry.remove()));
                Ok(Revocation::Revoked)
            }
            _ => Ok(Revocation::NotFound),
        }
    }

    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError> {
        Ok(match lock(&self.tokens).one_time.entry(token.id) {
            Entry::Occupied(_) => OneTimeInsert::Exists,
            Entry::Vacant(entry) => {
                entry.insert(token.clone());
                OneTimeInsert::Inserted
            }
        })
    }

    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError> {
        Ok(lock(&self.tokens).one_time.get(&id).cloned())
    }

    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError> {
        Ok(match lock(&self.tokens).one_time.get_mut(&id) {
            Some(token) if token.spent_at.is_none() => {
                token.spent_at = Some(at);
                Spend::Spent
            }
            _ => Spend::NotSpendable,
        })
    }

    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let mut tokens = lock(&self.tokens);
        let Tokens { sessions, by_user, .. } = &mut *tokens;
        let purged = sessions
            .extract_if(|_, session| session.expired(now))
            .take(at_most(limit))
            .inspect(|(_, session)| {
                by_user.remove(&place(session));
            })
            .count();
        Ok(count(purged))
    }

    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        let mut tokens = lock(&self.tokens);
        let expired = tokens.one_time.extract_if(|_, token| token.expires_at <= now);
        Ok(count(expired.take(at_most(limit)).count()))
    }
}
