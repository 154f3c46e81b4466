//! Guarantee 10, one layer deeper: for every class of account the same SQL, statement by statement.
//!
//! A separate program, because it reads the whole process's log.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use auth_core::store::{UserInsert, UserStore};
use auth_core::{BcryptImport, Client, Email, Password, PasswordHash, RateLimits, User};
use auth_sqlite::SqliteStore;
use auth_tests::{PASSWORD, SqlLog, World, client};

const EVERYBODY: [&str; 7] =
    ["unknown", "verified", "disabled", "unverified", "contested", "passwordless", "bcrypt"];

/// Accounts that get a link to set a new password.
const LINKED: [&str; 5] = ["verified", "unverified", "contested", "passwordless", "bcrypt"];

/// `$2a$` of "U*U", cost 5.
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

fn address(name: &str) -> String {
    format!("{name}@example.com")
}

/// One account of every class but the unknown one.
async fn world_of_all(store: Arc<SqliteStore>) -> World {
    let world = World::on(store, |policy| {
        policy.limits = RateLimits::none();
        policy.hashing.bcrypt = BcryptImport::Accept { cost: 5 };
    });
    let verified = world.user(&address("verified")).await;
    let disabled = world.user(&address("disabled")).await;
    world.auth.disable_user(disabled.id).await.unwrap();
    world.register(&address("unverified"), PASSWORD).await;
    for _ in 0..2 {
        world.register(&address("contested"), PASSWORD).await;
    }
    for (name, hash) in [("passwordless", None), ("bcrypt", Some(PasswordHash::from_stored(BCRYPT)))] {
        let temporary = world.user(&address("temporary")).await;
        world.auth.delete_user(temporary.id).await.unwrap();
        let email = Email::parse(&address(name)).unwrap();
        let user = User { id: temporary.id, email, password_hash: hash, ..verified.clone() };
        let inserted = UserStore::insert_user(world.store.inner(), &user).await;
        assert_eq!(inserted.unwrap(), UserInsert::Inserted);
    }
    world.auth.deliver_due_mails().await.unwrap();
    world
}

/// Makes one kind of request for each of these accounts. Returns the first whose answer or statements differ
/// from those of the one before.
async fn first_difference<T, E: Debug, F: Future<Output = Result<T, E>>>(
    statements: &SqlLog,
    accounts: &[&'static str],
    least: usize,
    request: impl Fn(String, Client) -> F,
) -> Option<&'static str> {
    let mut first: Option<(String, Vec<String>)> = None;
    for &name in accounts {
        statements.take();
        let answer = format!("{:?}", request(address(name), client()).await.map(|_| ()));
        let run = statements.take();
        assert!(run.len() >= least, "{name}: {run:?}");
        let this = (answer, run);
        if *first.get_or_insert_with(|| this.clone()) != this {
            println!("{name}: {this:?}, and not {first:?}");
            return Some(name);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_of_account_is_answered_with_the_same_sql() {
    let statements = SqlLog::of_the_process();
    tracing::subscriber::set_global_default(statements.clone()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path().join("auth.db")).await.unwrap());
    let world = world_of_all(store).await;
    let auth = &world.auth;
    let wrong = || Password::new("not the password");
    let long = || Password::new("x".repeat(5_000));

    let everybody =
        first_difference(&statements, &EVERYBODY, 1, async |to, from| auth.log_in(&to, wrong(), &from).await);
    assert_eq!(everybody.await, None);
    let everybody =
        first_difference(&statements, &EVERYBODY, 1, async |to, from| auth.log_in(&to, long(), &from).await);
    assert_eq!(everybody.await, None);
    let everybody =
        first_difference(&statements, &EVERYBODY, 1, async |to, from| auth.forgot_password(&to, &from).await);
    assert_eq!(everybody.await, None);
    let everybody = first_difference(&statements, &EVERYBODY, 1, async |to, from| {
        auth.resend_verification(&to, &from).await
    });
    assert_eq!(everybody.await, None);
    let register = async |to: String, from| auth.register(&to, wrong(), Some("Ada"), &from).await;
    assert_eq!(first_difference(&statements, &EVERYBODY, 3, register).await, None);

    // Who has the name of a link and not its secret.
    let mut links = HashMap::new();
    for name in LINKED {
        let link = world.reset_token(&address(name)).await;
        links.insert(address(name), format!("{}.{}", link.split_once('.').unwrap().0, "A".repeat(43)));
    }
    let reset = async |to: String, from| auth.reset_password(&links[&to], wrong(), &from).await;
    assert_eq!(first_difference(&statements, &LINKED, 1, reset).await, None);

    // Negative control: a flow that reads a verified user once more.
    let looks_twice = async |to: String, from| {
        if auth.find_user(&to).await.is_ok_and(|user| user.email_verified_at.is_some()) {
            auth.find_user(&to).await.unwrap();
        }
        auth.forgot_password(&to, &from).await
    };
    assert_eq!(first_difference(&statements, &EVERYBODY, 1, looks_twice).await, Some("verified"));
}
