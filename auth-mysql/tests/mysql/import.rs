//! Imported users of another system log in with their old passwords.

use std::num::NonZeroUsize;
use std::sync::Arc;

use auth_core::store::{ImportProgress, import_users};
use auth_core::{Clock as _, Password, PasswordHash, SystemClock, SystemRandom, User, UserId};
use auth_mysql::MySqlStore;

use auth_testkit::samples;

use auth_tests::server::service;

use crate::server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imported_users_log_in_with_their_bcrypt_hashes() {
    let scratch = server::Scratch::new("import").await;
    let store = MySqlStore::connect(scratch.url()).await.unwrap();
    let now = SystemClock.now();
    // From jBCrypt's own test vectors.
    let hash = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
    let users: Vec<User> = (0..1_000)
        .map(|number| User {
            id: UserId::generate(now, &SystemRandom).unwrap(),
            password_hash: Some(PasswordHash::from_stored(hash)),
            email_verified_at: Some(now),
            ..samples::user(number)
        })
        .collect();
    let batch = NonZeroUsize::new(100).unwrap();
    let mut reports = 0;
    let report = |_: &ImportProgress| reports += 1;
    let done = import_users(Arc::new(store.clone()), users.clone(), batch, report).await.unwrap();
    assert_eq!((done.inserted, reports), (1_000, 10));
    let again = import_users(Arc::new(store.clone()), users, batch, |_| {}).await.unwrap();
    assert_eq!((again.inserted, again.present), (0, 1_000));
    let (auth, ..) = service::service(store);
    auth.log_in("ada7@example.com", Password::new("a"), &service::client()).await.unwrap();
    assert!(auth.log_in("ada7@example.com", Password::new("b"), &service::client()).await.is_err());
}
