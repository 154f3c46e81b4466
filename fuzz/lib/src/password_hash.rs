//! The loader of stored password hashes: a text matches a password only if its algorithm says so. None costs more
//! than the caps, and none ends the thread that reads it.

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
    let Ok(text) = str::from_utf8(input) else { return };
    let before = POOL.stats().argon2_kib;
    if matches(&PasswordHash::from_stored(text)) {
        assert!(reference(text), "{text:?}");
    }
    // At most the caps, twice, and a current hash, made and read.
    let written = POOL.stats().argon2_kib - before;
    assert!(written <= 2 * (256 * 3 + 64), "{written} KiB for {text:?}");
}

fn matches(stored: &PasswordHash) -> bool {
    // `Failed` would be a panic of the thread.
    match wait(POOL.verify(&Password::new(PASSWORD), Some(stored))).expect("a verdict") {
        Verified::NoMatch => false,
        Verified::Match => true,
        Verified::MatchOutdated(new) => {
            let again = wait(POOL.verify(&Password::new(PASSWORD), Some(&new))).unwrap();
            assert!(matches!(again, Verified::Match), "{}", new.expose());
            true
        }
    }
}

fn reference(text: &str) -> bool {
    // Django's forms.
    let django = ["argon2", "bcrypt$"].iter().find_map(|before| text.strip_prefix(before));
    let text = django.filter(|rest| rest.starts_with('$')).unwrap_or(text);
    if text.starts_with("$2") {
        return bcrypt::verify(PASSWORD, text).unwrap_or_default();
    }
    let parsed = argon2::password_hash::phc::PasswordHash::new(text);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(PASSWORD.as_bytes(), &hash).is_ok())
}
