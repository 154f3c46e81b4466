mod bcrypt;
mod legacy;
mod memory;
mod queue;

use std::time::Instant;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use proptest::prelude::*;

use super::*;
use crate::crypto::random::SystemRandom;

const NEW: &str = "t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE";
const OLD: &str = "wV5nB2xMk8Zr4JtQy7LsDf3GhPc6TaEu";

/// 256 KiB, 2 passes, one thread.
fn policy() -> HashingPolicy {
    HashingPolicy {
        memory_kib: 256,
        threads: 1,
        queue: 4,
        max_memory_kib: 1024,
        floor: CostFloor::Off,
        ..HashingPolicy::default()
    }
}

fn pool_with(policy: &HashingPolicy, pepper: Option<Pepper>) -> HashingPool {
    HashingPool::start(policy, pepper, Arc::new(SystemRandom)).unwrap()
}

fn pool() -> HashingPool {
    pool_with(&policy(), None)
}

fn stored(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text)
}

/// A hash made by the argon2 crate's ordinary API.
fn made_by_crate(
    algorithm: Algorithm,
    version: Version,
    (m, t, p): (u32, u32, u32),
    password: &str,
) -> PasswordHash {
    made_by(&Argon2::new(algorithm, version, Params::new(m, t, p, Some(32)).unwrap()), password)
}

fn made_by(argon2: &Argon2<'_>, password: &str) -> PasswordHash {
    let hash: phc::PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), &[9; 16]).unwrap();
    stored(&hash.to_string())
}

fn argon2id(m: u32, t: u32, password: &str) -> PasswordHash {
    made_by_crate(Algorithm::Argon2id, Version::V0x13, (m, t, 1), password)
}

async fn verify(pool: &HashingPool, password: &str, hash: &PasswordHash) -> Verified {
    pool.verify(&Password::new(password), Some(hash)).await.unwrap()
}

/// The new hash of a match that must have been outdated, already shown to be up to date.
async fn upgraded(pool: &HashingPool, password: &str, hash: &PasswordHash) -> PasswordHash {
    let Verified::MatchOutdated(new) = verify(pool, password, hash).await else {
        panic!("no outdated match")
    };
    assert!(matches!(verify(pool, password, &new).await, Verified::Match));
    assert!(matches!(verify(pool, "another", &new).await, Verified::NoMatch));
    new
}

/// RFC 9106 sections 5.1 to 5.3: an 8-byte secret, associated data, four lanes.
const RFC_9106: [(&str, [u8; 32]); 3] = [
    (
        "argon2d",
        [
            0x51, 0x2b, 0x39, 0x1b, 0x6f, 0x11, 0x62, 0x97, 0x53, 0x71, 0xd3, 0x09, 0x19, 0x73, 0x42, 0x94,
            0xf8, 0x68, 0xe3, 0xbe, 0x39, 0x84, 0xf3, 0xc1, 0xa1, 0x3a, 0x4d, 0xb9, 0xfa, 0xbe, 0x4a, 0xcb,
        ],
    ),
    (
        "argon2i",
        [
            0xc8, 0x14, 0xd9, 0xd1, 0xdc, 0x7f, 0x37, 0xaa, 0x13, 0xf0, 0xd7, 0x7f, 0x24, 0x94, 0xbd, 0xa1,
            0xc8, 0xde, 0x6b, 0x01, 0x6d, 0xd3, 0x88, 0xd2, 0x99, 0x52, 0xa4, 0xc4, 0x67, 0x2b, 0x6c, 0xe8,
        ],
    ),
    (
        "argon2id",
        [
            0x0d, 0x64, 0x0d, 0xf5, 0x8d, 0x78, 0x76, 0x6c, 0x08, 0xc0, 0x37, 0xa3, 0x4a, 0x8b, 0x53, 0xc9,
            0xd0, 0x1e, 0xf0, 0x45, 0x2d, 0x75, 0xb6, 0x5e, 0xb5, 0x25, 0x20, 0xe9, 0x6b, 0x01, 0xe6, 0x59,
        ],
    ),
];

