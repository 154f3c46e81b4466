//! Access tokens as other services read them: what they say, who may add to it, which keys sign.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::store::StoreError;
use auth_core::{
    Auth, AuthBuilder, ChangePasswordError, ClaimsError, ClaimsSource, Clock, Failure, KeyRing, LiveCheck,
    LogInError, Mailbox, MemoryStore, Password, RefreshError, RootSecret, Session, SigningKey, User,
    VerifyingKey,
};
use auth_testkit::cheap_hashing;
use auth_tests::{OTHER_PASSWORD, PASSWORD, SECRET, World, client, text};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

const ADA: &str = "ada@example.com";

fn part(token: &str, nth: usize) -> Value {
    let part = token.split('.').nth(nth).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_states_user_session_times_issuer_and_audience() {
    let world = World::with(|policy| {
        policy.access.issuer = "https://auth.example".to_owned();
        policy.access.audience = "https://api.example".to_owned();
    });
    let user = world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let token = tokens.access_token.expose();
    let header = part(token, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("HS256")));
    let claims = part(token, 1);
    let now = world.clock.now().timestamp();
    let names: BTreeSet<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let all = ["aud", "auth_time", "epoch", "exp", "iat", "iss", "jti", "sid", "sub"];
    assert_eq!(names, BTreeSet::from(all), "nothing else, no address, no name");
    assert_eq!(claims["iss"], "https://auth.example");
    assert_eq!(claims["aud"], "https://api.example");
    assert_eq!(claims["sub"], user.id.to_string());
    assert_eq!(claims["sid"], tokens.session.id.to_string());
    assert_eq!((&claims["iat"], &claims["auth_time"]), (&json!(now), &json!(now)));
    assert_eq!(claims["exp"], now + 900);
    assert_eq!(claims["epoch"], user.epoch.as_u64());
    assert_eq!(URL_SAFE_NO_PAD.decode(claims["jti"].as_str().unwrap()).unwrap().len(), 16);
    let read = world.claims(&tokens);
    assert_eq!((read.user_id, read.session_id, read.epoch), (user.id, tokens.session.id, user.epoch));
}

/// As an instance sees them whose clock is behind, or the same one after its clock stepped back.
#[tokio::test]
async fn clocks_five_seconds_apart_refuse_no_token() {
    let world = World::new();
    world.user(ADA).await;
    for (behind, accepted) in [(1, true), (5, true), (6, false)] {
        let tokens = world.log_in(ADA).await;
        world.clock.rewind(Duration::from_secs(behind));
        let token = tokens.access_token.expose();
        assert_eq!(world.auth.authenticate(token).is_ok(), accepted, "{behind} s behind");
        let live = world.auth.authenticate_live(token, LiveCheck::UserAndSession).await;
        assert_eq!(live.is_ok(), accepted, "{behind} s behind");
        // The token that is made here and now counts here and now, although its session is of the future.
        let renewed = world.auth.refresh(&text(&tokens), &client()).await.unwrap();
        world.claims(&renewed);
    }
}

