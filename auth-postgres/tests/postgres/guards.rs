//! Each guard is on the row that its statement writes. Two transactions are held open by hand: one changes
//! what the guard looks at, the write waits for it, and decides by what was committed.
//!
//! A control shows what other statements do: a guard that looks at another table keeps the old picture of
//! it, and lets through what was revoked.

use auth_core::store::{EmailVerification, GuardedWrite, NewEmail, NewPassword, SetEmailOutcome, Spend};
use auth_core::{Email, PasswordHash, TokenStore as _, UserStatus, UserStore as _};
use auth_postgres::PgStore;
use auth_testkit::samples::{self, at};
use sqlx::{Connection as _, Executor as _};
use tokio::task::JoinHandle;

use crate::server::{self, Scratch, run};

/// Changes a record in an open transaction, starts the write, and commits once the write waits.
async fn overtaken<T: Send + 'static>(
    scratch: &Scratch,
    change: &str,
    write: impl Future<Output = T> + Send + 'static,
) -> T {
    let (mut first, mut observer) =
        (server::connect(scratch.url()).await, server::connect(scratch.url()).await);
    let mut held = first.begin().await.unwrap();
    run(&mut held, change).await;
    let writing: JoinHandle<T> = tokio::spawn(write);
    server::until_waiting(&mut observer).await;
    held.commit().await.unwrap();
    writing.await.unwrap()
}

async fn new(purpose: &str) -> (Scratch, PgStore) {
    let scratch = Scratch::new(purpose).await;
    let store = server::open(scratch.url()).await;
    let user = samples::user(1);
    let _ = store.insert_user(&user).await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();
    let _ = store.insert_one_time(&samples::one_time(1)).await.unwrap();
    (scratch, store)
}

macro_rules! overtaken_writes {
    ($($test:ident: $change:literal then |$store:ident| $write:expr => $lost:expr;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let (scratch, $store) = new(stringify!($test)).await;
            let outcome = overtaken(&scratch, $change, async move { $write.await.unwrap() }).await;
            assert_eq!(outcome, $lost);
        })*
    };
}

fn password() -> NewPassword {
    NewPassword {
        password_hash: PasswordHash::from_stored("$argon2id$y"),
        at: at(5),
        email_verified_at: Some(at(5)),
    }
}

fn verification() -> EmailVerification {
    EmailVerification { at: at(5), activate: None }
}

fn new_email() -> NewEmail {
    NewEmail { email: Email::parse("grace@example.com").unwrap(), at: at(5) }
}

const EPOCH: fn() -> (auth_core::UserId, auth_core::Epoch) = || (samples::user(1).id, samples::user(1).epoch);

overtaken_writes! {
    a_rotation_is_overtaken_by_a_rotation:
        "UPDATE auth_sessions SET generation = 1, digest = sha256('other'::bytea)"
        then |store| async move { store.rotate(&samples::rotation(1, 0)).await } => GuardedWrite::Stale;
    a_rotation_is_overtaken_by_a_revocation: "DELETE FROM auth_sessions"
        then |store| async move { store.rotate(&samples::rotation(1, 0)).await } => GuardedWrite::Stale;
    a_new_password_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move { store.set_password(EPOCH().0, EPOCH().1, &password()).await } => GuardedWrite::Stale;
    a_verification_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move { store.verify_email(EPOCH().0, EPOCH().1, &verification()).await } => GuardedWrite::Stale;
    a_verification_is_overtaken_by_another: "UPDATE auth_users SET email_verified_at = now()"
        then |store| async move { store.verify_email(EPOCH().0, EPOCH().1, &verification()).await } => GuardedWrite::Stale;
    a_new_address_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move { store.set_email(EPOCH().0, EPOCH().1, &new_email()).await } => SetEmailOutcome::Stale;
    a_new_name_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move { store.set_name(EPOCH().0, EPOCH().1, None).await } => GuardedWrite::Stale;
    a_rehash_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move {
            store.rehash_password(EPOCH().0, EPOCH().1, &PasswordHash::from_stored("$argon2id$z")).await
        } => GuardedWrite::Stale;
    a_status_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move { store.set_status(EPOCH().0, EPOCH().1, UserStatus::Disabled).await } => GuardedWrite::Stale;
    an_epoch_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move { store.advance_epoch(EPOCH().0, EPOCH().1).await } => GuardedWrite::Stale;
    a_deletion_is_overtaken_by_an_epoch: "UPDATE auth_users SET epoch = epoch + 1"
        then |store| async move { store.delete(EPOCH().0, EPOCH().1).await } => GuardedWrite::Stale;
    a_deletion_of_an_unverified_user_is_overtaken_by_its_proof: "UPDATE auth_users SET email_verified_at = now()"
        then |store| async move { store.delete_unverified(EPOCH().0, EPOCH().1).await } => GuardedWrite::Stale;
    a_spend_is_overtaken_by_a_spend: "UPDATE auth_one_time_tokens SET spent_at = now()"
        then |store| async move { store.spend(samples::intent_id(1), at(5)).await } => Spend::NotSpendable;
}

/// The statement that joined stores use elsewhere: the token may be used while its session lives. It waits
/// for the row of the token alone, and afterwards still sees the session as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_over_another_table_lets_a_revoked_session_through() {
    let scratch = Scratch::new("joined_guard").await;
    let mut setup = server::connect(scratch.url()).await;
    run(&mut setup, "CREATE TABLE session (id int PRIMARY KEY, revoked bool NOT NULL)").await;
    run(&mut setup, "CREATE TABLE token (id int PRIMARY KEY, session_id int NOT NULL, used bool NOT NULL)")
        .await;
    run(&mut setup, "INSERT INTO session VALUES (1, false); INSERT INTO token VALUES (1, 1, false)").await;
    let unsafe_use = "UPDATE token SET used = true WHERE id = 1 AND NOT used \
        AND EXISTS (SELECT 1 FROM session WHERE session.id = session_id AND NOT revoked)";
    let mut other = server::connect(scratch.url()).await;
    // The revocation touches the token, too, so that the use waits for it.
    let revoke = "UPDATE session SET revoked = true; UPDATE token SET session_id = session_id";
    let used =
        overtaken(&scratch, revoke, async move { other.execute(unsafe_use).await.unwrap().rows_affected() });
    assert_eq!(used.await, 1, "if this is 0, PostgreSQL has changed");
}
