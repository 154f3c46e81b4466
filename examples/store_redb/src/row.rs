//! Records as they are kept. Times are microseconds since 1970, and read back as they were written.

use std::net::IpAddr;

use auth_core::store::{DeadLetter, Intent};
use auth_core::{
    Digest, Email, Epoch, IntentId, Name, OneTimeToken, PasswordHash, Purpose, Registration, Session,
    SessionId, User, UserId, UserStatus,
};
use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as maybe_micros};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Failed, Id, corrupt};

#[derive(Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) password_hash: Option<String>,
    #[serde(with = "micros")]
    pub(crate) password_changed_at: DateTime<Utc>,
    pub(crate) epoch: u64,
    pub(crate) disabled: bool,
    #[serde(with = "maybe_micros")]
    pub(crate) email_verified_at: Option<DateTime<Utc>>,
    #[serde(with = "maybe_micros")]
    pub(crate) contested_at: Option<DateTime<Utc>>,
    #[serde(with = "micros")]
    pub(crate) created_at: DateTime<Utc>,
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            email: user.email.address().to_owned(),
            name: user.name.as_ref().map(|name| name.as_str().to_owned()),
            password_hash: user.password_hash.as_ref().map(|hash| hash.expose().to_owned()),
            password_changed_at: user.password_changed_at,
            epoch: user.epoch.as_u64(),
            disabled: user.status == UserStatus::Disabled,
            email_verified_at: user.email_verified_at,
            contested_at: user.contested_at,
            created_at: user.created_at,
        }
    }
}

impl UserRow {
    pub(crate) fn into_user(self, id: Id) -> User {
        User {
            id: UserId::from_bytes(id),
            email: Email::from_stored(self.email),
            name: self.name.map(Name::from_stored),
            password_hash: self.password_hash.map(PasswordHash::from_stored),
            password_changed_at: self.password_changed_at,
            epoch: Epoch::from_u64(self.epoch),
            status: if self.disabled { UserStatus::Disabled } else { UserStatus::Active },
            email_verified_at: self.email_verified_at,
            contested_at: self.contested_at,
            created_at: self.created_at,
        }
    }

