//! Records that no other run has, so that the suite can share a database with anything.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use auth_core::store::{Intent, MailRequest};
use auth_core::{
    Digest, Email, Epoch, IntentId, Languages, Name, OneTimeToken, PasswordHash, Purpose, Registration,
    Session, SessionId, User, UserId, UserStatus,
};
use chrono::{DateTime, TimeDelta, Utc};

use super::check::Outcome;

/// The smallest step of time that a store must keep.
pub(super) const TICK: TimeDelta = TimeDelta::microseconds(1);

/// The lengths that a store must keep, in bytes or in characters.
pub(super) const MAX_HASH_BYTES: usize = 512;
pub(super) const MAX_USER_AGENT_CHARS: usize = 256;
pub(super) const MAX_PAYLOAD_BYTES: usize = 4096;
pub(super) const MAX_REASON_CHARS: usize = 1000;

/// A time this many seconds after an afternoon in 2024, with odd microseconds.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(1_709_989_872_123_457) + TimeDelta::seconds(seconds)
}

/// A time this many seconds after the start of 1995: for records that purges and claims shall
/// reach, and that are older than anything real.
pub(super) fn long_ago(seconds: i64) -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(788_918_400_123_457) + TimeDelta::seconds(seconds)
}

/// The end of 1999, after every [`long_ago`].
pub(super) fn long_ago_is_over() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(946_684_800)
}

/// Differs at every call, in every thread and every process.
fn unique() -> [u8; 16] {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let random = || {
        // Every `RandomState` has its own keys, seeded by the operating system.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u64(call);
        hasher.write_u32(process::id());
        hasher.finish()
    };
    let unique = u128::from(random()) << 64 | u128::from(random());
    // The bits that make it a UUIDv7, for stores that look (RFC 9562 section 5.7).
    let fixed = 0xf_u128 << 76 | 0b11_u128 << 62;
    ((unique & !fixed) | 0x7_u128 << 76 | 0b10_u128 << 62).to_be_bytes()
}

fn unique_text() -> String {
    format!("{:032x}", u128::from_be_bytes(unique()))
}

/// The key of a rate limit's bucket.
pub(super) fn key() -> [u8; 16] {
    unique()
}

pub(super) fn user_id() -> UserId {
    UserId::from_bytes(unique())
}

pub(super) fn session_id() -> SessionId {
    SessionId::from_bytes(unique())
}

pub(super) fn intent_id() -> IntentId {
    IntentId::from_bytes(unique())
}

pub(super) fn digest() -> Digest {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(unique().into_iter().chain(unique())).for_each(|(to, from)| *to = from);
    Digest::from_bytes(bytes)
}

/// A text of the form and length of an Argon2id hash.
pub(super) fn hash() -> PasswordHash {
    PasswordHash::from_stored(format!("$argon2id$v=19$m=19456,t=2,p=1${}", unique_text().repeat(2)))
}

/// A domain that no other record has.
pub(super) fn domain() -> String {
    format!("u{}.example", unique_text())
}

pub(super) fn email() -> Outcome<Email> {
    Ok(Email::parse(&format!("ada@{}", domain()))?)
}

pub(super) fn registration(name: Option<&str>) -> Outcome<Registration> {
    Ok(Registration { password_hash: hash(), name: name.map(Name::parse).transpose()? })
}

/// An unverified user, registered at [`at`]`(0)`.
pub(super) fn user() -> Outcome<User> {
    Ok(User {
        id: user_id(),
        email: email()?,
        name: Some(Name::parse("Ada Lovelace")?),
        password_hash: Some(hash()),
        password_changed_at: at(0),
        epoch: Epoch::from_u64(7),
        status: UserStatus::Active,
        email_verified_at: None,
        contested_at: None,
        created_at: at(0),
    })
}

/// A session that was rotated once, of a user that no [`UserStore`](auth_core::store::UserStore) knows.
pub(super) fn session() -> Session {
    Session {
        id: session_id(),
        user_id: user_id(),
        epoch: Epoch::from_u64(3),
        generation: 1,
        digest: digest(),
        created_at: at(0),
        rotated_at: at(60),
        idle_expires_at: at(3_600),
        expires_at: at(86_400),
        ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".to_owned()),
    }
}

/// A token to verify an address with, not spent.
pub(super) fn one_time() -> Outcome<OneTimeToken> {
    Ok(OneTimeToken {
        id: intent_id(),
        user_id: user_id(),
        purpose: Purpose::VerifyEmail,
        email: email()?,
        epoch: Epoch::from_u64(3),
        digest: digest(),
        registration: Some(registration(Some("Ada Lovelace"))?),
        created_at: at(0),
        expires_at: at(3_600),
        spent_at: None,
    })
}

/// An intent to mail a verification link, enqueued and due at this time.
pub(super) fn intent(created_at: DateTime<Utc>) -> Outcome<Intent> {
    let languages = Languages::from_accept_language("de-AT,de");
    Ok(Intent { id: intent_id(), email: email()?, mail: MailRequest::Verification, languages, created_at })
}
