//! Compares single steps of the flows with the bare work underneath.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use auth_core::rotation::{Decision, decide};
use auth_core::store::{TokenStore, UserStore};
use auth_core::{
    AcquireOutcome, Bucket, Client, InProcessLimiter, KeyRing, MemoryStore, Password, RateLimiter,
    RefreshKeys, RefreshPolicy, RefreshToken, RootSecret, Rule, SystemClock,
};
use governor::{Quota, RateLimiter as Governor};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};

use crate::ratio::{Failure, Named, compare, medians};
use crate::tokens::{ADDRESS, PASSWORD, SECRET, service};

pub(crate) fn compare_all() -> Result<(), Failure> {
    refresh_tokens()?;
    limiter()
}

fn refresh_tokens() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let store = MemoryStore::new();
    let auth = service(&store, KeyRing::hs256(SECRET)?, &runtime)?;
    let grant = runtime.block_on(auth.log_in(ADDRESS, Password::new(PASSWORD), &Client::unknown()))?;
    let session = runtime.block_on(store.find_session(grant.session.id))?.ok_or("the session is gone")?;
    let user = runtime.block_on(store.find_by_id(grant.user.id))?.ok_or("the user is gone")?;
    let keys = RefreshKeys::new(&RootSecret::new(SECRET)?);
    let (token, policy, now) = (grant.refresh_token, RefreshPolicy::default(), session.rotated_at);
    let text = token.expose();
    let mac = Hmac::<Sha256>::new(&[7; 64].into());
    let derive = || {
        black_box(mac.clone().chain_update(black_box([0_u8; 62])).finalize());
    };
    let digest = || {
        black_box(Sha256::digest(black_box([0_u8; 74])));
    };
    let [derived, bare_derived, decided, bare_decided] = medians(
        "one refresh token",
        21,
        20_000,
        [
            (
                "parsed, its child derived and digested",
                Box::new(|| {
                    let child = RefreshToken::parse(&text, &keys).ok().and_then(|token| token.child(&keys));
                    black_box(child.map(|child| child.digest(user.id)));
                }),
            ),
            ("3 bare HMAC-SHA-256 and SHA-256", Box::new(|| (derive(), derive(), derive(), digest()).0)),
            (
                "decision::decide, to rotate",
                Box::new(|| {
                    let decision = decide(&keys, Some(&session), Some(&user), &token, now, &policy);
                    assert!(matches!(decision, Decision::Rotate(_)), "a current token");
                }),
            ),
            ("bare SHA-256 and 2 HMAC-SHA-256", Box::new(|| (digest(), derive(), derive()).0)),
        ],
    );
    let floor = Named("three HMACs and one SHA-256, bare", bare_derived);
    compare("refresh token parsed, child derived and digested", derived, floor, Some(3.0));
    let floor = Named("two HMACs and one SHA-256, bare", bare_decided);
    compare("refresh decided", decided, floor, Some(3.0));
    Ok(())
}

fn limiter() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let limiter = InProcessLimiter::new(Arc::new(SystemClock));
    let governor = Governor::keyed(Quota::per_second(NonZeroU32::MAX));
    let rule = Rule::Quota { count: 1_000_000_000, window: Duration::from_secs(1) };
    let (mut ours, mut theirs) = (0_u32, 0_u32);
    let next = |number: &mut u32| {
        let mut key = [0; 16];
        *number = (*number + 1) % 1_000;
        let (head, _) = key.split_at_mut(4);
        head.copy_from_slice(&number.to_be_bytes());
        Bucket { limit: "log_in_client", key }
    };
    let [checked, bare] = medians(
        "one place reserved, of a thousand buckets",
        21,
        50_000,
        [
            (
                "InProcessLimiter::reserve",
                Box::new(|| {
                    let granted = runtime.block_on(limiter.acquire(&next(&mut ours), &rule));
                    assert!(matches!(granted, Ok(AcquireOutcome::Granted { .. })), "no place");
                }),
            ),
            (
                "bare governor, keyed",
                Box::new(|| assert!(governor.check_key(&next(&mut theirs)).is_ok(), "no place")),
            ),
        ],
    );
    compare("rate limit checked", checked, Named("governor, bare", bare), None);
    Ok(())
}
