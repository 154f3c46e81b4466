//! Every write of the traits, each on separate records.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use auth_core::store::{EmailVerification, NewEmail, NewPassword};
use auth_core::{
    Email, Epoch, OneTimeToken, Outbox, PasswordHash, Registration, Session, Store, StoreError, TokenStore,
    User, UserStatus, UserStore, methods_of,
};
use auth_mysql::MySqlStore;
use auth_testkit::samples::{self, at};
use sqlx::mysql::MySqlPoolOptions;

pub(crate) struct Write {
    pub(crate) name: &'static str,
    /// The outcome when it is applied.
    pub(crate) done: &'static str,
    /// The outcome when it was applied before.
    pub(crate) repeated: &'static str,
    pub(crate) call: Pin<Box<dyn Future<Output = String> + Send>>,
}

/// The outcome of a write as text, or the kind of its failure.
fn outcome_text<T: Debug>(outcome: Result<T, StoreError>) -> String {
    outcome.map_or_else(|error| format!("{:?}", error.kind()), |outcome| format!("{outcome:?}"))
}

/// The number of writes.
pub(crate) const WRITES: u32 = 27;

/// Inserts the records that the writes change.
pub(crate) async fn prepare(store: &MySqlStore) {
    for number in [2, 3, 4, 5, 6, 7, 8, 17, 18, 19, 20] {
        let _ = UserStore::insert_user(store, &samples::user(number)).await.unwrap();
    }
    let stale = User { created_at: at(-10), ..samples::user(9) };
    let _ = UserStore::insert_user(store, &stale).await.unwrap();
    for number in [1, 2] {
        store.insert_session(&samples::session(number)).await.unwrap();
    }
    let ended = Session { idle_expires_at: at(-10), ..samples::session(9) };
    store.insert_session(&ended).await.unwrap();
    let _ = store.insert_one_time(&samples::one_time(1)).await.unwrap();
    let ended = OneTimeToken { expires_at: at(-10), ..samples::one_time(9) };
    let _ = store.insert_one_time(&ended).await.unwrap();
    for number in 11..=15 {
        Outbox::insert_intent(store, &samples::intent(number)).await.unwrap();
    }
    assert_eq!(store.claim(at(0), at(600), 10).await.unwrap().len(), 5);
    for (number, dead_lettered_at) in [(14, at(0)), (15, at(-10))] {
        let _ = store
            .move_to_dead_letters(samples::intent_id(number), 1, dead_lettered_at, "refused")
            .await
            .unwrap();
    }
    let mut due = samples::intent(16);
    due.created_at = at(-100);
    Outbox::insert_intent(store, &due).await.unwrap();
}

macro_rules! writes {
    ($store:ident; $($name:literal: $call:expr => $done:literal, then $repeated:literal;)*) => {
        vec![$({
            let $store = $store.clone();
            let call = Box::pin(async move { outcome_text($call.await) });
            Write { name: $name, done: $done, repeated: $repeated, call }
        }),*]
    };
}

fn hash() -> PasswordHash {
    PasswordHash::from_stored("$argon2id$y")
}

/// The writes, to be awaited in any order or together.
pub(crate) fn writes(store: &MySqlStore) -> Vec<Write> {
    let epoch = Epoch::from_u64(1);
    let verified = |activate| EmailVerification { at: at(5), activate };
    let registration = || Registration { password_hash: hash(), name: None };
    let password = || NewPassword { password_hash: hash(), at: at(5), email_verified_at: Some(at(5)) };
    let moved = || NewEmail { email: Email::parse("moved@example.com").unwrap(), at: at(5) };
    writes! { store;
        "UserStore::insert_user": UserStore::insert_user(&store, &samples::user(1)) => "Inserted", then "Conflict";
        "UserStore::verify_email": store.verify_email(samples::user_id(2), epoch, &verified(None)) => "Applied", then "Stale";
        "UserStore::verify_email, activating":
            store.verify_email(samples::user_id(17), epoch, &verified(Some(registration()))) => "Applied", then "Stale";
        "UserStore::set_password": store.set_password(samples::user_id(3), epoch, &password()) => "Applied", then "Stale";
        "UserStore::set_email": store.set_email(samples::user_id(18), epoch, &moved()) => "Applied", then "Stale";
        "UserStore::rehash_password": store.rehash_password(samples::user_id(4), epoch, &hash())
            => "Applied", then "Applied";
        "UserStore::set_status": store.set_status(samples::user_id(5), epoch, UserStatus::Disabled)
            => "Applied", then "Stale";
        "UserStore::advance_epoch": store.advance_epoch(samples::user_id(6), epoch) => "Applied", then "Stale";
        "UserStore::set_name": store.set_name(samples::user_id(20), epoch, None) => "Applied", then "Applied";
        "UserStore::delete": store.delete(samples::user_id(7), epoch) => "Applied", then "Stale";
        "UserStore::delete_unverified": store.delete_unverified(samples::user_id(19), epoch) => "Applied", then "Stale";
        "UserStore::mark_contested": store.mark_contested(&samples::user(8).email, samples::user_id(99), at(5))
            => "Applied", then "Applied";
        "UserStore::purge_unverified": store.purge_unverified(at(-5), 10) => "1", then "0";
        "TokenStore::insert_session": store.insert_session(&samples::session(10)) => "()", then "Conflict";
        "TokenStore::rotate": store.rotate(&samples::rotation(1, 0)) => "Applied", then "Stale";
        "TokenStore::revoke_session": store.revoke_session(samples::user_id(0), samples::session_id(2))
            => "Revoked", then "NotFound";
        "TokenStore::purge_sessions": store.purge_sessions(at(-5), 10) => "1", then "0";
        "TokenStore::insert_one_time": store.insert_one_time(&samples::one_time(10)) => "Inserted", then "Exists";
        "TokenStore::spend": store.spend(samples::intent_id(1), at(5)) => "Spent", then "NotSpendable";
        "TokenStore::purge_one_time": store.purge_one_time(at(-5), 10) => "1", then "0";
        "Outbox::insert_intent": Outbox::insert_intent(&store, &samples::intent(10)) => "()", then "()";
        "Outbox::claim": claim(&store) => "1", then "0";
        "Outbox::complete": store.complete(samples::intent_id(11), 1) => "Settled", then "LeaseLost";
        "Outbox::retry": store.retry(samples::intent_id(12), 1, at(700)) => "Settled", then "Settled";
        "Outbox::move_to_dead_letters": store.move_to_dead_letters(samples::intent_id(13), 1, at(0), "refused") => "Settled", then "LeaseLost";
        "Outbox::remove_dead_letter": store.remove_dead_letter(samples::intent_id(14)) => "Removed", then "NotFound";
        "Outbox::purge_dead_letters": store.purge_dead_letters(at(-5), 10) => "1", then "0";
    }
}

