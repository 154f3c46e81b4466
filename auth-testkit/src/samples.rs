//! Records by number, for the tests that only your store has: its files, faults, processes and schema.
//!
//! The same number gives the same record, in every process. So one process can write what another
//! expects, and a test can check what a killed process has written. Such tests need a private database, or
//! private numbers.
//!
//! ```
//! use auth_core::MemoryStore;
//! use auth_core::store::{GuardedWrite, TokenStore};
//! use auth_testkit::samples;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), auth_core::StoreError> {
//! let store = MemoryStore::new();
//! store.insert_session(&samples::session(1)).await?;
//! assert_eq!(store.rotate(&samples::rotation(1, 0)).await?, GuardedWrite::Applied);
//! assert_eq!(store.rotate(&samples::rotation(1, 0)).await?, GuardedWrite::Stale);
//! # Ok(())
//! # }
//! ```

use std::net::{IpAddr, Ipv4Addr};

use auth_core::store::{Intent, MailRequest, SessionRotation};
use auth_core::{
    Digest, Email, Epoch, IntentId, Name, OneTimeToken, PasswordHash, Purpose, Registration, Session,
    SessionId, User, UserId, UserStatus,
};
use chrono::{DateTime, TimeDelta, Utc};

/// A time this many seconds after an afternoon in 2024, with odd microseconds.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(1_709_989_872_123_457) + TimeDelta::seconds(seconds)
}

fn bytes(number: u32) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

/// The id of [`user`].
pub fn user_id(number: u32) -> UserId {
    UserId::from_bytes(bytes(number))
}

/// The id of [`session`].
pub fn session_id(number: u32) -> SessionId {
    SessionId::from_bytes(bytes(number))
}

/// The id of [`intent`] and of [`one_time`].
pub fn intent_id(number: u32) -> IntentId {
    IntentId::from_bytes(bytes(number))
}

/// The digest that every sample session has at this generation.
pub fn digest(generation: u32) -> Digest {
    let mut digest = [7; 32];
    digest.iter_mut().zip(generation.to_be_bytes()).for_each(|(to, from)| *to = from);
    Digest::from_bytes(digest)
}

fn email(number: u32) -> Email {
    Email::from_stored(format!("Ada{number}@example.com"))
}

/// An active user of epoch 1 who was registered at [`at`]`(0)` and has not verified the address.
pub fn user(number: u32) -> User {
    User {
        id: user_id(number),
        email: email(number),
        name: Some(Name::from_stored("Ada")),
        password_hash: Some(PasswordHash::from_stored("$argon2id$x")),
        password_changed_at: at(0),
        epoch: Epoch::from_u64(1),
        status: UserStatus::Active,
        email_verified_at: None,
        contested_at: None,
        created_at: at(0),
    }
}

/// A session of [`user`]`(0)`, not rotated yet, of epoch 1, idle for an hour at most.
pub fn session(number: u32) -> Session {
    Session {
        id: session_id(number),
        user_id: user_id(0),
        epoch: Epoch::from_u64(1),
        generation: 0,
        digest: digest(0),
        created_at: at(0),
        rotated_at: at(0),
        idle_expires_at: at(3_600),
        expires_at: at(86_400),
        ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        user_agent: Some("Firefox".to_owned()),
    }
}

/// Rotates [`session`] from this generation to the next, at [`at`]`(60)`.
pub fn rotation(number: u32, generation: u32) -> SessionRotation {
    let next = generation.saturating_add(1);
    SessionRotation {
        id: session_id(number),
        from_generation: generation,
        from_digest: digest(generation),
        generation: next,
        digest: digest(next),
        rotated_at: at(60),
        idle_expires_at: at(7_200),
        ip: Some(Ipv4Addr::new(198, 51, 100, 9).into()),
        user_agent: Some("Firefox".to_owned()),
    }
}

/// A token of [`user`]`(0)` to verify an address with, not spent, with a registration, good for an hour.
pub fn one_time(number: u32) -> OneTimeToken {
    OneTimeToken {
        id: intent_id(number),
        user_id: user_id(0),
        purpose: Purpose::VerifyEmail,
        email: email(number),
        epoch: Epoch::from_u64(1),
        digest: digest(0),
        registration: Some(Registration {
            password_hash: PasswordHash::from_stored("$argon2id$x"),
            name: Some(Name::from_stored("Ada")),
        }),
        created_at: at(0),
        expires_at: at(3_600),
        spent_at: None,
    }
}

/// An intent to mail a verification link to the address of [`user`] of this number, enqueued and due at [`at`]`(0)`.
pub fn intent(number: u32) -> Intent {
    Intent {
        id: intent_id(number),
        email: email(number),
        mail: MailRequest::Verification,
        languages: None,
        created_at: at(0),
    }
}