#[tokio::test]
async fn known_answers_of_argon2_come_out_of_the_pool() {
    let b64 = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, bytes);
    let password = "\u{1}".repeat(32);
    let pool = pool_with(&policy(), Some(Pepper::unchecked(5, &[3; 8])));
    let without = pool_with(&policy(), None);
    for (algorithm, tag) in RFC_9106 {
        let (key_id, data) = (b64(&5_u32.to_be_bytes()), b64(&[4; 12]));
        let (salt, tag) = (b64(&[2; 16]), b64(&tag));
        let text = format!("${algorithm}$v=19$m=32,t=3,p=4,keyid={key_id},data={data}${salt}${tag}");
        upgraded(&pool, &password, &stored(&text)).await;
        assert!(matches!(verify(&without, &password, &stored(&text)).await, Verified::NoMatch));
    }

    // The reference implementation's test.c, at full memory.
    let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let pool = pool_with(&HashingPolicy { max_memory_kib: 65_536, ..policy() }, None);
    upgraded(&pool, "password", &stored(text)).await;
}

#[tokio::test]
async fn a_hash_verifies_its_password_and_no_other() {
    let pool = pool();
    let password = Password::new("correct horse \u{1f40e} \0 battery ");
    let hash = pool.hash(&password).await.unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=256,t=2,p=1$"));
    assert!(matches!(pool.verify(&password, Some(&hash)).await.unwrap(), Verified::Match));
    for wrong in [
        "correct horse \u{1f40e} \0 battery",
        "Correct horse \u{1f40e} \0 battery ",
        "correct horse \u{1f40e} ",
    ] {
        assert!(matches!(verify(&pool, wrong, &hash).await, Verified::NoMatch));
    }
    assert_ne!(pool.hash(&password).await.unwrap().expose(), hash.expose(), "salts differ");
}

#[tokio::test]
async fn bytes_after_the_72nd_count() {
    let (pool, start) = (pool(), "0123456789abcdef".repeat(5));
    let hash = pool.hash(&Password::new(format!("{start}a"))).await.unwrap();
    assert!(matches!(verify(&pool, &format!("{start}a"), &hash).await, Verified::Match));
    assert!(matches!(verify(&pool, &format!("{start}b"), &hash).await, Verified::NoMatch));
    assert!(matches!(verify(&pool, &start, &hash).await, Verified::NoMatch));
}

#[tokio::test]
async fn a_reused_buffer_changes_no_result() {
    let pool = pool();
    for (round, (m, t, p)) in
        [(256, 2, 1), (1024, 1, 4), (8, 1, 1), (700, 3, 2), (256, 2, 1)].into_iter().enumerate()
    {
        for version in [Version::V0x10, Version::V0x13] {
            for algorithm in [Algorithm::Argon2d, Algorithm::Argon2i, Algorithm::Argon2id] {
                let hash = made_by_crate(algorithm, version, (m, t, p), "password");
                assert!(
                    !matches!(verify(&pool, "password", &hash).await, Verified::NoMatch),
                    "round {round}"
                );
                assert!(matches!(verify(&pool, "passwort", &hash).await, Verified::NoMatch), "round {round}");
            }
        }
        let ours = pool.hash(&Password::new("password")).await.unwrap();
        let parsed = phc::PasswordHash::new(ours.expose()).unwrap();
        let again: phc::PasswordHash = Argon2::from(Params::new(256, 2, 1, Some(32)).unwrap())
            .hash_password_with_salt(b"password", &parsed.salt.unwrap())
            .unwrap();
        assert_eq!(again.to_string(), ours.expose());
    }
    assert_eq!(
        pool.submit(Share::default(), |engine| Ok(engine.buffer_blocks())).await.unwrap(),
        256,
        "shrunk again"
    );
}

#[tokio::test]
async fn a_panic_fails_one_request_alone() {
    let pool = pool();
    let panics = |_: &mut Engine| -> Result<(), Failed> { panic!("on purpose") };
    for _ in 0..3 {
        assert!(matches!(pool.submit(Share::default(), panics).await, Err(HashingError::Failed)));
        pool.hash(&Password::new("password")).await.unwrap();
    }
}

