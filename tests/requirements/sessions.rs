//! Where sessions begin and what ends them.

use std::sync::Arc;

use auth_core::{
    BcryptImport, LogInError, Password, Policy, RateLimits, RefreshPolicy, ReuseScope, VerificationProof,
};
use auth_sqlite::SqliteStore;
use auth_tests::{PASSWORD, World, client, text};
use sqlx::Connection as _;

/// Deleting a row of the users' table by hand, in another program, ends all access: nothing else is left
/// that would let anyone in.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_by_hand_has_no_access() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("auth.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let world = World::on(Arc::new(store), |policy| policy.limits = RateLimits::none());
    world.user("ada@example.com").await;
    let tokens = world.log_in("ada@example.com").await;
    let link = world.reset_token("ada@example.com").await;
    assert!(world.lives(&tokens).await);

    let mut hand = sqlx::SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let deleted = sqlx::query("DELETE FROM auth_users").execute(&mut hand).await.unwrap();
    assert_eq!(deleted.rows_affected(), 1);
    hand.close().await.unwrap();

    assert!(!world.lives(&tokens).await);
    assert!(world.auth.refresh(&text(&tokens), &client()).await.is_err());
    assert!(world.auth.reset_password(&link, Password::new(PASSWORD), &client()).await.is_err());
    let log_in = world.auth.log_in("ada@example.com", Password::new(PASSWORD), &client()).await;
    assert!(matches!(log_in, Err(LogInError::InvalidCredentials)));
    // The address is free, and nothing of the old account comes back with it.
    world.user("ada@example.com").await;
    assert!(!world.lives(&tokens).await);
    assert!(world.auth.reset_password(&link, Password::new(PASSWORD), &client()).await.is_err());
}

/// Settings that change what a flow requires, each with a value that is not its default.
const SETTINGS: [fn(&mut Policy); 8] = [
    |policy| policy.refresh = RefreshPolicy::browser(),
    |policy| policy.refresh.reuse_scope = ReuseScope::Session,
    |policy| policy.links.verification_proof = VerificationProof::LinkAndPassword,
    |policy| policy.hashing.bcrypt = BcryptImport::Accept { cost: 4 },
    |policy| policy.password.min_length = 15,
    |policy| policy.limits = RateLimits::none(),
    |policy| policy.live_cache = std::time::Duration::ZERO,
    |policy| policy.links.reset_lifetime *= 2,
];

/// For every pair of changed settings: no unverified user logs in, a replay ends the session, and a reset
/// ends all of them.
#[tokio::test]
async fn no_pair_of_settings_disables_a_protection() {
    for (at, first) in SETTINGS.iter().enumerate() {
        for (distance, second) in SETTINGS[at..].iter().enumerate() {
            let world = World::with(|policy| {
                first(policy);
                second(policy);
            });
            protects(&world, &format!("settings {at} and {}", at + distance)).await;
        }
    }
}

async fn protects(world: &World, settings: &str) {
    let new = Password::new;
    world.register("ada@example.com", PASSWORD).await;
    let early = world.auth.log_in("ada@example.com", new(PASSWORD), &client()).await;
    assert!(matches!(early, Err(LogInError::EmailNotVerified)), "{settings}: {early:?}");
    let link = world.verification_token("ada@example.com").await;
    world.auth.verify_email(&link, Some(new(PASSWORD)), &client()).await.unwrap();

    let first = world.log_in("ada@example.com").await;
    world.wait(60);
    let second = world.auth.refresh(&text(&first), &client()).await.unwrap();
    world.wait(60);
    assert!(world.auth.refresh(&text(&first), &client()).await.is_err(), "{settings}: a replay");
    assert!(
        world.auth.refresh(&text(&second), &client()).await.is_err(),
        "{settings}: a replay ended nothing"
    );

    let before = world.log_in("ada@example.com").await;
    let link = world.reset_token("ada@example.com").await;
    world.auth.reset_password(&link, new("nineteen purple finches"), &client()).await.unwrap();
    assert!(!world.lives(&before).await, "{settings}: a reset ended nothing");
    let old = world.auth.log_in("ada@example.com", new(PASSWORD), &client()).await;
    assert!(matches!(old, Err(LogInError::InvalidCredentials)), "{settings}: the old password");
}
