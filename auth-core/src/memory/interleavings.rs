//! The memory store: each guarded write has one winner, and a session that ended does not come back.

use chrono::{DateTime, TimeDelta, Utc};
use shuttle::future::block_on;

use super::MemoryStore;
use crate::crypto::digest::Digest;
use crate::id::{IntentId, SessionId, UserId};
use crate::session::Session;
use crate::store::{
    GuardedWrite, Intent, MailRequest, NewPassword, Outbox, Revocation, SessionRotation, Settlement,
    TokenStore, UserStore,
};
use crate::sync::{breaks, thread, try_orders};
use crate::user::email::Email;
use crate::user::{Epoch, PasswordHash, User, UserStatus};

const USER: UserId = UserId::from_bytes([1; 16]);
const SESSION: SessionId = SessionId::from_bytes([2; 16]);
const INTENT: IntentId = IntentId::from_bytes([3; 16]);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn session() -> Session {
    Session {
        id: SESSION,
        user_id: USER,
        epoch: Epoch::default(),
        generation: 0,
        digest: Digest::from_bytes([0; 32]),
        created_at: now(),
        rotated_at: now(),
        idle_expires_at: now(),
        expires_at: now() + TimeDelta::days(30),
        ip: None,
        user_agent: None,
    }
}

fn rotation(from: u8) -> SessionRotation {
    SessionRotation {
        id: SESSION,
        from_generation: from.into(),
        from_digest: Digest::from_bytes([from; 32]),
        generation: u32::from(from) + 1,
        digest: Digest::from_bytes([from + 1; 32]),
        rotated_at: now(),
        idle_expires_at: now() + TimeDelta::days(7),
        ip: None,
        user_agent: None,
    }
}

/// Runs these at once on one store, in many orders, and checks what each left and returned.
fn race<T: Send + 'static>(work: &[fn(&MemoryStore) -> T], check: fn(&MemoryStore, Vec<T>)) {
    let work = work.to_vec();
    try_orders(move || {
        let store = MemoryStore::default();
        block_on(store.insert_session(&session())).unwrap();
        let user = User {
            id: USER,
            email: Email::parse("ada@example.com").unwrap(),
            name: None,
            password_hash: None,
            password_changed_at: now(),
            epoch: Epoch::default(),
            status: UserStatus::Active,
            email_verified_at: Some(now()),
            contested_at: None,
            created_at: now(),
        };
        let _inserted = block_on(UserStore::insert_user(&store, &user)).unwrap();
        let racers: Vec<_> = work
            .iter()
            .map(|racer| {
                let (racer, store) = (*racer, store.clone());
                thread::spawn(move || racer(&store))
            })
            .collect();
        check(&store, racers.into_iter().map(|racer| racer.join().unwrap()).collect());
    });
}

fn rotate(store: &MemoryStore) -> GuardedWrite {
    block_on(store.rotate(&rotation(0))).unwrap()
}

fn rotate_twice(store: &MemoryStore) -> GuardedWrite {
    let first = rotate(store);
    let _second = block_on(store.rotate(&rotation(1))).unwrap();
    first
}

fn one_is_applied(outcomes: &[GuardedWrite]) {
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == GuardedWrite::Applied).count(), 1);
}

#[test]
fn of_concurrent_rotations_of_one_parent_one_is_applied() {
    race(&[rotate, rotate_twice, rotate], |store, outcomes| {
        one_is_applied(&outcomes);
        let stored = block_on(store.find_session(SESSION)).unwrap().unwrap();
        assert_eq!(stored.generation, 2);
    });
}

/// Reads and writes in two steps: another thread may write between them.
fn rotate_unguarded(store: &MemoryStore) -> GuardedWrite {
    let stored = block_on(store.find_session(SESSION)).unwrap();
    if stored.is_none_or(|stored| stored.generation > 0) {
        return GuardedWrite::Stale;
    }
    let _either = block_on(store.revoke_session(USER, SESSION)).unwrap();
    let _either = block_on(store.insert_session(&Session { generation: 1, ..session() }));
    GuardedWrite::Applied
}

#[test]
fn a_rotation_without_its_guard_is_seen() {
    assert!(breaks(|| race::<GuardedWrite>(&[rotate_unguarded, rotate_unguarded], |_, outcomes| {
        one_is_applied(&outcomes)
    })));
}