/// `auth_time` is when the password was typed: refreshing keeps it, changing the password renews it.
#[tokio::test]
async fn the_time_of_authentication_is_that_of_the_password() {
    let world = World::new();
    world.user(ADA).await;
    let typed = world.log_in(ADA).await;
    let at = world.claims(&typed).authenticated_at;
    world.wait(3600);
    let renewed = world.auth.refresh(&text(&typed), &client()).await.unwrap();
    let claims = world.claims(&renewed);
    assert_eq!(claims.authenticated_at, at);
    assert!(claims.issued_at > at);
    let now = world.clock.now();
    assert!(!claims.authenticated_within(now, Duration::from_hours(1)));
    assert!(claims.authenticated_within(now, Duration::from_secs(3602)));
    let restored = world.auth.restore(&text(&renewed), &client()).await.unwrap();
    assert_eq!(world.auth.authenticate(restored.access_token.expose()).unwrap().authenticated_at, at);
    let (current, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
    let changed = world.auth.change_password(&claims, current, new, &client()).await.unwrap();
    let claims = world.claims(&changed);
    assert_eq!(claims.authenticated_at, claims.issued_at);
    assert_eq!(claims.epoch, changed.user.epoch);
    assert!(claims.epoch > typed.session.epoch);
}

/// No token outlives its session, and each has its own id.
#[tokio::test]
async fn a_token_ends_with_its_session_at_the_latest() {
    let world = World::with(|policy| {
        policy.refresh.session_lifetime = Duration::from_mins(20);
        policy.refresh.refresh_lifetime = Duration::from_mins(20);
    });
    world.user(ADA).await;
    let mut tokens = world.log_in(ADA).await;
    let (end, mut names) = (tokens.session.expires_at, BTreeSet::new());
    for minute in 0..19 {
        let claims = world.claims(&tokens);
        assert!(claims.expires_at <= end, "minute {minute}");
        assert!(names.insert(claims.token_id), "minute {minute}");
        world.wait(60);
        tokens = world.auth.refresh(&text(&tokens), &client()).await.unwrap();
    }
    world.wait(60);
    assert!(world.auth.authenticate(tokens.access_token.expose()).is_err());
}

/// The application's claims: returns a set answer and counts its calls.
#[derive(Debug, Clone)]
struct Roles(Arc<Mutex<Result<Value, &'static str>>>);

impl Roles {
    fn new(claims: Value) -> Self {
        Self(Arc::new(Mutex::new(Ok(claims))))
    }

    fn set(&self, claims: Result<Value, &'static str>) {
        *self.0.lock().unwrap() = claims;
    }
}

#[async_trait]
impl ClaimsSource for Roles {
    async fn claims(&self, user: &User, session: &Session) -> Result<Map<String, Value>, StoreError> {
        assert_eq!(user.id, session.user_id);
        match self.0.lock().unwrap().clone() {
            Ok(claims) => Ok(claims.as_object().unwrap().clone()),
            Err(down) => Err(StoreError::unavailable(down)),
        }
    }
}

fn with_roles(roles: &Roles) -> World {
    World::built(|_| {}, |builder| builder.claims_source(roles.clone()))
}

#[tokio::test]
async fn custom_claims_are_read_for_each_access_token() {
    let roles = Roles::new(json!({"role": "editor", "nested": {"list": [1, null, "x"]}}));
    let world = with_roles(&roles);
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    assert_eq!(world.claims(&tokens).extra["role"], "editor");
    assert_eq!(world.claims(&tokens).extra["nested"], json!({"list": [1, null, "x"]}));
    assert_eq!(part(tokens.access_token.expose(), 1)["role"], "editor");
    roles.set(Ok(json!({"role": "admin"})));
    let renewed = world.auth.refresh(&text(&tokens), &client()).await.unwrap();
    assert_eq!(world.claims(&renewed).extra["role"], "admin");
    assert!(!world.claims(&renewed).extra.contains_key("nested"));
    assert_eq!(world.claims(&tokens).extra["role"], "editor", "an old token says what it said");
}

/// Claims that cannot be had or must not be set: no token, and nothing began, rotated or changed.
#[tokio::test]
async fn a_failed_claims_source_issues_no_token_and_a_retry_works() {
    let mut bad: Vec<(Result<Value, &'static str>, Option<ClaimsError>)> =
        ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "nbf", "auth_time", "epoch"]
            .map(|name| (Ok(json!({ name: 1 })), Some(ClaimsError::Reserved(name))))
            .to_vec();
    bad.push((Ok(json!({"long": "x".repeat(9_000)})), Some(ClaimsError::TooLarge)));
    let deep = (0..40).fold(json!(1), |value, _| json!([value]));
    bad.push((Ok(json!({ "deep": deep })), Some(ClaimsError::TooDeep)));
    bad.push((Err("the database of roles is down"), None));
    for (claims, expected) in bad {
        let roles = Roles::new(json!({}));
        let world = with_roles(&roles);
        let user = world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        roles.set(claims);
        let is_expected = |failure: &Failure| match (failure, &expected) {
            (Failure::Claims(found), Some(expected)) => found == expected,
            (Failure::Store(_), None) => true,
            _ => false,
        };
        let (right, new) = (|| Password::new(PASSWORD), || Password::new(OTHER_PASSWORD));
        let logged_in = world.auth.log_in(ADA, right(), &client()).await;
        assert!(
            matches!(&logged_in, Err(LogInError::Failed(failure)) if is_expected(failure)),
            "{logged_in:?}"
        );
        assert_eq!(world.auth.sessions(user.id).await.unwrap().len(), 1, "none began");
        for _ in 0..2 {
            let refreshed = world.auth.refresh(&text(&tokens), &client()).await;
            assert!(
                matches!(&refreshed, Err(RefreshError::Failed(failure)) if is_expected(failure)),
                "{refreshed:?}"
            );
            let restored = world.auth.restore(&text(&tokens), &client()).await;
            assert!(matches!(&restored, Err(RefreshError::Failed(failure)) if is_expected(failure)));
        }
        let claims = world.claims(&tokens);
        let changed = world.auth.change_password(&claims, right(), new(), &client()).await;
        assert!(matches!(&changed, Err(ChangePasswordError::Failed(failure)) if is_expected(failure)));
        roles.set(Ok(json!({})));
        world.auth.refresh(&text(&tokens), &client()).await.unwrap();
        assert_eq!(world.events.count("authn_token_reuse"), 0);
        world.auth.change_password(&claims, right(), new(), &client()).await.unwrap();
    }
}

/// A key ring that was given signs, whether the secret for everything else comes before or after it.
#[test]
fn a_key_ring_signs_whether_set_before_or_after_the_secret() {
    let ring = KeyRing::new(SigningKey::from_pem(ed25519().0).unwrap());
    let start = || Auth::builder(MemoryStore::new(), Mailbox::new());
    let published = |builder: AuthBuilder| builder.build().unwrap().jwks()["keys"].as_array().unwrap().len();
    assert_eq!(published(start().secret(SECRET)), 0, "HS256 publishes nothing");
    assert_eq!(published(start().key_ring(ring.clone()).secret(SECRET)), 1);
    assert_eq!(published(start().secret(SECRET).key_ring(ring)), 1);
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// Private and public PEM of a new key.
fn ed25519() -> (String, String) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()), pem("PUBLIC KEY", public.as_ref()))
}

