//! A configuration that cannot be meant is refused at the start, with every problem at once, each by
//! the path of its setting and none with the value of a secret.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_core::{
    Auth, AuthBuilder, BcryptImport, ConfigError, KeyError, KeyRing, KeyRingError, Limit, Mailbox,
    MemoryStore, Pepper, PepperError, Policy, RateLimits, RefreshPolicy, RootSecret, Rule, SigningKey,
    VerifyingKey, WeakSecret,
};
use auth_testkit::cheap_hashing;
use auth_tests::SECRET;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

fn builder() -> AuthBuilder {
    let store = MemoryStore::new();
    Auth::builder(store, Mailbox::new())
}

fn refused(policy: Policy) -> ConfigError {
    builder().secret(SECRET).policy(policy).build().unwrap_err()
}

fn settings(error: &ConfigError) -> BTreeSet<String> {
    error.problems().iter().map(|problem| problem.setting.clone()).collect()
}

type Change = fn(&mut Policy);

/// One bad value each, by the path that must be named.
const BAD: [(&str, Change); 44] = [
    ("refresh.reuse_leeway", |p| p.refresh.reuse_leeway = Duration::from_secs(61)),
    ("refresh.min_rotation_age", |p| p.refresh.reuse_leeway = Duration::from_secs(1)),
    ("refresh.min_rotation_age", |p| p.refresh.min_rotation_age = Duration::from_secs(3601)),
    ("refresh.min_rotation_age", |p| {
        (p.refresh.refresh_lifetime, p.refresh.min_rotation_age) = (MINUTE, MINUTE);
    }),
    ("refresh.refresh_lifetime", |p| p.refresh.refresh_lifetime = Duration::ZERO),
    ("refresh.refresh_lifetime", |p| p.refresh.refresh_lifetime = 31 * DAY),
    ("refresh.session_lifetime", |p| p.refresh.session_lifetime = Duration::ZERO),
    ("refresh.session_lifetime", |p| p.refresh.session_lifetime = 401 * DAY),
    ("refresh.session_lifetime", |p| p.refresh.session_lifetime = Duration::MAX),
    ("access.lifetime", |p| p.access.lifetime = Duration::ZERO),
    ("access.lifetime", |p| p.access.lifetime = DAY + MINUTE),
    ("access.lifetime", |p| {
        p.refresh = RefreshPolicy::default();
        (p.refresh.session_lifetime, p.refresh.refresh_lifetime) = (MINUTE, MINUTE);
    }),
    ("access.leeway", |p| p.access.leeway = Duration::from_secs(61)),
    ("access.issuer", |p| p.access.issuer = String::new()),
    ("access.issuer", |p| p.access.issuer = "a\nb".into()),
    ("access.audience", |p| p.access.audience = "x".repeat(256)),
    ("links.verification_lifetime", |p| p.links.verification_lifetime = 8 * DAY),
    ("links.verification_lifetime", |p| p.links.verification_lifetime = Duration::from_secs(59)),
    ("links.reset_lifetime", |p| p.links.reset_lifetime = DAY + MINUTE),
    ("links.reset_lifetime", |p| p.links.reset_lifetime = Duration::ZERO),
    ("password.min_length", |p| p.password.min_length = 7),
    ("password.min_length", |p| p.password.min_length = 65),
    ("password.max_bytes", |p| p.password.max_bytes = 255),
    ("password.max_bytes", |p| p.password.max_bytes = 4097),
    ("password.site_words", |p| p.password.site_words = vec!["2024!".to_owned()]),
    ("hashing.memory_kib", |p| p.hashing.memory_kib = 19_455),
    ("hashing.memory_kib", |p| p.hashing.iterations = 1),
    ("hashing.threads", |p| p.hashing.threads = 0),
    ("hashing.queue", |p| p.hashing.queue = 0),
    ("hashing.parallelism", |p| p.hashing.parallelism = 5),
    ("hashing.bcrypt.cost", |p| p.hashing.bcrypt = BcryptImport::Accept { cost: 16 }),
    ("mail.lease", |p| p.mail.lease = Duration::ZERO),
    ("mail.send_timeout", |p| p.mail.send_timeout = p.mail.lease),
    ("mail.send_timeout", |p| p.mail.send_timeout = Duration::ZERO),
    ("mail.poll_interval", |p| p.mail.poll_interval = Duration::ZERO),
    ("mail.min_backoff", |p| p.mail.min_backoff = Duration::ZERO),
    ("mail.max_backoff", |p| p.mail.max_backoff = Duration::from_millis(500)),
    ("mail.max_attempts", |p| p.mail.max_attempts = 0),
    ("mail.notice_lifetime", |p| p.mail.notice_lifetime = Duration::ZERO),
    ("mail.orphan_grace", |p| p.mail.orphan_grace = Duration::ZERO),
    ("clean_up.schedule", |p| p.clean_up.schedule = "0 6 * *".into()),
    ("clean_up.budget", |p| p.clean_up.budget = Duration::ZERO),
    ("clean_up.unverified_user_lifetime", |p| p.clean_up.unverified_user_lifetime = MINUTE),
    ("live_cache", |p| p.live_cache = Duration::from_millis(5_001)),
];