#[test]
fn an_ended_session_does_not_come_back_by_a_rotation_or_purge() {
    race::<bool>(
        &[
            |store| block_on(store.revoke_session(USER, SESSION)).unwrap() == Revocation::Revoked,
            |store| {
                let _either = rotate_twice(store);
                false
            },
            |store| block_on(store.purge_sessions(now(), 9)).unwrap() == 1,
        ],
        |store, ended| {
            assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "ended once");
            assert!(block_on(store.find_session(SESSION)).unwrap().is_none());
            assert!(block_on(store.find_sessions_by_user(USER)).unwrap().is_empty());
        },
    );
}

#[test]
fn of_concurrent_writes_under_one_epoch_one_is_applied() {
    race::<Option<GuardedWrite>>(
        &[
            |store| {
                let password = NewPassword {
                    password_hash: PasswordHash::from_stored("new"),
                    at: now(),
                    email_verified_at: None,
                };
                Some(block_on(store.set_password(USER, Epoch::default(), &password)).unwrap())
            },
            |store| Some(block_on(store.advance_epoch(USER, Epoch::default())).unwrap()),
            |store| {
                let hash = PasswordHash::from_stored("rehashed");
                let _either = block_on(store.rehash_password(USER, Epoch::default(), &hash)).unwrap();
                None
            },
        ],
        |store, outcomes| {
            assert_eq!(outcomes.iter().filter(|outcome| **outcome == Some(GuardedWrite::Applied)).count(), 1);
            let user = block_on(store.find_by_id(USER)).unwrap().unwrap();
            assert_eq!(user.epoch, Epoch::from_u64(1));
            if outcomes.first() == Some(&Some(GuardedWrite::Applied)) {
                assert_eq!(user.password_hash.unwrap().expose(), "new");
            }
        },
    );
}

fn intent() -> Intent {
    Intent {
        id: INTENT,
        email: Email::parse("ada@example.com").unwrap(),
        mail: MailRequest::PasswordReset,
        languages: None,
        created_at: now(),
    }
}

/// Claims the intent and returns the number of its attempt.
fn claim(store: &MemoryStore, lease_until: DateTime<Utc>) -> Option<u32> {
    let claimed = block_on(store.claim(now(), lease_until, 9)).unwrap();
    claimed.first().map(|claimed| claimed.attempt)
}

fn leased() -> DateTime<Utc> {
    now() + TimeDelta::seconds(30)
}

fn claim_and_complete(store: &MemoryStore) -> bool {
    let Some(attempt) = claim(store, leased()) else { return false };
    block_on(store.complete(INTENT, attempt)).unwrap() == Settlement::Settled
}

fn enqueue(store: &MemoryStore) -> bool {
    block_on(Outbox::insert_intent(store, &intent())).unwrap();
    false
}

fn one_has_mailed(settled: &[bool]) {
    assert!(settled.iter().filter(|settled| **settled).count() <= 1, "mailed twice");
}

#[test]
fn a_leased_mail_is_one_workers() {
    race(&[enqueue, claim_and_complete, claim_and_complete], |store, settled| {
        one_has_mailed(&settled);
        let queued = block_on(store.stats()).unwrap().queued;
        assert_eq!(queued, u64::from(!settled.contains(&true)), "none is lost");
    });
}

/// The lease has ended when it begins: both may have sent the mail, and one settles it.
#[test]
fn of_two_workers_with_an_expired_lease_the_last_settles() {
    let work: fn(&MemoryStore) -> bool = |store| {
        enqueue(store);
        let Some(attempt) = claim(store, now()) else { return false };
        match attempt % 2 {
            0 => block_on(store.retry(INTENT, attempt, leased())).unwrap() == Settlement::Settled,
            _ => {
                block_on(store.move_to_dead_letters(INTENT, attempt, now(), "refused")).unwrap()
                    == Settlement::Settled
            }
        }
    };
    race(&[work, work], |store, settled| {
        assert!(settled.contains(&true), "somebody settles");
        let stats = block_on(store.stats()).unwrap();
        assert_eq!(stats.queued + stats.dead, 1, "it is there once");
    });
}

/// Reads what is due and sends it without a lease.
fn complete_without_a_lease(store: &MemoryStore) -> bool {
    enqueue(store);
    let is_due = block_on(store.stats()).unwrap().queued > 0;
    thread::yield_now();
    is_due && block_on(store.complete(INTENT, 0)).is_ok()
}

#[test]
fn a_worker_without_a_lease_is_seen() {
    let unleased = complete_without_a_lease;
    assert!(breaks(|| race(&[unleased, unleased], |_, settled| one_has_mailed(&settled))));
}
