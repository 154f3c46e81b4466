//! Records that are named by a number.

use auth_core::store::{Intent, Promise, SessionRotation};
use auth_core::{
    Digest, Email, Epoch, IntentId, Name, OneTimeToken, PasswordHash, Purpose, Registration, Session,
    SessionId, User, UserId, UserStatus,
};
use chrono::{DateTime, Utc};

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_709_989_872_123_457 + seconds * 1_000_000).unwrap()
}

fn bytes(number: u32) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

pub(crate) fn user_id(number: u32) -> UserId {
    UserId::from_bytes(bytes(number))
}

pub(crate) fn session_id(number: u32) -> SessionId {
    SessionId::from_bytes(bytes(number))
}

pub(crate) fn intent_id(number: u32) -> IntentId {
    IntentId::from_bytes(bytes(number))
}

/// The digest of a generation.
pub(crate) fn digest(generation: u32) -> Digest {
    let mut digest = [7; 32];
    digest[..4].copy_from_slice(&generation.to_be_bytes());
    Digest::from_bytes(digest)
}

fn email(number: u32) -> Email {
    Email::parse(&format!("Ada{number}@example.com")).unwrap()
}

pub(crate) fn user(number: u32) -> User {
    User {
        id: user_id(number),
        email: email(number),
        name: Name::parse("Ada").ok(),
        password_hash: Some(PasswordHash::from_stored("$argon2id$x")),
        password_changed_at: at(0),
        epoch: Epoch::from_u64(1),
        status: UserStatus::Active,
        email_verified_at: None,
        contested_at: None,
        created_at: at(0),
    }
}

pub(crate) fn session(number: u32) -> Session {
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
        ip: "192.0.2.7".parse().ok(),
        user_agent: Some("Firefox".to_owned()),
    }
}

/// From this generation to the next.
pub(crate) fn rotation(number: u32, generation: u32) -> SessionRotation {
    SessionRotation {
        id: session_id(number),
        from_generation: generation,
        from_digest: digest(generation),
        generation: generation + 1,
        digest: digest(generation + 1),
        rotated_at: at(60),
        idle_expires_at: at(7_200),
    }
}

pub(crate) fn one_time(number: u32) -> OneTimeToken {
    OneTimeToken {
        id: intent_id(number),
        user_id: user_id(0),
        purpose: Purpose::VerifyEmail,
        email: email(number),
        epoch: Epoch::from_u64(1),
        digest: digest(0),
        registration: Some(Registration {
            password_hash: PasswordHash::from_stored("$argon2id$x"),
            name: Name::parse("Ada").ok(),
        }),
        created_at: at(0),
        expires_at: at(3_600),
        spent_at: None,
    }
}

pub(crate) fn intent(number: u32) -> Intent {
    Intent { id: intent_id(number), email: email(number), promise: Promise::PasswordReset, created_at: at(0) }
}
