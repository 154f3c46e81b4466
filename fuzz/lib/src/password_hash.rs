//! The loader of stored password hashes: a text matches a password only where its algorithm says so, and
//! none costs more than the caps, or the thread that reads it.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier as _;
use auth_core::{BcryptImport, HashingPolicy, HashingPool, Password, PasswordHash, SystemRandom, Verified};
use auth_testkit::cheap_hashing;

use crate::service::wait;

const PASSWORD: &str = "correct horse battery";

static POOL: LazyLock<HashingPool> =
    LazyLock::new(|| HashingPool::start(&policy(), None, Arc::new(SystemRandom)).unwrap());

fn policy() -> HashingPolicy {
    let mut policy = cheap_hashing();
    (policy.max_memory_kib, policy.max_iterations, policy.max_parallelism) = (256, 3, 2);
    policy.bcrypt = BcryptImport::Accept { cost: 4 };
    policy
}

pub(crate) fn run(input: &[u8]) {
    let before = POOL.stats().argon2_kib;
    holds(input, |stored| {
        // `Failed` would be a panic of the thread.
        match wait(POOL.verify(&Password::new(PASSWORD), Some(&stored))).expect("a verdict") {
            Verified::NoMatch => false,
            Verified::Match => true,
            Verified::MatchOutdated(new) => {
                let again = wait(POOL.verify(&Password::new(PASSWORD), Some(&new))).unwrap();
                assert!(matches!(again, Verified::Match), "{}", new.expose());
                true
            }
        }
    });
    // At most the caps, twice, and a hash of today's, made and read.
    let written = POOL.stats().argon2_kib - before;
    assert!(written <= 2 * (256 * 3 + 64), "{written} KiB for {:?}", String::from_utf8_lossy(input));
}

/// Compares the beginning of the tag alone.
pub(crate) fn run_broken(input: &[u8]) {
    let good = "$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$";
    holds(input, |stored| stored.expose().starts_with(good));
}

fn holds(input: &[u8], matches: impl Fn(PasswordHash) -> bool) {
    let Ok(text) = str::from_utf8(input) else { return };
    if matches(PasswordHash::from_stored(text)) {
        assert!(reference(text), "{text:?}");
    }
}

fn reference(text: &str) -> bool {
    if text.starts_with("$2") {
        return bcrypt::verify(PASSWORD, text).unwrap_or_default();
    }
    let parsed = argon2::password_hash::phc::PasswordHash::new(text);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(PASSWORD.as_bytes(), &hash).is_ok())
}