#[test]
fn every_value_that_makes_no_sense_is_named_by_its_path() {
    for (nth, (path, change)) in BAD.into_iter().enumerate() {
        let mut policy = Policy::default();
        change(&mut policy);
        let error = refused(policy);
        let named = settings(&error);
        // A value may also contradict another setting, which is then named too.
        assert!(named.contains(path) && named.len() <= 3, "case {nth}: {error}");
        assert!(error.to_string().contains(path), "{error}");
    }
}

/// Every limit that a policy has, found by its own name.
#[test]
fn every_limit_that_would_allow_nothing_or_never_end_is_named() {
    let printed = format!("{:?}", RateLimits::default());
    let names: Vec<&str> = printed.split([' ', '{']).filter_map(|word| word.strip_suffix(':')).collect();
    let limits: Vec<&str> =
        names.into_iter().filter(|name| name.contains('_') && *name != "then_every").collect();
    assert_eq!(limits.len(), Limit::ALL.len(), "{limits:?}");
    let bad = [
        Rule::Quota { count: 0, window: MINUTE },
        Rule::Quota { count: 1, window: Duration::ZERO },
        Rule::Quota { count: 1, window: DAY + MINUTE },
        Rule::ConsecutiveFailures { failures: 0, then_every: MINUTE },
        Rule::ConsecutiveFailures { failures: 1, then_every: Duration::ZERO },
    ];
    for rule in bad {
        let mut policy = Policy::default();
        for limit in Limit::ALL {
            policy.limits.set(*limit, Some(rule));
        }
        let expected: BTreeSet<String> = limits.iter().map(|name| format!("limits.{name}")).collect();
        assert_eq!(settings(&refused(policy)), expected, "{rule:?}");
    }
}

#[test]
fn all_problems_are_reported_at_once() {
    let mut policy = Policy::default();
    let (mut expected, mut changed) = (BTreeSet::new(), BTreeSet::new());
    // What is judged against another setting is no longer bad once that one is.
    let relative = ["refresh.min_rotation_age", "mail.send_timeout", "mail.max_backoff"];
    for (path, change) in BAD {
        if changed.insert(path) && !relative.contains(&path) {
            change(&mut policy);
            expected.insert(path.to_owned());
        }
    }
    let error = builder().secret("short").policy(policy.clone()).build().expect_err("all at once");
    let found = settings(&error);
    assert!(found.contains("secret"), "{error}");
    assert!(found.is_superset(&expected), "missing: {:?}", &expected - &found);
    assert!(expected.len() >= 25, "{}", expected.len());
    for path in &expected {
        assert!(error.to_string().contains(path.as_str()));
    }
    assert!(settings(&refused(policy)).is_superset(&expected), "with a good secret as well");
}

#[test]
fn a_secret_that_can_be_guessed_is_refused_and_never_repeated() {
    let weak = [
        "hunter2",
        "0123456789abcdef0123456789abcde",
        "please-change-me-before-going-live",
        "your_jwt_secret_your_jwt_secret_123",
        "abababababababababababababababababab",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "super-secret-key-for-development-only",
    ];
    for weak in weak {
        let error = builder().secret(weak).build().expect_err(weak);
        assert_eq!(settings(&error), BTreeSet::from(["secret".to_owned()]));
        let refusals = [
            error.to_string(),
            format!("{error:?}"),
            said(RootSecret::new(weak)),
            said(KeyRing::hs256(weak)),
            said(SigningKey::hs256(weak)),
            said(VerifyingKey::hs256(weak)),
            said(Pepper::new(1, weak)),
        ];
        for refusal in refusals {
            assert!(!refusal.contains(weak), "{refusal}");
        }
        // Whatever is given besides: a weak secret is not silently passed over.
        let root = RootSecret::new(SECRET).unwrap();
        let ring = KeyRing::hs256(SECRET).unwrap();
        assert!(builder().secret(weak).root_secret(root).key_ring(ring).build().is_err());
        assert!(builder().secret(weak).secret(SECRET).build().is_err());
    }
    assert_eq!(RootSecret::new("x").unwrap_err(), WeakSecret::TooShort);
}

