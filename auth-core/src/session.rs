//! Sessions: one row for each log-in on one client.

pub(crate) mod access_token;
pub(crate) mod key_ring;
pub(crate) mod live_cache;
pub(crate) mod policy;
pub(crate) mod refresh_keys;
pub(crate) mod refresh_token;
pub mod rotation;

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::crypto::digest::Digest;
use crate::id::{SessionId, UserId};
use crate::user::Epoch;

/// A session, as stored. Its size does not depend on how often its refresh token was rotated.
///
/// Live only while its user exists, is verified and active and has the same [`Epoch`], and until both
/// `idle_expires_at` and `expires_at`. Times have microsecond precision.
#[derive(Debug, Clone)]
pub struct Session {
    /// Identifies the session; part of each of its refresh and access tokens.
    pub id: SessionId,
    /// The user of the session.
    pub user_id: UserId,
    /// The user's epoch, read before the password was checked.
    pub epoch: Epoch,
    /// The number of rotations of the refresh token.
    pub generation: u32,
    /// The digest of the current generation's refresh token.
    pub digest: Digest,
    /// When the session started, which is when the password was verified.
    pub created_at: DateTime<Utc>,
    /// When the refresh token was last rotated; `created_at` before the first time.
    pub rotated_at: DateTime<Utc>,
    /// When the session ends unless it is refreshed before; moved by each rotation.
    pub idle_expires_at: DateTime<Utc>,
    /// When the session ends; never moves.
    pub expires_at: DateTime<Utc>,
    /// The address of the client that used the session last, at a log-in or a rotation, if known.
    pub ip: Option<IpAddr>,
    /// The user agent of that client, at most 256 characters, without control characters.
    pub user_agent: Option<String>,
}

impl Session {
    /// Returns whether either lifetime has ended. A session ends at its expiry, not after it.
    pub fn expired(&self, now: DateTime<Utc>) -> bool {
        now >= self.idle_expires_at || now >= self.expires_at
    }
}
