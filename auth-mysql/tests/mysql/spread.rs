//! A store that asks another node of the cluster at every call.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use auth_core::store::{
    ClaimedIntent, DeadLetter, Deletion, EmailChange, EmailVerification, Guarded, Intent, JoinedStore,
    NewEmail, NewPassword, OneTimeInsert, OutboxStats, Removal, Revocation, SessionRotation, Settlement,
    Spend, UserInsert,
};
use auth_core::{
    Email, Epoch, IntentId, OneTimeToken, Outbox, PasswordHash, Session, SessionId, StoreError, TokenStore,
    User, UserId, UserStatus, UserStore,
};
use auth_mysql::MySqlStore;
use chrono::{DateTime, Utc};

use crate::server;

#[derive(Debug)]
pub(crate) struct Spread {
    nodes: Vec<MySqlStore>,
    calls: AtomicUsize,
}

impl Spread {
    pub(crate) async fn open(urls: &[String]) -> Self {
        let mut nodes = Vec::new();
        for url in urls {
            nodes.push(server::open(url).await);
        }
        Self { nodes, calls: AtomicUsize::new(0) }
    }

    fn node(&self) -> &MySqlStore {
        &self.nodes[self.calls.fetch_add(1, Ordering::Relaxed) % self.nodes.len()]
    }
}

macro_rules! spread {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $trait for Spread {
            $(async fn $method(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                $trait::$method(self.node(), $($argument),*).await
            })*
        }
    };
}

spread! { UserStore:
    fn insert(user: &User) -> UserInsert;
    fn find_by_id(id: UserId) -> Option<User>;
    fn find_by_email(email: &Email) -> Option<User>;
    fn contest(email: &Email, rival: UserId, at: DateTime<Utc>) -> Guarded;
    fn verify_email(id: UserId, epoch: Epoch, with: &EmailVerification) -> Guarded;
    fn set_password(id: UserId, epoch: Epoch, password: &NewPassword) -> Guarded;
    fn set_email(id: UserId, epoch: Epoch, email: &NewEmail) -> EmailChange;
    fn rehash_password(id: UserId, epoch: Epoch, hash: &PasswordHash) -> Guarded;
    fn set_status(id: UserId, epoch: Epoch, status: UserStatus) -> Guarded;
    fn advance_epoch(id: UserId, epoch: Epoch) -> Guarded;
    fn delete(id: UserId) -> Deletion;
    fn purge_unverified(before: DateTime<Utc>, limit: u32) -> u64;
}

spread! { TokenStore:
    fn insert_session(session: &Session) -> ();
    fn find_session(id: SessionId) -> Option<Session>;
    fn find_sessions_by_user(user_id: UserId) -> Vec<Session>;
    fn rotate(rotation: &SessionRotation) -> Guarded;
    fn revoke_session(user_id: UserId, id: SessionId) -> Revocation;
    fn insert_one_time(token: &OneTimeToken) -> OneTimeInsert;
    fn find_one_time(id: IntentId) -> Option<OneTimeToken>;
    fn spend(id: IntentId, at: DateTime<Utc>) -> Spend;
    fn purge_sessions(now: DateTime<Utc>, limit: u32) -> u64;
    fn purge_one_time(now: DateTime<Utc>, limit: u32) -> u64;
}

spread! { JoinedStore:
    fn find_session_and_user(id: SessionId) -> Option<(Session, Option<User>)>;
}

spread! { Outbox:
    fn insert(intent: &Intent) -> ();
    fn claim(now: DateTime<Utc>, until: DateTime<Utc>, limit: u32) -> Vec<ClaimedIntent>;
    fn complete(id: IntentId, attempt: u32) -> Settlement;
    fn retry(id: IntentId, attempt: u32, due_at: DateTime<Utc>) -> Settlement;
    fn bury(id: IntentId, attempt: u32, at: DateTime<Utc>, reason: &str) -> Settlement;
    fn dead_letters(limit: u32) -> Vec<DeadLetter>;
    fn find_dead_letter(id: IntentId) -> Option<DeadLetter>;
    fn remove_dead_letter(id: IntentId) -> Removal;
    fn purge_dead_letters(before: DateTime<Utc>, limit: u32) -> u64;
    fn stats() -> OutboxStats;
}