fn es256() -> (String, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()), pem("PUBLIC KEY", public.as_ref()))
}

/// Verifies a token as another service does that knows nothing but the published keys.
fn verified_by_jwks(jwks: &Value, token: &str) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let header = part(token, 0);
    let kid = header.get("kid").unwrap();
    let Some(key) = jwks["keys"].as_array().unwrap().iter().find(|key| key.get("kid") == Some(kid)) else {
        return false;
    };
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    match key["kty"].as_str().unwrap() {
        "OKP" => {
            assert_eq!((&key["crv"], &key["alg"]), (&json!("Ed25519"), &json!("EdDSA")));
            UnparsedPublicKey::new(&ED25519, bytes("x")).verify(message.as_bytes(), &signature).is_ok()
        }
        "EC" => {
            assert_eq!((&key["crv"], &key["alg"]), (&json!("P-256"), &json!("ES256")));
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                .verify(message.as_bytes(), &signature)
                .is_ok()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn other_services_verify_tokens_by_the_published_keys_alone() {
    for (algorithm, (private, public)) in [("EdDSA", ed25519()), ("ES256", es256())] {
        let ring = KeyRing::new(SigningKey::from_pem(&private).unwrap());
        let world = World::built(|_| {}, |builder| builder.key_ring(ring));
        world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        let token = tokens.access_token.expose();
        assert_eq!(part(token, 0)["alg"], algorithm);
        let jwks = world.auth.jwks();
        assert!(verified_by_jwks(&jwks, token));
        let published = jwks["keys"].as_array().unwrap();
        assert_eq!(published.len(), 1);
        assert!(published[0].get("d").is_none() && published[0]["use"] == "sig", "{jwks}");
        let body: Vec<&str> = private.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(!jwks.to_string().contains(body.concat().as_str()));
        assert_eq!(VerifyingKey::from_pem(&public).unwrap().kid(), part(token, 0)["kid"]);
        let tampered = token.replacen("eyJ", "eyK", 1);
        assert!(world.auth.authenticate(&tampered).is_err());
    }
    let world = World::new();
    assert_eq!(world.auth.jwks(), json!({"keys": []}), "a shared secret is never published");
}

/// One process of a service that is being rolled from one key to another.
fn process(world: &World, ring: KeyRing) -> Auth {
    let mut policy = auth_core::Policy::default();
    policy.hashing = cheap_hashing();
    Auth::builder(world.store.clone(), Mailbox::new())
        .clock(world.clock.clone())
        .root_secret(RootSecret::new(SECRET).unwrap())
        .key_ring(ring)
        .policy(policy)
        .build()
        .unwrap()
}

/// Sign with A; let all verify B; sign with B; drop A. Nobody is logged out on the way.
#[tokio::test]
async fn a_key_is_replaced_without_logging_anyone_out() {
    let hs = |secret: &str| (SigningKey::hs256(secret).unwrap(), VerifyingKey::hs256(secret).unwrap());
    let asymmetric = |(private, public): (String, String)| {
        (SigningKey::from_pem(private).unwrap(), VerifyingKey::from_pem(public).unwrap())
    };
    let cases = [
        (hs("t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE"), hs("Zr7LwXs4TbNcPd1HgKe9UaRq8Jv0Yf2m"), 0),
        (asymmetric(ed25519()), asymmetric(ed25519()), 2),
        (asymmetric(ed25519()), asymmetric(es256()), 2),
        (asymmetric(es256()), asymmetric(ed25519()), 2),
    ];
    for ((a, verify_a), (b, verify_b), published) in cases {
        let world = World::new();
        world.user(ADA).await;
        let retires = world.clock.now() + Duration::from_hours(1);
        let only_a = process(&world, KeyRing::new(a.clone()));
        let a_knows_b = process(&world, KeyRing::new(a).also_verify(verify_b).unwrap());
        let b_knows_a =
            process(&world, KeyRing::new(b.clone()).also_verify(verify_a.until(retires)).unwrap());
        let only_b = process(&world, KeyRing::new(b));
        let log_in = async |auth: &Auth| auth.log_in(ADA, Password::new(PASSWORD), &client()).await.unwrap();
        let (old, new) = (log_in(&only_a).await, log_in(&b_knows_a).await);
        let reads = |auth: &Auth, tokens: &auth_core::SessionTokens| {
            auth.authenticate(tokens.access_token.expose()).is_ok()
        };
        assert!(reads(&only_a, &old) && !reads(&only_a, &new), "before the first step nobody knows B");
        assert!(reads(&a_knows_b, &old) && reads(&a_knows_b, &new));
        assert!(reads(&b_knows_a, &old) && reads(&b_knows_a, &new));
        assert!(!reads(&only_b, &old) && reads(&only_b, &new), "after the last step A counts no more");
        assert_eq!(b_knows_a.jwks()["keys"].as_array().unwrap().len(), published);
        // Refresh tokens hang on the root secret alone: every process takes them.
        let renewed = only_b.refresh(&text(&old), &client()).await.unwrap();
        assert!(reads(&a_knows_b, &renewed) && !reads(&only_a, &renewed));
        world.clock.advance(Duration::from_hours(1));
        let late = log_in(&only_a).await;
        assert!(!reads(&b_knows_a, &late), "retired, however young the token");
        assert_eq!(b_knows_a.jwks()["keys"].as_array().unwrap().len(), published / 2);
    }
}