    /// What a registration brings with it.
    pub(crate) fn activate(&mut self, registration: &Registration) {
        self.password_hash = Some(registration.password_hash.expose().to_owned());
        self.name = registration.name.as_ref().map(|name| name.as_str().to_owned());
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct SessionRow {
    pub(crate) user_id: Id,
    epoch: u64,
    pub(crate) generation: u32,
    pub(crate) digest: [u8; 32],
    #[serde(with = "micros")]
    pub(crate) created_at: DateTime<Utc>,
    #[serde(with = "micros")]
    pub(crate) rotated_at: DateTime<Utc>,
    #[serde(with = "micros")]
    pub(crate) idle_expires_at: DateTime<Utc>,
    #[serde(with = "micros")]
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

impl From<&Session> for SessionRow {
    fn from(session: &Session) -> Self {
        Self {
            user_id: *session.user_id.as_bytes(),
            epoch: session.epoch.as_u64(),
            generation: session.generation,
            digest: *session.digest.as_bytes(),
            created_at: session.created_at,
            rotated_at: session.rotated_at,
            idle_expires_at: session.idle_expires_at,
            expires_at: session.expires_at,
            ip: session.ip,
            user_agent: session.user_agent.clone(),
        }
    }
}

impl SessionRow {
    pub(crate) fn into_session(self, id: Id) -> Session {
        Session {
            id: SessionId::from_bytes(id),
            user_id: UserId::from_bytes(self.user_id),
            epoch: Epoch::from_u64(self.epoch),
            generation: self.generation,
            digest: Digest::from_bytes(self.digest),
            created_at: self.created_at,
            rotated_at: self.rotated_at,
            idle_expires_at: self.idle_expires_at,
            expires_at: self.expires_at,
            ip: self.ip,
            user_agent: self.user_agent,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OneTimeRow {
    user_id: Id,
    purpose: String,
    email: String,
    epoch: u64,
    digest: [u8; 32],
    /// The password hash and the name that verifying activates.
    registration: Option<(String, Option<String>)>,
    #[serde(with = "micros")]
    created_at: DateTime<Utc>,
    #[serde(with = "micros")]
    pub(crate) expires_at: DateTime<Utc>,
    #[serde(with = "maybe_micros")]
    pub(crate) spent_at: Option<DateTime<Utc>>,
}

impl From<&OneTimeToken> for OneTimeRow {
    fn from(token: &OneTimeToken) -> Self {
        let registration = token.registration.as_ref().map(|registration| {
            let name = registration.name.as_ref().map(|name| name.as_str().to_owned());
            (registration.password_hash.expose().to_owned(), name)
        });
        Self {
            user_id: *token.user_id.as_bytes(),
            purpose: token.purpose.as_str().to_owned(),
            email: token.email.address().to_owned(),
            epoch: token.epoch.as_u64(),
            digest: *token.digest.as_bytes(),
            registration,
            created_at: token.created_at,
            expires_at: token.expires_at,
            spent_at: token.spent_at,
        }
    }
}

impl OneTimeRow {
    pub(crate) fn into_token(self, id: Id) -> Result<OneTimeToken, Failed> {
        let purpose = Purpose::from_stored(&self.purpose).ok_or_else(|| corrupt("an unknown purpose"))?;
        let registration = self.registration.map(|(hash, name)| Registration {
            password_hash: PasswordHash::from_stored(hash),
            name: name.map(Name::from_stored),
        });
        Ok(OneTimeToken {
            id: IntentId::from_bytes(id),
            user_id: UserId::from_bytes(self.user_id),
            purpose,
            email: Email::from_stored(self.email),
            epoch: Epoch::from_u64(self.epoch),
            digest: Digest::from_bytes(self.digest),
            registration,
            created_at: self.created_at,
            expires_at: self.expires_at,
            spent_at: self.spent_at,
        })
    }
}

/// An intent that waits. What it promises is opaque to a store: `Intent::payload` and `from_stored`.
#[derive(Serialize, Deserialize)]
pub(crate) struct IntentRow {
    payload: String,
    #[serde(with = "micros")]
    pub(crate) created_at: DateTime<Utc>,
    /// Counts the claims. A settlement names the number of its claim.
    pub(crate) attempt: u32,
    #[serde(with = "micros")]
    pub(crate) due_at: DateTime<Utc>,
}

impl From<&Intent> for IntentRow {
    fn from(intent: &Intent) -> Self {
        Self { payload: intent.payload(), created_at: intent.created_at, attempt: 0, due_at: intent.due_at() }
    }
}

impl IntentRow {
    pub(crate) fn intent(&self, id: Id) -> Intent {
        Intent::from_stored(IntentId::from_bytes(id), self.created_at, &self.payload)
    }

    pub(crate) fn move_to_dead_letters(self, at: DateTime<Utc>, reason: &str) -> DeadRow {
        let Self { payload, created_at, attempt, .. } = self;
        DeadRow { payload, created_at, attempts: attempt, dead_lettered_at: at, reason: reason.to_owned() }
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct DeadRow {
    payload: String,
    #[serde(with = "micros")]
    created_at: DateTime<Utc>,
    attempts: u32,
    #[serde(with = "micros")]
    pub(crate) dead_lettered_at: DateTime<Utc>,
    reason: String,
}

impl DeadRow {
    pub(crate) fn into_letter(self, id: Id) -> DeadLetter {
        DeadLetter {
            intent: Intent::from_stored(IntentId::from_bytes(id), self.created_at, &self.payload),
            attempts: self.attempts,
            dead_lettered_at: self.dead_lettered_at,
            reason: self.reason,
        }
    }
}
