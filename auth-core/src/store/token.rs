//! The trait for sessions and one-time tokens, and its outcomes.

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{GuardedWrite, StoreError};
use crate::crypto::digest::Digest;
use crate::id::{IntentId, SessionId, UserId};
use crate::mail::one_time_token::OneTimeToken;
use crate::session::Session;

/// The values that [`TokenStore::rotate`] compares and swaps.
#[derive(Debug, Clone)]
pub struct SessionRotation {
    /// The session to rotate.
    pub id: SessionId,
    /// Guard: the generation the session must still have.
    pub from_generation: u32,
    /// Guard: the digest the session must still have.
    pub from_digest: Digest,
    /// Becomes the generation.
    pub generation: u32,
    /// Becomes the digest.
    pub digest: Digest,
    /// Becomes `rotated_at`.
    pub rotated_at: DateTime<Utc>,
    /// Becomes `idle_expires_at`.
    pub idle_expires_at: DateTime<Utc>,
    /// Becomes `ip`: the address of the client that refreshed.
    pub ip: Option<IpAddr>,
    /// Becomes `user_agent`.
    pub user_agent: Option<String>,
}

/// The outcome of [`TokenStore::revoke_session`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a missing session means that nothing ended"]
pub enum Revocation {
    /// The session ended.
    Revoked,
    /// This user has no such session.
    NotFound,
}

/// The outcome of [`TokenStore::insert_one_time`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an existing token was not replaced"]
pub enum OneTimeInsert {
    /// The token was written.
    Inserted,
    /// A token of this id exists, spent or not; it was left alone.
    Exists,
}

/// The outcome of [`TokenStore::spend`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only one caller spends a token"]
pub enum Spend {
    /// This caller spent it.
    Spent,
    /// It was spent before, or there is no such token.
    NotSpendable,
}

/// Stores sessions and one-time tokens. See [Writing a store](crate::store#writing-a-store).
#[async_trait]
pub trait TokenStore: Debug + Send + Sync {
    /// Writes a new session.
    ///
    /// # Atomicity
    ///
    /// One insert: after a crash the session is there whole or not at all.
    ///
    /// # Errors
    ///
    /// - [`Conflict`](super::StoreErrorKind::Conflict) when the id exists already.
    async fn insert_session(&self, session: &Session) -> Result<(), StoreError>;

    /// Reads a session, expired or not.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write that was acknowledged before it began, by any process.
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// Reads all sessions of a user, expired or not, the oldest (`created_at`, then id) first.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write that was acknowledged before it began, by any process.
    async fn find_sessions_by_user(&self, user_id: UserId) -> Result<Vec<Session>, StoreError>;

    /// Rotates the refresh token of a session.
    ///
    /// # Atomicity
    ///
    /// One compare-and-swap, guarded by `id`, `from_generation` *and* `from_digest`: of any number
    /// of concurrent callers with one parent exactly one gets [`GuardedWrite::Applied`], and a session
    /// that was revoked meanwhile does not come back.
    async fn rotate(&self, rotation: &SessionRotation) -> Result<GuardedWrite, StoreError>;

    /// Ends a session for good: it is found no more.
    ///
    /// # Atomicity
    ///
    /// One delete, guarded by id *and* user: no user ends the session of another. Of any number of
    /// concurrent callers exactly one gets [`Revocation::Revoked`].
    async fn revoke_session(&self, user_id: UserId, id: SessionId) -> Result<Revocation, StoreError>;

    /// Writes a new one-time token, unless one of this id exists.
    ///
    /// # Atomicity
    ///
    /// One insert; an existing token, spent or not, is never replaced or revived.
    async fn insert_one_time(&self, token: &OneTimeToken) -> Result<OneTimeInsert, StoreError>;

    /// Reads a one-time token, spent or expired or neither.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write that was acknowledged before it began, by any process.
    async fn find_one_time(&self, id: IntentId) -> Result<Option<OneTimeToken>, StoreError>;

    /// Spends a one-time token; it is still found afterwards, with `spent_at = at`.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by an empty `spent_at`: of any number of concurrent callers exactly one
    /// gets [`Spend::Spent`].
    async fn spend(&self, id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError>;

    /// Deletes at most `limit` sessions that are [expired](Session::expired) at `now`; returns how many.
    ///
    /// # Atomicity
    ///
    /// Each session by one guarded delete: one that is refreshed meanwhile stays.
    /// Fewer than `limit` means that none is left, even while others purge: clean-up stops then.
    async fn purge_sessions(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;

    /// Deletes at most `limit` one-time tokens whose `expires_at` is at or before `now`; returns how many.
    ///
    /// # Atomicity
    ///
    /// Each token by one guarded delete. A spent token stays until it expires, so that a mail tried again
    /// finds it.
    /// Fewer than `limit` means that none is left, even while others purge: clean-up stops then.
    async fn purge_one_time(&self, now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
}
