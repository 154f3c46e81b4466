//! A damaged record is reported with table, column and id.

use std::error::Error as _;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use auth_core::store::{GuardedWrite, Settlement, UserInsert};
use auth_core::{Email, Epoch, Outbox, StoreError, StoreErrorKind, TokenStore, User, UserStore};
use auth_sqlite::SqliteStore;
use sqlx::AssertSqlSafe;

use crate::scratch::{Scratch, raw_connection};
use auth_testkit::samples;

/// A store with one record in every table, all numbered 1, and its path.
async fn filled() -> (Scratch, PathBuf, SqliteStore) {
    let scratch = Scratch::new();
    let path = scratch.file("auth.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let _ = UserStore::insert_user(&store, &samples::user(1)).await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();
    let _ = store.insert_one_time(&samples::one_time(1)).await.unwrap();
    Outbox::insert_intent(&store, &samples::intent(1)).await.unwrap();
    (scratch, path, store)
}

/// Writes a value that the checks of the schema would refuse.
async fn damage(path: &Path, sql: String) {
    let mut raw = raw_connection(path).await;
    sqlx::raw_sql("PRAGMA ignore_check_constraints = ON").execute(&mut raw).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

fn is_corrupt<T: Debug>(outcome: Result<T, StoreError>, place: &str) {
    let error = outcome.expect_err(place);
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{place}");
    let text = error.source().unwrap().to_string();
    let id = "00000000000000000000000000000001";
    assert_eq!(text, format!("{place} is invalid where id = x'{id}'"));
}

#[tokio::test]
async fn an_invalid_user_is_corrupt() {
    for (column, value) in [
        ("email", "CAST(x'ff' AS TEXT)"),
        ("email_canonical", "CAST(x'ff' AS TEXT)"),
        ("name", "CAST(x'ff' AS TEXT)"),
        ("epoch", "-1"),
        ("status", "'asleep'"),
        ("created_at", "9223372036854775807"),
        ("email_verified_at", "-9223372036854775807"),
    ] {
        let (_scratch, path, store) = filled().await;
        damage(&path, format!("UPDATE auth_users SET {column} = {value}")).await;
        let place = format!("auth_users.{column}");
        is_corrupt(store.find_by_id(samples::user_id(1)).await, &place);
        if column != "email_canonical" {
            is_corrupt(store.find_by_email(&samples::user(1).email).await, &place);
        }
    }
}

#[tokio::test]
async fn an_address_that_contradicts_its_canonical_form_is_corrupt() {
    let (_scratch, path, store) = filled().await;
    damage(&path, "UPDATE auth_users SET email = 'mallory@example.com'".to_owned()).await;
    is_corrupt(store.find_by_id(samples::user_id(1)).await, "auth_users.email_canonical");
}

#[tokio::test]
async fn an_invalid_session_is_corrupt() {
    for (column, value) in [
        ("user_id", "x'01'"),
        ("epoch", "-1"),
        ("generation", "4294967296"),
        ("digest", "zeroblob(31)"),
        ("rotated_at", "9223372036854775807"),
        ("ip", "'192.0.2.256'"),
    ] {
        let (_scratch, path, store) = filled().await;
        damage(&path, format!("UPDATE auth_sessions SET {column} = {value}")).await;
        let place = format!("auth_sessions.{column}");
        is_corrupt(store.find_session(samples::session_id(1)).await, &place);
        if column != "user_id" {
            is_corrupt(store.find_sessions_by_user(samples::user_id(0)).await, &place);
        }
    }
}

#[tokio::test]
async fn an_invalid_one_time_token_is_corrupt() {
    for (column, value) in [
        ("purpose", "'log_in'"),
        ("email", "CAST(x'ff' AS TEXT)"),
        ("digest", "x''"),
        ("registration_name", "CAST(x'ff' AS TEXT)"),
        ("spent_at", "9223372036854775807"),
    ] {
        let (_scratch, path, store) = filled().await;
        damage(&path, format!("UPDATE auth_one_time_tokens SET {column} = {value}")).await;
        is_corrupt(
            store.find_one_time(samples::intent_id(1)).await,
            &format!("auth_one_time_tokens.{column}"),
        );
    }
    let (_scratch, path, store) = filled().await;
    damage(&path, "UPDATE auth_one_time_tokens SET registration_password_hash = NULL".to_owned()).await;
    let found = store.find_one_time(samples::intent_id(1)).await;
    is_corrupt(found, "auth_one_time_tokens.registration_name");
}

#[tokio::test]
async fn an_invalid_dead_letter_is_corrupt() {
    for (column, value) in
        [("payload", "CAST(x'ff' AS TEXT)"), ("attempts", "-1"), ("dead_lettered_at", "9223372036854775807")]
    {
        let (_scratch, path, store) = filled().await;
        damage(&path, "UPDATE auth_outbox SET dead_lettered_at = 1, reason = 'lost'".to_owned()).await;
        damage(&path, format!("UPDATE auth_outbox SET {column} = {value}")).await;
        let place = format!("auth_outbox.{column}");
        is_corrupt(store.find_dead_letter(samples::intent_id(1)).await, &place);
        is_corrupt(store.dead_letters(10).await, &place);
    }
}

#[tokio::test]
async fn an_invalid_intent_does_not_delay_others() {
    let (_scratch, path, store) = filled().await;
    damage(&path, "UPDATE auth_outbox SET created_at = 9223372036854775807".to_owned()).await;
    Outbox::insert_intent(&store, &samples::intent(2)).await.unwrap();

    let claimed = store.claim(samples::at(10), samples::at(60), 10).await.unwrap();
    let ids: Vec<_> = claimed.iter().map(|claimed| claimed.intent.id).collect();
    assert_eq!(ids, [samples::intent_id(2)]);
    let settled = store.complete(samples::intent_id(2), 1).await.unwrap();
    assert_eq!(settled, Settlement::Settled);

    // It was leased like the other, and is reported once no other is due.
    assert!(store.claim(samples::at(59), samples::at(60), 10).await.unwrap().is_empty());
    is_corrupt(store.claim(samples::at(60), samples::at(120), 10).await, "auth_outbox.created_at");
    let error = store.stats().await.expect_err("the oldest has an invalid time");
    assert_eq!(error.source().unwrap().to_string(), "auth_outbox.created_at is invalid");
}

#[tokio::test]
async fn an_epoch_too_large_is_refused_and_matches_no_user() {
    let store = SqliteStore::in_memory().await.unwrap();
    let beyond = Epoch::from_u64(1 << 63);
    let user = User { epoch: beyond, ..samples::user(1) };
    let error = UserStore::insert_user(&store, &user).await.expect_err("the epoch does not fit");
    assert_eq!(error.source().unwrap().to_string(), "auth_users.epoch is invalid");
    let last = User { epoch: Epoch::from_u64((1 << 63) - 1), ..user };
    assert_eq!(UserStore::insert_user(&store, &last).await.unwrap(), UserInsert::Inserted);
    assert_eq!(store.advance_epoch(last.id, beyond).await.unwrap(), GuardedWrite::Stale);
    // The largest epoch cannot be advanced, and the user stays unchanged.
    let error = store.advance_epoch(last.id, last.epoch).await.expect_err("there is no next epoch");
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert_eq!(store.find_by_id(last.id).await.unwrap().unwrap().epoch, last.epoch);
}

#[tokio::test]
async fn a_user_whose_id_and_address_both_exist_is_a_conflict() {
    let store = SqliteStore::in_memory().await.unwrap();
    let user = samples::user(1);
    let _ = UserStore::insert_user(&store, &user).await.unwrap();
    let error = UserStore::insert_user(&store, &user).await.expect_err("the id exists");
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    let other = User { id: samples::user_id(2), email: Email::parse("ada1@EXAMPLE.com").unwrap(), ..user };
    assert_eq!(UserStore::insert_user(&store, &other).await.unwrap(), UserInsert::EmailTaken);
}
