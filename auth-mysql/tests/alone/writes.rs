//! Every write that the traits have, each on records of its own.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use auth_core::store::{EmailVerification, NewPassword};
use auth_core::{
    Epoch, OneTimeToken, Outbox, PasswordHash, Session, StoreError, TokenStore, User, UserStatus, UserStore,
};
use auth_mysql::MySqlStore;
use auth_testkit::samples::{self, at};

pub(crate) struct Write {
    pub(crate) name: &'static str,
    /// What it says when it is carried out.
    pub(crate) done: &'static str,
    /// What it says when it was carried out before.
    pub(crate) repeated: &'static str,
    pub(crate) call: Pin<Box<dyn Future<Output = String> + Send>>,
}

/// The outcome of a write, or the kind of its failure.
fn told<T: Debug>(outcome: Result<T, StoreError>) -> String {
    outcome.map_or_else(|error| format!("{:?}", error.kind()), |outcome| format!("{outcome:?}"))
}

/// Makes what the writes are about.
pub(crate) async fn prepare(store: &MySqlStore) {
    for number in 2..=8 {
        let _ = UserStore::insert(store, &samples::user(number)).await.unwrap();
    }
    let stale = User { created_at: at(-10), ..samples::user(9) };
    let _ = UserStore::insert(store, &stale).await.unwrap();
    for number in [1, 2] {
        store.insert_session(&samples::session(number)).await.unwrap();
    }
    let ended = Session { idle_expires_at: at(-10), ..samples::session(9) };
    store.insert_session(&ended).await.unwrap();
    let _ = store.insert_one_time(&samples::one_time(1)).await.unwrap();
    let ended = OneTimeToken { expires_at: at(-10), ..samples::one_time(9) };
    let _ = store.insert_one_time(&ended).await.unwrap();
    for number in 11..=15 {
        Outbox::insert(store, &samples::intent(number)).await.unwrap();
    }
    assert_eq!(store.claim(at(0), at(600), 10).await.unwrap().len(), 5);
    for (number, buried_at) in [(14, at(0)), (15, at(-10))] {
        let _ = store.bury(samples::intent_id(number), 1, buried_at, "refused").await.unwrap();
    }
    let mut due = samples::intent(16);
    due.created_at = at(-100);
    Outbox::insert(store, &due).await.unwrap();
}

macro_rules! writes {
    ($store:ident; $($name:literal: $call:expr => $done:literal, then $repeated:literal;)*) => {
        vec![$({
            let $store = $store.clone();
            let call = Box::pin(async move { told($call.await) });
            Write { name: $name, done: $done, repeated: $repeated, call }
        }),*]
    };
}

/// The writes, to be awaited in any order or together.
pub(crate) fn writes(store: &MySqlStore) -> Vec<Write> {
    let epoch = Epoch::from_u64(1);
    let hash = || PasswordHash::from_stored("$argon2id$y");
    writes! { store;
        "insert a user": UserStore::insert(&store, &samples::user(1)) => "Inserted", then "Conflict";
        "verify_email": store.verify_email(samples::user_id(2), epoch, &EmailVerification { at: at(5), activate: None })
            => "Applied", then "Lost";
        "set_password": store.set_password(samples::user_id(3), epoch,
            &NewPassword { password_hash: hash(), at: at(5), email_verified_at: Some(at(5)) }) => "Applied", then "Lost";
        "rehash_password": store.rehash_password(samples::user_id(4), epoch, &hash()) => "Applied", then "Applied";
        "set_status": store.set_status(samples::user_id(5), epoch, UserStatus::Disabled) => "Applied", then "Lost";
        "advance_epoch": store.advance_epoch(samples::user_id(6), epoch) => "Applied", then "Lost";
        "delete": store.delete(samples::user_id(7)) => "Deleted", then "NotFound";
        "contest": store.contest(&samples::user(8).email, samples::user_id(99), at(5)) => "Applied", then "Applied";
        "purge_unverified": store.purge_unverified(at(-5), 10) => "1", then "0";
        "insert_session": store.insert_session(&samples::session(10)) => "()", then "Conflict";
        "rotate": store.rotate(&samples::rotation(1, 0)) => "Applied", then "Lost";
        "revoke_session": store.revoke_session(samples::user_id(0), samples::session_id(2)) => "Revoked", then "NotFound";
        "purge_sessions": store.purge_sessions(at(-5), 10) => "1", then "0";
        "insert_one_time": store.insert_one_time(&samples::one_time(10)) => "Inserted", then "Exists";
        "spend": store.spend(samples::intent_id(1), at(5)) => "Spent", then "NotSpendable";
        "purge_one_time": store.purge_one_time(at(-5), 10) => "1", then "0";
        "insert an intent": Outbox::insert(&store, &samples::intent(10)) => "()", then "()";
        "claim": claim(&store) => "1", then "0";
        "complete": store.complete(samples::intent_id(11), 1) => "Settled", then "LeaseLost";
        "retry": store.retry(samples::intent_id(12), 1, at(700)) => "Settled", then "Settled";
        "bury": store.bury(samples::intent_id(13), 1, at(0), "refused") => "Settled", then "LeaseLost";
        "remove_dead_letter": store.remove_dead_letter(samples::intent_id(14)) => "Removed", then "NotFound";
        "purge_dead_letters": store.purge_dead_letters(at(-5), 10) => "1", then "0";
    }
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
        written.push(Written { name, done, repeated, told: call.await.unwrap() });
    }
    written
}

/// A write and what it said.
#[derive(Debug)]
pub(crate) struct Written {
    name: &'static str,
    done: &'static str,
    repeated: &'static str,
    told: String,
}

/// Every write said that the database cannot be used.
pub(crate) fn all_unavailable(written: &[Written]) -> usize {
    for write in written {
        assert_eq!(write.told, "Unavailable", "{}", write.name);
    }
    written.len()
}

/// Every write was carried out just now.
pub(crate) fn all_done(written: &[Written]) {
    for write in written {
        assert_eq!(write.told, write.done, "{}", write.name);
    }
}

/// Every write was carried out, just now or before.
pub(crate) fn all_done_or_repeated(written: &[Written]) {
    for write in written {
        assert!([write.done, write.repeated].contains(&&*write.told), "{}: {}", write.name, write.told);
    }
}

/// Every write had been carried out before.
pub(crate) fn all_repeated(written: &[Written]) {
    for write in written {
        assert_eq!(write.told, write.repeated, "{}", write.name);
    }
}
