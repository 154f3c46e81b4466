//! Sessions: one log-in on one client, one row.

pub(crate) mod access_token;
pub(crate) mod chain_key;
pub(crate) mod key_ring;
pub(crate) mod live_cache;
pub(crate) mod policy;
pub(crate) mod refresh_token;
pub mod rotation;

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::crypto::digest::Digest;
use crate::id::{SessionId, UserId};
use crate::user::Epoch;

/// A session as a store keeps it: constant in size however often its refresh token rotates.
///
/// Live only while its user exists, is verified and active and has the same [`Epoch`], and until both
/// `idle_expires_at` and `expires_at`. Times have microsecond precision.
#[derive(Debug, Clone)]
pub struct Session {
    /// Names the session; part of every refresh token and access token of it.
    pub id: SessionId,
    /// Whose session it is.
    pub user_id: UserId,
    /// The user's epoch, read before the password was checked.
    pub epoch: Epoch,
    /// How often the refresh token was rotated.
    pub generation: u32,
    /// The digest of the current generation's refresh token.
    pub digest: Digest,
    /// When the session began, which is when the password was typed.
    pub created_at: DateTime<Utc>,
    /// When the refresh token was last rotated; `created_at` before the first time.
    pub rotated_at: DateTime<Utc>,
    /// Ends the session unless it is refreshed before; moved by each rotation.
    pub idle_expires_at: DateTime<Utc>,
    /// Ends the session; never moves.
    pub expires_at: DateTime<Utc>,
    /// The client's address at log-in, if known.
    pub ip: Option<IpAddr>,
    /// The client's own description at log-in, at most 256 characters, without control characters.
    pub user_agent: Option<String>,
}

impl Session {
    /// Whether either lifetime has ended. A session ends at its expiry, not after it.
    pub fn expired(&self, now: DateTime<Utc>) -> bool {
        now >= self.idle_expires_at || now >= self.expires_at
    }
}
