//! A store for auth-core over maps in memory: the code of `docs/writing-a-store.md`.

mod outbox;
mod token;
mod user;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use auth_core::store::{
    DeadLetter, IntentId, OneTimeToken, Session, SessionId, Store, StoreError, TokenStore as _, User, UserId,
    UserStore as _,
};

use outbox::Queued;

/// Stores everything in this process.
#[derive(Clone, Default)]
pub struct MapStore(Arc<Mutex<Data>>);

#[derive(Default)]
struct Data {
    users: BTreeMap<UserId, User>,
    /// The second unique key: changes in the same transaction as the users.
    users_by_email: BTreeMap<String, UserId>,
    sessions: BTreeMap<SessionId, Session>,
    one_time_tokens: BTreeMap<IntentId, OneTimeToken>,
    intents: BTreeMap<IntentId, Queued>,
    dead_letters: BTreeMap<IntentId, DeadLetter>,
}

impl MapStore {
    /// Runs one transaction: no other call sees its middle.
    fn transaction<T>(&self, work: impl FnOnce(&mut Data) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for MapStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MapStore {
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        let Some(session) = self.find_session(id).await? else { return Ok(None) };
        let user = self.find_by_id(session.user_id).await?;
        Ok(Some((session, user)))
    }
}

/// Deletes at most `limit` expired records, in one transaction.
fn purge<K: Ord + Copy, V>(
    records: &mut BTreeMap<K, V>,
    limit: u32,
    is_expired: impl Fn(&V) -> bool,
) -> Vec<V> {
    let expired = records.iter().filter(|(_, record)| is_expired(record));
    let ids: Vec<K> = expired.zip(0..limit).map(|((id, _), _)| *id).collect();
    ids.iter().filter_map(|id| records.remove(id)).collect()
}

fn count<V>(records: &[V]) -> u64 {
    u64::try_from(records.len()).unwrap_or(u64::MAX)
}