#[tokio::test]
async fn threads_end_with_the_last_handle() {
    let first = pool();
    let second = first.clone();
    let alive = Arc::downgrade(&first.shared.settings);
    drop(first);
    second.hash(&Password::new("password")).await.unwrap();
    drop(second);
    let dropped = Instant::now();
    while alive.strong_count() > 0 {
        assert!(dropped.elapsed() < Duration::from_mins(1), "the threads do not end");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_miss_costs_exactly_one_hash() {
    let pool = pool();
    let password = Password::new("password");
    let current = pool.hash(&password).await.unwrap();
    let over_cap = |params: &str| {
        stored(&format!("$argon2id$v=19${params}$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8"))
    };
    let cases: Vec<(&str, &str, Option<PasswordHash>)> = vec![
        ("no user", "password", None),
        ("no hash", "password", Some(stored(""))),
        ("blank", "", Some(current.clone())),
        ("over-long", "long", Some(current.clone())),
        ("nonsense", "password", Some(stored("!disabled!"))),
        ("huge", "password", Some(stored(&"$".repeat(100_000)))),
        ("bcrypt", "U*U", Some(stored("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"))),
        ("unknown pepper", "password", Some(over_cap("m=256,t=2,p=1,keyid=AAAABw"))),
        ("memory over cap", "password", Some(over_cap("m=1025,t=1,p=1"))),
        ("absurd memory", "password", Some(over_cap("m=4294967295,t=1,p=1"))),
        ("passes over cap", "password", Some(over_cap("m=8,t=17,p=1"))),
        ("lanes over cap", "password", Some(over_cap("m=64,t=1,p=5"))),
        ("wrong", "passwort", Some(current.clone())),
        ("wrong, half the memory", "passwort", Some(argon2id(128, 2, "password"))),
        ("wrong, half the passes", "passwort", Some(argon2id(256, 1, "password"))),
        ("wrong, least of all", "passwort", Some(argon2id(8, 1, "password"))),
        ("wrong, nearly", "passwort", Some(argon2id(252, 2, "password"))),
    ];
    for (name, password, hash) in cases {
        let before = pool.stats();
        let password = Password::new(if password == "long" { "x".repeat(4097) } else { password.to_owned() });
        assert!(matches!(pool.verify(&password, hash.as_ref()).await.unwrap(), Verified::NoMatch), "{name}");
        let after = pool.stats();
        assert_eq!(after.hashes - before.hashes, 1, "{name}");
        assert_eq!(after.argon2_kib - before.argon2_kib, 512, "{name}");
        assert_eq!(after.bcrypts, 0);
    }
    assert_eq!(
        pool.submit(Share::default(), |engine| Ok(engine.buffer_blocks())).await.unwrap(),
        256,
        "nothing was allocated"
    );
}

#[tokio::test]
async fn weaker_hashes_are_replaced_and_stronger_ones_stay() {
    let pool = pool();
    for (m, t) in [(128, 2), (256, 1), (128, 8)] {
        upgraded(&pool, "password", &argon2id(m, t, "password")).await;
    }
    let before = pool.stats().hashes;
    assert!(matches!(
        verify(&pool, "password", &argon2id(256, 1, "password")).await,
        Verified::MatchOutdated(_)
    ));
    assert_eq!(pool.stats().hashes - before, 2, "one and a half, rounded");
    for (m, t) in [(256, 2), (256, 3), (512, 1), (1024, 2)] {
        assert!(
            matches!(verify(&pool, "password", &argon2id(m, t, "password")).await, Verified::Match),
            "{m} {t}"
        );
    }
    let of_length = |length| {
        let params = Params::new(256, 2, 1, Some(length)).unwrap();
        made_by(&Argon2::new(Algorithm::Argon2id, Version::V0x13, params), "password")
    };
    upgraded(&pool, "password", &of_length(16)).await;
    assert!(matches!(verify(&pool, "password", &of_length(64)).await, Verified::Match));
    upgraded(&pool, "password", &made_by_crate(Algorithm::Argon2i, Version::V0x13, (256, 2, 1), "password"))
        .await;
    upgraded(&pool, "password", &made_by_crate(Algorithm::Argon2id, Version::V0x10, (256, 2, 1), "password"))
        .await;
    upgraded(&pool, "password", &made_by_crate(Algorithm::Argon2id, Version::V0x13, (256, 2, 2), "password"))
        .await;
}

#[tokio::test]
async fn peppers_rotate() {
    let peppered = |pepper: Option<Pepper>| pool_with(&policy(), pepper);
    let none = peppered(None);
    let old = peppered(Some(Pepper::new(1, OLD).unwrap()));
    let rotated = peppered(Some(Pepper::new(2, NEW).unwrap().retired(1, OLD).unwrap()));
    let new = peppered(Some(Pepper::new(2, NEW).unwrap()));
    let impostor = peppered(Some(Pepper::new(1, NEW).unwrap()));

    let password = Password::new("password");
    let plain = none.hash(&password).await.unwrap();
    let first = old.hash(&password).await.unwrap();
    assert!(first.expose().contains("p=1,keyid=AAAAAQ$"), "{}", first.expose());

    for without in [&none, &new, &impostor] {
        assert!(matches!(verify(without, "password", &first).await, Verified::NoMatch));
    }
    assert!(matches!(verify(&old, "password", &first).await, Verified::Match));
    assert!(matches!(verify(&old, "passwort", &first).await, Verified::NoMatch));
    let second = upgraded(&rotated, "password", &first).await;
    assert!(matches!(verify(&new, "password", &second).await, Verified::Match));
    assert!(matches!(verify(&old, "password", &second).await, Verified::NoMatch));
    upgraded(&new, "password", &plain).await;
    // The same pepper without its name does not verify either: the secret is in the hash.
    let nameless = first.expose().replace(",keyid=AAAAAQ", "");
    assert!(matches!(verify(&none, "password", &stored(&nameless)).await, Verified::NoMatch));
}

#[derive(Debug)]
struct NoRandom;
impl RandomSource for NoRandom {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError::new("none"))
    }
}

