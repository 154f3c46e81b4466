use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::id::{IntentId, SessionId, UserId};
use crate::mail::one_time_token::Registration;
use crate::user::email::Email;
use crate::user::{Epoch, Name, PasswordHash};

/// A mail that was promised.
///
/// Written before the record it speaks of; the worker looks at the user when it sends, and drops an
/// intent that turns out to speak of nothing. It holds no secret from which a token could be made.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Names the intent and the one-time token that its mail carries.
    pub id: IntentId,
    /// The address as the request gave it. Mail goes to the user's stored address, except about a
    /// change of address.
    pub email: Email,
    /// What was promised.
    pub mail: MailRequest,
    /// When it was promised.
    pub created_at: DateTime<Utc>,
}

/// What kind of mail was promised.
#[derive(Debug, Clone)]
pub enum MailRequest {
    /// Somebody registered: a verification link, or "you already have an account".
    Registration {
        /// The id this attempt gave its user, should the address be free.
        user_id: UserId,
        /// What this attempt wants to activate.
        registration: Registration,
    },
    /// Somebody asked for another verification link.
    Verification,
    /// Somebody forgot the password.
    PasswordReset,
    /// The password of this user was changed or reset.
    PasswordChanged {
        /// Whose password.
        user_id: UserId,
        /// The `password_changed_at` that the change writes.
        at: DateTime<Utc>,
    },
    /// This user wants the intent's address.
    ChangeEmail {
        /// Who.
        user_id: UserId,
        /// The epoch of the request: whatever moves it cancels the change.
        epoch: Epoch,
    },
    /// The address of this user was changed: a notice to the intent's address, which is the old one or
    /// the new.
    EmailChanged {
        /// Whose address.
        user_id: UserId,
        /// The address that the change writes.
        new_email: Email,
        /// The `email_verified_at` that the change writes.
        at: DateTime<Utc>,
    },
    /// Reuse of a refresh token ended sessions of this user.
    SessionsEnded {
        /// Whose sessions.
        user_id: UserId,
        /// The session whose old token was presented.
        session_id: SessionId,
        /// The epoch that the session was live under.
        epoch: Epoch,
    },
    /// A kept payload that this version cannot read. The worker turns it into a dead letter, and
    /// every other mail goes on.
    Unreadable {
        /// The payload as it is kept.
        payload: String,
    },
}