fn said<T: std::fmt::Debug, E: std::error::Error>(result: Result<T, E>) -> String {
    let error = result.unwrap_err();
    format!("{error} {error:?}")
}

#[test]
fn without_secrets_nothing_starts() {
    let named = |builder: AuthBuilder| settings(&builder.build().expect_err("no secret"));
    assert_eq!(named(builder()), BTreeSet::from(["secret".to_owned()]));
    let ring = || KeyRing::hs256(SECRET).unwrap();
    assert_eq!(named(builder().key_ring(ring())), BTreeSet::from(["root_secret".to_owned()]));
    let root = || RootSecret::new(SECRET).unwrap();
    assert_eq!(named(builder().root_secret(root())), BTreeSet::from(["secret".to_owned()]));
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    builder().root_secret(root()).key_ring(ring()).policy(policy).build().unwrap();
}

#[test]
fn key_rings_and_peppers_that_could_be_mistaken_are_refused() {
    let other = "Zr7LwXs4TbNcPd1HgKe9UaRq8Jv0Yf2m";
    let signer = || KeyRing::hs256(SECRET).unwrap();
    let key = |secret: &str| VerifyingKey::hs256(secret).unwrap();
    let same = signer().also_verify(key(SECRET)).unwrap_err();
    assert!(matches!(same, KeyRingError::SameKey { .. }));
    let kid = SigningKey::hs256(SECRET).unwrap().kid().to_owned();
    let twin = signer().also_verify(key(other).with_kid(kid).unwrap()).unwrap_err();
    assert!(matches!(twin, KeyRingError::DuplicateKid(_)));
    for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
        assert_eq!(key(other).with_kid(bad).unwrap_err(), KeyError::BadKid);
    }
    for refusal in [same, twin] {
        assert!(!format!("{refusal} {refusal:?}").contains(SECRET));
    }
    let twice = Pepper::new(1, SECRET).unwrap().retired(1, other).unwrap_err();
    assert_eq!(twice, PepperError::DuplicateId { id: 1 });
}

#[test]
fn the_presets_start() {
    let mut policy = Policy::default();
    builder().secret(SECRET).policy(policy.clone()).build().unwrap();
    policy.refresh = RefreshPolicy::browser();
    policy.limits = RateLimits::none();
    policy.password = auth_core::PasswordPolicy::nist_single_factor();
    policy.live_cache = Duration::from_secs(5);
    let auth = builder().secret(SECRET).policy(policy).build().unwrap();
    assert_eq!(auth.policy().refresh.min_rotation_age, Duration::from_secs(20));
}

/// `fn main() -> Result<(), Box<dyn Error>>` prints an error by its `Debug`.
#[test]
fn an_error_of_the_start_shows_its_settings_in_debug_too() {
    let mut policy = Policy::default();
    policy.access.lifetime = Duration::ZERO;
    let error = refused(policy);
    assert!(error.to_string().contains("access.lifetime must be between 1 s and 24 h"), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string());
    let error = SigningKey::from_pem("no key").unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
}

#[test]
fn the_issuer_is_in_place_of_that_of_the_policy() {
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    policy.access.issuer = "other".to_owned();
    let url = "https://auth.example.com";
    let before = builder().secret(SECRET).issuer(url).policy(policy.clone()).build().unwrap();
    let after = builder().secret(SECRET).policy(policy.clone()).issuer(url).build().unwrap();
    for auth in [before, after] {
        let access = &auth.policy().access;
        assert_eq!((access.issuer.as_str(), access.audience.as_str()), (url, url));
    }
    let without = builder().secret(SECRET).policy(policy).build().unwrap();
    let access = &without.policy().access;
    assert_eq!((access.issuer.as_str(), access.audience.as_str()), ("other", "auth"));
    let error = builder().secret(SECRET).issuer("").build().unwrap_err();
    assert!(settings(&error).contains("access.issuer"), "{error}");
}