/// Methods that only read.
const READS: [&str; 10] = [
    "Store::find_session_and_user",
    "Outbox::dead_letters",
    "Outbox::find_dead_letter",
    "Outbox::stats",
    "TokenStore::find_one_time",
    "TokenStore::find_session",
    "TokenStore::find_sessions_by_user",
    "UserStore::find_by_email",
    "UserStore::find_by_id",
    "UserStore::find_users",
];

/// The names of a trait's methods.
trait Methods {
    const NAMES: &[&str];
}

macro_rules! names {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl Methods for dyn $trait {
            const NAMES: &[&str] = &[$(concat!(stringify!($trait), "::", stringify!($method))),*];
        }
    };
}

methods_of! { UserStore => names }
methods_of! { TokenStore => names }
methods_of! { Store => names }
methods_of! { Outbox => names }

#[tokio::test]
async fn every_method_that_writes_is_listed() {
    let traits = [<dyn UserStore>::NAMES, <dyn TokenStore>::NAMES, <dyn Store>::NAMES, <dyn Outbox>::NAMES];
    let pool = MySqlPoolOptions::new().connect_lazy("mysql://nobody@127.0.0.1/nothing").unwrap();
    let writes = writes(&MySqlStore::from_pool(pool));
    assert_eq!(writes.len(), WRITES as usize);
    let written = writes.iter().map(|write| write.name.split(',').next().unwrap());
    let all: BTreeSet<_> = written.chain(READS).collect();
    assert_eq!(all, traits.concat().into_iter().collect());
}

async fn claim(store: &MySqlStore) -> Result<usize, StoreError> {
    Ok(store.claim(at(-50), at(600), 10).await?.len())
}

/// Runs all writes at once.
pub(crate) async fn together(store: &MySqlStore) -> Vec<Written> {
    let running: Vec<_> = writes(store)
        .into_iter()
        .map(|Write { name, done, repeated, call }| (name, done, repeated, tokio::spawn(call)))
        .collect();
    let mut written = Vec::new();
    for (name, done, repeated, call) in running {
        written.push(Written { name, done, repeated, outcome: call.await.unwrap() });
    }
    written
}

/// A write and its outcome.
#[derive(Debug)]
pub(crate) struct Written {
    name: &'static str,
    done: &'static str,
    repeated: &'static str,
    outcome: String,
}

/// Asserts that every write was unavailable; returns their number.
pub(crate) fn all_unavailable(written: &[Written]) -> usize {
    for write in written {
        assert_eq!(write.outcome, "Unavailable", "{}", write.name);
    }
    written.len()
}

/// Asserts that every write was applied just now.
pub(crate) fn all_done(written: &[Written]) {
    for write in written {
        assert_eq!(write.outcome, write.done, "{}", write.name);
    }
}

/// Asserts that every write was applied, just now or before.
pub(crate) fn all_done_or_repeated(written: &[Written]) {
    for write in written {
        assert!([write.done, write.repeated].contains(&&*write.outcome), "{}: {}", write.name, write.outcome);
    }
}

/// Asserts that every write was applied before.
pub(crate) fn all_repeated(written: &[Written]) {
    for write in written {
        assert_eq!(write.outcome, write.repeated, "{}", write.name);
    }
}