impl MailRequest {
    /// A stable name for logs and dead letters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Registration { .. } => "registration",
            Self::Verification => "verification",
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged { .. } => "password_changed",
            Self::ChangeEmail { .. } => "change_email",
            Self::EmailChanged { .. } => "email_changed",
            Self::SessionsEnded { .. } => "sessions_ended",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

/// The kept form of an intent's content. Version 1; unknown fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    v: u8,
    email: String,
    promise: KeptPromise,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum KeptPromise {
    Registration { user_id: String, password_hash: String, name: Option<String> },
    Verification,
    PasswordReset,
    PasswordChanged { user_id: String, at_micros: i64 },
    ChangeEmail { user_id: String, epoch: u64 },
    EmailChanged { user_id: String, new_email: String, at_micros: i64 },
    SessionsEnded { user_id: String, session_id: String, epoch: u64 },
}

impl Intent {
    /// The content for a store to keep in one text column, opaque to it, so that new kinds of mail
    /// need no new columns. Keep `id` and `created_at` beside it.
    pub fn payload(&self) -> String {
        let promise = match &self.mail {
            MailRequest::Registration { user_id, registration } => KeptPromise::Registration {
                user_id: user_id.to_string(),
                password_hash: registration.password_hash.expose().to_owned(),
                name: registration.name.as_ref().map(|name| name.as_str().to_owned()),
            },
            MailRequest::Verification => KeptPromise::Verification,
            MailRequest::PasswordReset => KeptPromise::PasswordReset,
            MailRequest::PasswordChanged { user_id, at } => KeptPromise::PasswordChanged {
                user_id: user_id.to_string(),
                at_micros: at.timestamp_micros(),
            },
            MailRequest::ChangeEmail { user_id, epoch } => {
                KeptPromise::ChangeEmail { user_id: user_id.to_string(), epoch: epoch.as_u64() }
            }
            MailRequest::EmailChanged { user_id, new_email, at } => KeptPromise::EmailChanged {
                user_id: user_id.to_string(),
                new_email: new_email.address().to_owned(),
                at_micros: at.timestamp_micros(),
            },
            MailRequest::SessionsEnded { user_id, session_id, epoch } => KeptPromise::SessionsEnded {
                user_id: user_id.to_string(),
                session_id: session_id.to_string(),
                epoch: epoch.as_u64(),
            },
            MailRequest::Unreadable { payload } => return payload.clone(),
        };
        let kept = Kept { v: 1, email: self.email.address().to_owned(), promise };
        // Strings, integers and options always serialize.
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// Reads what [`payload`](Self::payload) gave. A text that this version cannot read becomes
    /// [`MailRequest::Unreadable`]: one bad record must not hold up the mails of all others.
    pub fn from_stored(id: IntentId, created_at: DateTime<Utc>, payload: &str) -> Self {
        let (email, mail) = read(payload)
            .unwrap_or_else(|| (Email::of_nobody(), MailRequest::Unreadable { payload: payload.to_owned() }));
        Self { id, email, mail, created_at }
    }
}

fn read(payload: &str) -> Option<(Email, MailRequest)> {
    let kept: Kept = serde_json::from_str(payload).ok()?;
    if kept.v != 1 {
        return None;
    }
    let promise = match kept.promise {
        KeptPromise::Registration { user_id, password_hash, name } => MailRequest::Registration {
            user_id: user_id.parse().ok()?,
            registration: Registration {
                password_hash: PasswordHash::from_stored(password_hash),
                name: name.map(Name::from_stored),
            },
        },
        KeptPromise::Verification => MailRequest::Verification,
        KeptPromise::PasswordReset => MailRequest::PasswordReset,
        KeptPromise::PasswordChanged { user_id, at_micros } => MailRequest::PasswordChanged {
            user_id: user_id.parse().ok()?,
            at: DateTime::from_timestamp_micros(at_micros)?,
        },
        KeptPromise::ChangeEmail { user_id, epoch } => {
            MailRequest::ChangeEmail { user_id: user_id.parse().ok()?, epoch: Epoch::from_u64(epoch) }
        }
        KeptPromise::EmailChanged { user_id, new_email, at_micros } => MailRequest::EmailChanged {
            user_id: user_id.parse().ok()?,
            new_email: Email::from_stored(new_email),
            at: DateTime::from_timestamp_micros(at_micros)?,
        },
        KeptPromise::SessionsEnded { user_id, session_id, epoch } => MailRequest::SessionsEnded {
            user_id: user_id.parse().ok()?,
            session_id: session_id.parse().ok()?,
            epoch: Epoch::from_u64(epoch),
        },
    };
    Some((Email::from_stored(kept.email), promise))
}

/// An intent that this caller may work on until its lease ends.
#[derive(Debug, Clone)]
pub struct ClaimedIntent {
    /// The intent.
    pub intent: Intent,
    /// Counts claims from 1. It is also the guard of the lease: whoever claims the intent later
    /// has a higher one, and the settlement of an older claim is lost.
    pub attempt: u32,
}

/// An intent that was given up.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// The intent.
    pub intent: Intent,
    /// How often it was claimed.
    pub attempts: u32,
    /// When it was given up.
    pub dead_lettered_at: DateTime<Utc>,
    /// Why, for the operator.
    pub reason: String,
}

/// What the outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxStats {
    /// Intents that are not settled, leased ones included.
    pub queued: u64,
    /// When the oldest of them was promised.
    pub oldest_created_at: Option<DateTime<Utc>>,
    /// Dead letters.
    pub dead: u64,
}

/// Whether the settlement of a claim counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost settlement changed nothing"]
pub enum Settlement {
    /// It was written.
    Settled,
    /// Another worker has claimed the intent since, or it is gone.
    LeaseLost,
}

/// Whether a dead letter was there to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a missing dead letter means that nothing was removed"]
pub enum Removal {
    /// It was removed.
    Removed,
    /// There is no such dead letter.
    NotFound,
}

/// Keeps mail intents until they are settled. See [Writing a store](crate::store#writing-a-store).
#[async_trait]
pub trait Outbox: Debug + Send + Sync {
    /// Writes a new intent, due at its `created_at`.
    ///
    /// # Atomicity
    ///
    /// One insert. Once it returned, a crash does not lose the intent. A second insert of the same
    /// id changes nothing and succeeds while the first is still kept.
    async fn insert(&self, intent: &Intent) -> Result<(), StoreError>;