#[tokio::test]
async fn unusable_requests_and_policies_are_refused() {
    let pool = pool();
    for text in [String::new(), "x".repeat(4097)] {
        assert!(matches!(pool.hash(&Password::new(text)).await, Err(HashingError::PasswordLength)));
    }
    for (memory_kib, problems) in [(31, 1), (32, 0)] {
        let four_lanes = HashingPolicy { parallelism: 4, memory_kib, ..policy() };
        assert_eq!(four_lanes.problems().len(), problems, "8 KiB for each lane: RFC 9106, section 3.1");
    }
    let weak = HashingPolicy { floor: CostFloor::Enforced, ..policy() };
    let error = HashingPool::start(&weak, None, Arc::new(SystemRandom)).unwrap_err();
    assert!(matches!(error, HashingError::Policy(_)), "{error}");
    assert!(pool.accepts(&argon2id(1024, 3, "password")));
    for refused in [argon2id(1032, 3, "password"), stored("$argon2id$v=19$m=256,t=2,p=1$")] {
        assert!(!pool.accepts(&refused), "{}", refused.expose());
    }
    let pool = HashingPool::start(&policy(), None, Arc::new(NoRandom)).unwrap();
    assert!(matches!(pool.hash(&Password::new("password")).await, Err(HashingError::Random(_))));
    assert!(matches!(pool.verify(&Password::new("password"), None).await, Err(HashingError::Random(_))));
    assert_eq!(pool.stats().hashes, 0);
}

/// One of these texts, with this in the place of up to three characters.
fn changed(texts: Vec<&'static str>, insert: &'static str) -> impl Strategy<Value = String> {
    (prop::sample::select(texts), any::<prop::sample::Index>(), 0..4_usize, insert).prop_map(
        |(seed, at, cut, insert)| {
            let mut chars: Vec<char> = seed.chars().collect();
            let at = at.index(chars.len());
            chars.splice(at..(at + cut).min(chars.len()), insert.chars());
            chars.into_iter().collect()
        },
    )
}

/// Strings that are hashes but for a small change.
fn mutated() -> impl Strategy<Value = String> {
    let texts = vec![
        "$argon2id$v=19$m=64,t=1,p=1,keyid=AAAAAQ,data=BAQE$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2i$v=16$m=32,t=3,p=4$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$2b$04$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ];
    changed(texts, "[$,=0-9a-zé]{0,3}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_stored_text_panics_or_allocates_beyond_the_caps(text in prop_oneof![mutated(), "\\PC{0,80}", "\\$[a-z0-9$=,]{0,80}"]) {
        thread_local! {
            static POOL: (tokio::runtime::Runtime, HashingPool) = (
                tokio::runtime::Builder::new_current_thread().build().unwrap(),
                pool_with(&HashingPolicy { bcrypt: BcryptImport::Accept { cost: 4 }, ..policy() }, None),
            );
        }
        POOL.with(|(runtime, pool)| {
            let result = runtime.block_on(pool.verify(&Password::new("passwort"), Some(&stored(&text))));
            prop_assert!(matches!(result, Ok(Verified::NoMatch)), "{:?}", result);
            Ok(())
        })?;
    }
}
