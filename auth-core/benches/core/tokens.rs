//! Compares refresh tokens with the bare cryptography: a forged one refused, and a whole refresh in memory.

use std::hint::black_box;
use std::time::Duration;

use auth_core::{
    Auth, Client, Email, KeyRing, Mailbox, MemoryStore, Password, Policy, RateLimits, RootSecret, Rule,
};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::ratio::{Failure, Named, compare, medians};

pub(crate) const SECRET: &str = "n4Qm8Zr2Xv6Lw0Ks9Tb3NcYd7Hg1Jf5P";
pub(crate) const ADDRESS: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Longest refusal of a forged refresh token: 5 µs, so that one core refuses 200,000 in a second.
const FORGED_AT_MOST: Duration = Duration::from_micros(5);

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
    let newest = runtime.block_on(auth.log_in(ADDRESS, Password::new(PASSWORD), &client))?;
    forged(&runtime, &auth, &client, &newest.refresh_token.expose())?;

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

/// Measures the refusal of a token whose tag is wrong, whole: with its limit and its event.
fn forged(
    runtime: &tokio::runtime::Runtime,
    auth: &Auth,
    client: &Client,
    genuine: &str,
) -> Result<(), Failure> {
    let bare = Hmac::<Sha256>::new(&[7; 64].into());
    let (last, start) = (genuine.chars().last(), genuine.get(..genuine.len() - 1).unwrap_or_default());
    let text = format!("{start}{}", if last == Some('A') { 'Q' } else { 'A' });
    let [refused, mac] = medians(
        "a forged refresh token refused",
        21,
        20_000,
        [
            (
                "Auth::refresh",
                Box::new(|| assert!(runtime.block_on(auth.refresh(&text, client)).is_err(), "refused")),
            ),
            (
                "bare HMAC-SHA-256 of as many bytes",
                Box::new(|| drop(black_box(bare.clone().chain_update(black_box([0_u8; 50])).finalize()))),
            ),
        ],
    );
    compare("a forged refresh token refused", refused, Named("its one HMAC, bare", mac), None);
    if refused.wall > FORGED_AT_MOST {
        return Err(format!("a forged token costs {:?}, more than {FORGED_AT_MOST:?}", refused.wall).into());
    }
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