    /// Leases at most `limit` intents that are due at `now`, the longest due first.
    ///
    /// # Atomicity
    ///
    /// Each intent by one write, guarded by its attempt count and due time: it becomes due again at
    /// `lease_until` and its attempt count grows by one. Two concurrent callers never get the same
    /// attempt of the same intent.
    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError>;

    /// Removes an intent whose mail was sent, or that speaks of nothing.
    ///
    /// # Atomicity
    ///
    /// One delete, guarded by id and `attempt`; dead letters are not touched.
    async fn complete(&self, id: IntentId, attempt: u32) -> Result<Settlement, StoreError>;

    /// Makes a claimed intent due again at `due_at`.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by id and `attempt`; dead letters are not touched.
    async fn retry(
        &self,
        id: IntentId,
        attempt: u32,
        due_at: DateTime<Utc>,
    ) -> Result<Settlement, StoreError>;

    /// Turns a claimed intent into a dead letter: never due again, visible until removed.
    ///
    /// # Atomicity
    ///
    /// One write, guarded by id and `attempt`; dead letters are not touched.
    async fn move_to_dead_letters(
        &self,
        id: IntentId,
        attempt: u32,
        at: DateTime<Utc>,
        reason: &str,
    ) -> Result<Settlement, StoreError>;

    /// Reads at most `limit` dead letters, the oldest burial first.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write that was acknowledged before it began, by whichever process.
    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, StoreError>;

    /// Reads one dead letter.
    ///
    /// # Atomicity
    ///
    /// One read. It sees every write that was acknowledged before it began, by whichever process.
    async fn find_dead_letter(&self, id: IntentId) -> Result<Option<DeadLetter>, StoreError>;

    /// Removes one dead letter.
    ///
    /// # Atomicity
    ///
    /// One delete, guarded by being dead: an intent that is still queued stays.
    async fn remove_dead_letter(&self, id: IntentId) -> Result<Removal, StoreError>;

    /// Deletes at most `limit` dead letters buried before `before`; says how many.
    ///
    /// # Atomicity
    ///
    /// Each dead letter by one guarded delete: an intent that is still queued stays.
    /// Fewer than `limit` means that none is left, even while others purge: clean-up stops then.
    async fn purge_dead_letters(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;

    /// Counts what the outbox holds.
    ///
    /// # Atomicity
    ///
    /// None is asked: the counts may be of slightly different moments.
    async fn stats(&self) -> Result<OutboxStats, StoreError>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(promise: MailRequest) -> String {
        let created_at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let intent = Intent {
            id: IntentId::from_bytes([1; 16]),
            email: Email::parse("Ada@example.com").unwrap(),
            mail: promise,
            created_at,
        };
        let payload = intent.payload();
        let read = Intent::from_stored(intent.id, created_at, &payload);
        assert_eq!(read.email.address(), "Ada@example.com");
        assert_eq!(read.mail.name(), intent.mail.name());
        assert_eq!(read.payload(), payload);
        payload
    }

    #[test]
    fn every_promise_round_trips() {
        let user_id = UserId::from_bytes([2; 16]);
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let registration = Registration {
            password_hash: PasswordHash::from_stored("$argon2id$x"),
            name: Name::parse("Ada").ok(),
        };
        round_trip(MailRequest::Registration { user_id, registration });
        round_trip(MailRequest::Verification);
        round_trip(MailRequest::PasswordReset);
        round_trip(MailRequest::PasswordChanged { user_id, at });
        let session_id = SessionId::from_bytes([3; 16]);
        round_trip(MailRequest::SessionsEnded { user_id, session_id, epoch: Epoch::from_u64(9) });
    }

    #[test]
    fn a_payload_of_another_version_is_kept_as_it_is() {
        let payload = round_trip(MailRequest::Verification).replace("\"v\":1", "\"v\":2");
        let read = Intent::from_stored(IntentId::from_bytes([1; 16]), DateTime::UNIX_EPOCH, &payload);
        assert_eq!(read.mail.name(), "unreadable");
        assert_eq!(read.payload(), payload);
    }

    proptest! {
        #[test]
        fn reading_a_payload_never_panics_and_loses_nothing(text in any::<String>()) {
            let read = Intent::from_stored(IntentId::from_bytes([1; 16]), DateTime::UNIX_EPOCH, &text);
            prop_assert_eq!(read.payload(), text);
        }
    }
}
