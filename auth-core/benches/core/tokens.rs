//! Compares refresh tokens with the bare cryptography: steps of the chain, and a whole refresh in memory.

use std::hint::black_box;
use std::time::Duration;

use auth_core::rotation::{Proof, prove};
use auth_core::store::TokenStore;
use auth_core::{
    Auth, ChainKey, Client, Email, KeyRing, Mailbox, MemoryStore, Password, Policy, RateLimits, RootSecret,
    Rule,
};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::ratio::{Failure, Named, compare, medians};

pub(crate) const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";
pub(crate) const ADDRESS: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
/// The generations of the measured walk.
const GENERATIONS: u32 = 1000;

/// The same claims, parsed by the library underneath.
#[derive(Serialize, Deserialize)]
pub(crate) struct BareClaims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    jti: String,
    iat: i64,
    exp: i64,
    auth_time: i64,
    epoch: u64,
}

pub(crate) fn compare_all() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let store = MemoryStore::new();
    let auth = service(&store, KeyRing::hs256(SECRET)?, &runtime)?;
    let client = Client::unknown();
    let grant = runtime.block_on(auth.log_in(ADDRESS, Password::new(PASSWORD), &client))?;
    let first = grant.refresh_token.clone();
    let mut newest = grant;
    for _ in 0..GENERATIONS {
        newest = runtime.block_on(auth.refresh(&newest.refresh_token.expose(), &client))?;
    }
    let session = runtime.block_on(store.find_session(newest.session.id))?.ok_or("the session is gone")?;
    let chain = ChainKey::new(&RootSecret::new(SECRET)?);
    let bare = Hmac::<Sha256>::new(&[7; 64].into());
    let [walk, macs] = medians(
        "a replay from 1,000 generations ago, recognised",
        21,
        20,
        [
            (
                "decision::prove",
                Box::new(|| assert_eq!(prove(&chain, &session, &first, 4096), Proof::Older(GENERATIONS))),
            ),
            (
                "bare HMAC-SHA-256 of as many bytes, as often",
                Box::new(|| {
                    for _ in 0..GENERATIONS {
                        black_box(bare.clone().chain_update(black_box([0_u8; 62])).finalize());
                    }
                }),
            ),
        ],
    );
    println!("  per generation {:>39.0?}", walk.wall / GENERATIONS);
    compare(
        "a replay from 1,000 generations ago, recognised",
        walk,
        Named("1,000 bare HMACs", macs),
        Some(2.0),
    );

    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let claims: BareClaims =
        jsonwebtoken::decode(newest.access_token.expose(), &key, &validation(Algorithm::HS256))?.claims;
    let (header, key) = (Header::new(Algorithm::HS256), EncodingKey::from_secret(SECRET.as_bytes()));
    let mut token = newest.refresh_token.expose();
    let [refresh, encode] = medians(
        "one refresh over memory, with its events and limits",
        21,
        2_000,
        [
            (
                "Auth::refresh",
                Box::new(|| {
                    let Ok(grant) = runtime.block_on(auth.refresh(&token, &client)) else { return };
                    token = grant.refresh_token.expose();
                }),
            ),
            (
                "bare jsonwebtoken::encode, its one signature",
                Box::new(|| drop(black_box(jsonwebtoken::encode(&header, &claims, &key)))),
            ),
        ],
    );
    compare("a refresh over memory", refresh, Named("its one signature, bare", encode), Some(10.0));
    Ok(())
}

/// Builds a service in memory with one verified user, and with limits that are never reached.
pub(crate) fn service(
    store: &MemoryStore,
    ring: KeyRing,
    runtime: &tokio::runtime::Runtime,
) -> Result<Auth, Failure> {
    let mailbox = Mailbox::new();
    let mut policy = Policy::default();
    policy.limits = RateLimits::none();
    policy.limits.refresh_client = Some(Rule::Quota { count: 1_000_000_000, window: Duration::from_mins(1) });
    let auth = Auth::builder(store.clone(), mailbox.clone())
        .policy(policy)
        .key_ring(ring)
        .root_secret(RootSecret::new(SECRET)?)
        .build()?;
    let client = Client::unknown();
    runtime.block_on(async {
        auth.register(ADDRESS, Password::new(PASSWORD), None, &client).await?;
        auth.deliver_due_mails().await?;
        let mail = mailbox.last_to(&Email::parse(ADDRESS)?).ok_or("no mail arrived")?;
        let token = mail.message.token().ok_or("the mail has no link")?;
        auth.verify_email(&token.expose(), None, &client).await?;
        Ok::<_, Failure>(())
    })?;
    Ok(auth)
}

/// The requirements of `Auth` on a token, as far as the library underneath can check them.
pub(crate) fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&["auth"]);
    validation.set_audience(&["auth"]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}
