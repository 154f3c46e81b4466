use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::crypto::digest::Digest;
use crate::crypto::random::SystemRandom;
use crate::session::key_ring::tests::{Fixture, OTHER_SECRET, SECRET, ed25519, es256, hs256};
use crate::session::key_ring::{SigningKey, VerifyingKey};

mod forgery;
mod mutation;

/// 2027-01-15, a quarter of a second past a full one.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 250_000_000).unwrap()
}

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

fn session() -> Session {
    Session {
        id: SessionId::from_bytes([2; 16]),
        user_id: UserId::from_bytes([1; 16]),
        epoch: Epoch::from_u64(7),
        generation: 0,
        digest: Digest::from_bytes([0; 32]),
        created_at: now() - seconds(100),
        rotated_at: now() - seconds(100),
        idle_expires_at: now() + seconds(86_400),
        expires_at: now() + seconds(10 * 86_400),
        ip: None,
        user_agent: None,
    }
}

fn tokens(key: SigningKey) -> AccessTokens {
    AccessTokens::new(KeyRing::new(key), AccessPolicy::default())
}

fn lenient(key: SigningKey, leeway: u64) -> AccessTokens {
    let policy = AccessPolicy { leeway: Duration::from_secs(leeway), ..AccessPolicy::default() };
    AccessTokens::new(KeyRing::new(key), policy)
}

fn map(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

fn sign(tokens: &AccessTokens) -> String {
    tokens.sign(&session(), &Map::new(), now(), &SystemRandom).unwrap().0.expose().to_owned()
}

/// Signs whatever header and payload, as only the holder of the key can.
fn forge(fixture: &Fixture, header: &str, payload: &str) -> String {
    let [header, payload] = [header, payload].map(|json| URL_SAFE_NO_PAD.encode(json));
    let message = format!("{header}.{payload}");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &fixture.raw, fixture.algorithm).unwrap();
    format!("{message}.{signature}")
}

fn good_header(fixture: &Fixture) -> Value {
    json!({ "typ": "at+jwt", "alg": format!("{:?}", fixture.algorithm), "kid": fixture.key.kid() })
}

fn good_claims() -> Value {
    json!({
        "iss": "auth", "aud": "auth",
        "sub": UserId::from_bytes([1; 16]).to_string(), "sid": SessionId::from_bytes([2; 16]).to_string(),
        "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        "iat": now().timestamp(), "exp": now().timestamp() + 900, "auth_time": now().timestamp() - 100,
        "epoch": 7,
    })
}

fn with(mut object: Value, name: &str, value: Value) -> String {
    object[name] = value;
    object.to_string()
}

fn without(mut object: Value, name: &str) -> String {
    object.as_object_mut().unwrap().remove(name).unwrap();
    object.to_string()
}

#[test]
fn a_token_says_what_its_session_and_the_application_said() {
    for fixture in [hs256(), ed25519(), es256()] {
        let tokens = tokens(fixture.key);
        let extra = map(json!({ "role": "admin", "teams": ["a", { "b": null }], "é\"": 1.5 }));
        let (token, expires_at) = tokens.sign(&session(), &extra, now(), &SystemRandom).unwrap();
        let claims = tokens.verify(token.expose(), now()).unwrap();
        assert_eq!(claims.user_id, session().user_id);
        assert_eq!(claims.session_id, session().id);
        assert_eq!(claims.epoch, session().epoch);
        assert_eq!(claims.issued_at, now().trunc_subsecs(0));
        assert_eq!(claims.authenticated_at, (now() - seconds(100)).trunc_subsecs(0));
        assert_eq!(claims.expires_at, now().trunc_subsecs(0) + seconds(900));
        assert_eq!(claims.expires_at, expires_at);
        assert_eq!(claims.extra, extra);
        assert_eq!(claims.token_id.len(), 22);
    }
}

#[test]
fn the_wire_form_is_the_documented_one() {
    for fixture in [hs256(), ed25519(), es256()] {
        let extra = map(json!({ "role": "admin" }));
        let tokens = tokens(fixture.key.clone());
        let (token, _) = tokens.sign(&session(), &extra, now(), &SystemRandom).unwrap();
        let segments: Vec<&str> = token.expose().split('.').collect();
        let json = |at: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segments[at]).unwrap()).unwrap()
        };
        assert_eq!(segments.len(), 3);
        assert_eq!(json(0), good_header(&fixture));
        let mut expected = good_claims();
        expected["jti"] = json(1)["jti"].clone();
        expected["role"] = "admin".into();
        assert_eq!(json(1), expected);
        assert_eq!(forge(&fixture, &good_header(&fixture).to_string(), "{}").split('.').count(), 3);
    }
}

#[test]
fn no_two_tokens_have_one_id() {
    let tokens = tokens(hs256().key);
    let ids: std::collections::BTreeSet<String> =
        (0..100).map(|_| tokens.verify(&sign(&tokens), now()).unwrap().token_id).collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn another_library_reads_the_token() {
    let fixture = ed25519();
    let token = sign(&tokens(fixture.key.clone()));
    let key = jsonwebtoken::DecodingKey::from_ed_pem(fixture.public_pem.as_bytes()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(fixture.algorithm);
    validation.set_issuer(&["auth"]);
    validation.set_audience(&["auth"]);
    validation.validate_exp = false;
    let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    assert_eq!(read.header.typ.as_deref(), Some("at+jwt"));
    assert_eq!(read.claims["epoch"], 7);
}

#[test]
fn a_token_of_the_ring_in_another_spelling_is_accepted() {
    for fixture in [hs256(), ed25519(), es256()] {
        let tokens = tokens(fixture.key.clone());
        let (kid, alg) = (fixture.key.kid(), format!("{:?}", fixture.algorithm));
        let escaped = good_claims().to_string().replace("\"iss\":", "\"\\u0069ss\": ");
        for header in [
            format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{kid}"}}"#),
            format!(r#"{{"kid":"{kid}", "typ":"AT+JWT", "alg":"{alg}"}}"#),
            format!(r#"{{"kid":"{kid}","alg":"{alg}","typ":"Application/At+Jwt"}}"#),
        ] {
            assert!(tokens.verify(&forge(&fixture, &header, &good_claims().to_string()), now()).is_ok());
            assert!(tokens.verify(&forge(&fixture, &header, &escaped), now()).is_ok());
        }
    }
}

#[test]
fn a_token_is_refused_from_its_last_instant_on() {
    let tokens = tokens(hs256().key);
    let token = sign(&tokens);
    let expires_at = now().trunc_subsecs(0) + seconds(900);
    assert!(tokens.verify(&token, expires_at - TimeDelta::microseconds(1)).is_ok());
    assert_eq!(tokens.verify(&token, expires_at), Err(InvalidAccessToken));
    assert!(tokens.verify(&token, DateTime::<Utc>::MAX_UTC).is_err());
    assert!(tokens.verify(&token, DateTime::<Utc>::MIN_UTC).is_err());
    let lenient = lenient(hs256().key, 60);
    assert!(lenient.verify(&token, expires_at + seconds(59)).is_ok());
    assert!(lenient.verify(&token, expires_at + seconds(60)).is_err());
    assert!(lenient.verify(&token, DateTime::<Utc>::MAX_UTC).is_err());
}

/// Five seconds ahead always, as instances with clocks apart make them; further only with a leeway.
#[test]
fn a_token_from_the_future_is_refused_beyond_the_leeway() {
    let fixture = hs256();
    let (strict, lenient) = (tokens(hs256().key), lenient(hs256().key, 30));
    let token = sign(&strict);
    let not_before =
        |at: i64| forge(&fixture, &good_header(&fixture).to_string(), &with(good_claims(), "nbf", at.into()));
    let made_at = now().trunc_subsecs(0);
    for (tokens, ahead) in [(&strict, 5), (&lenient, 30)] {
        assert!(tokens.verify(&token, made_at - seconds(ahead)).is_ok());
        assert!(tokens.verify(&token, made_at - seconds(ahead) - TimeDelta::microseconds(1)).is_err());
        assert!(tokens.verify(&not_before(made_at.timestamp() + ahead), made_at).is_ok());
        assert!(tokens.verify(&not_before(made_at.timestamp() + ahead + 1), made_at).is_err());
    }
}

#[test]
fn no_token_outlives_its_session() {
    let tokens = tokens(hs256().key);
    let mut session = session();
    session.expires_at = now() + TimeDelta::milliseconds(2_700);
    let (token, expires_at) = tokens.sign(&session, &Map::new(), now(), &SystemRandom).unwrap();
    assert_eq!(expires_at, now().trunc_subsecs(0) + seconds(2));
    assert!(expires_at <= session.expires_at);
    assert!(tokens.verify(token.expose(), session.expires_at).is_err());
    for end in [now() + TimeDelta::milliseconds(700), now(), now() - seconds(1)] {
        session.expires_at = end;
        let refused = tokens.sign(&session, &Map::new(), now(), &SystemRandom);
        assert!(matches!(refused, Err(SignError::SessionOver)));
    }
}

#[test]
fn a_clock_that_was_set_back_makes_no_unusable_token() {
    let tokens = tokens(hs256().key);
    let mut session = session();
    session.created_at = now() + seconds(5);
    let (token, _) = tokens.sign(&session, &Map::new(), now(), &SystemRandom).unwrap();
    let claims = tokens.verify(token.expose(), now()).unwrap();
    assert_eq!(claims.authenticated_at, claims.issued_at);
}

#[test]
fn the_application_cannot_set_a_registered_claim() {
    let tokens = tokens(hs256().key);
    for name in RESERVED {
        let refused = tokens.sign(&session(), &map(json!({ "role": 1, name: 1 })), now(), &SystemRandom);
        assert!(matches!(refused, Err(SignError::Claims(ClaimsError::Reserved(n))) if n == name));
    }
}

#[test]
fn claims_that_no_verifier_would_read_are_refused() {
    let tokens = tokens(hs256().key);
    let sign = |extra| tokens.sign(&session(), &map(json!({ "x": extra })), now(), &SystemRandom);
    for nest in [|inner: Value| json!([inner]), |inner: Value| json!({ "y": inner })] {
        let nested = |levels| (0..levels).fold(json!(1), |inner, _| nest(inner));
        assert!(tokens.verify(sign(nested(32)).unwrap().0.expose(), now()).is_ok());
        assert!(matches!(sign(nested(33)), Err(SignError::Claims(ClaimsError::TooDeep))));
    }
    assert!(matches!(sign(json!("x".repeat(7_000))), Err(SignError::Claims(ClaimsError::TooLarge))));
}

#[test]
fn a_token_may_be_as_long_as_is_read_and_no_longer() {
    // No payload makes a token of HS256 exactly so long.
    let tokens = tokens(ed25519().key);
    let sign = |n| tokens.sign(&session(), &map(json!({ "x": "x".repeat(n) })), now(), &SystemRandom);
    let (longest, _) = (5_500..6_500).rev().find_map(|n| sign(n).ok()).unwrap();
    assert_eq!(longest.expose().len(), MAX_TOKEN_BYTES);
    assert!(tokens.verify(longest.expose(), now()).is_ok());
}

#[test]
fn without_randomness_there_is_no_token() {
    #[derive(Debug)]
    struct Broken;
    impl RandomSource for Broken {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError::new("broken"))
        }
    }
    let refused = tokens(hs256().key).sign(&session(), &Map::new(), now(), &Broken);
    assert!(matches!(refused, Err(SignError::Random(_))));
}

#[test]
fn keys_are_replaced_without_refusing_a_valid_token() {
    let (old, new) = (SigningKey::hs256(OTHER_SECRET).unwrap(), SigningKey::hs256(SECRET).unwrap());
    let issued = sign(&tokens(old.clone()));
    let with = |signer: &SigningKey, other: VerifyingKey| {
        AccessTokens::new(KeyRing::new(signer.clone()).also_verify(other).unwrap(), AccessPolicy::default())
    };
    let announced = with(&old, new.verifying_key());
    let switched = with(&new, old.verifying_key().until(now() + seconds(900)));
    let dropped = tokens(new);
    assert!(announced.verify(&issued, now()).is_ok());
    assert!(switched.verify(&issued, now() + seconds(899)).is_ok());
    assert!(announced.verify(&sign(&switched), now()).is_ok());
    assert!(dropped.verify(&sign(&switched), now()).is_ok());
    assert!(dropped.verify(&issued, now()).is_err());
}

#[test]
fn a_retired_key_is_refused_from_its_instant_on() {
    let old = SigningKey::hs256(OTHER_SECRET).unwrap();
    let issued = sign(&tokens(old.clone()));
    let ring =
        KeyRing::hs256(SECRET).unwrap().also_verify(old.verifying_key().until(now() + seconds(10))).unwrap();
    let tokens =
        AccessTokens::new(ring, AccessPolicy { leeway: Duration::from_mins(1), ..AccessPolicy::default() });
    assert!(tokens.verify(&issued, now() + seconds(10) - TimeDelta::microseconds(1)).is_ok());
    assert!(tokens.verify(&issued, now() + seconds(10)).is_err());
}

#[test]
fn a_password_typed_long_ago_is_not_recent() {
    let tokens = tokens(hs256().key);
    let claims = tokens.verify(&sign(&tokens), now()).unwrap();
    let typed_at = claims.authenticated_at;
    let limit = Duration::from_mins(5);
    assert!(claims.authenticated_within(now(), limit));
    assert!(claims.authenticated_within(typed_at + seconds(300) - TimeDelta::microseconds(1), limit));
    assert!(!claims.authenticated_within(typed_at + seconds(300), limit));
    assert!(!claims.authenticated_within(now(), Duration::ZERO));
    assert!(!claims.authenticated_within(DateTime::<Utc>::MAX_UTC, limit));
}

#[test]
fn a_policy_that_makes_no_sense_is_reported_by_setting() {
    let default = AccessPolicy::default;
    assert_eq!(default().problems(), []);
    let day = Duration::from_hours(24);
    let bad = [
        ("issuer", AccessPolicy { issuer: String::new(), ..default() }),
        ("issuer", AccessPolicy { issuer: "a\nb".into(), ..default() }),
        ("audience", AccessPolicy { audience: String::new(), ..default() }),
        ("audience", AccessPolicy { audience: "x".repeat(256), ..default() }),
        ("lifetime", AccessPolicy { lifetime: Duration::ZERO, ..default() }),
        ("lifetime", AccessPolicy { lifetime: Duration::from_millis(999), ..default() }),
        ("lifetime", AccessPolicy { lifetime: day + Duration::from_nanos(1), ..default() }),
        ("leeway", AccessPolicy { leeway: Duration::from_millis(60_001), ..default() }),
    ];
    for (setting, policy) in bad {
        let problems = policy.problems();
        assert_eq!(problems.iter().map(|(setting, _)| *setting).collect::<Vec<_>>(), [setting], "{policy:?}");
    }
    let name = "x".repeat(255);
    let edges =
        AccessPolicy { issuer: name.clone(), audience: name, lifetime: day, leeway: Duration::from_mins(1) };
    assert_eq!(edges.problems(), []);
}

#[test]
fn debug_of_a_token_shows_nothing() {
    let (token, _) = tokens(hs256().key).sign(&session(), &Map::new(), now(), &SystemRandom).unwrap();
    assert_eq!(format!("{token:?}"), "AccessToken([redacted])");
}

proptest! {
    #[test]
    fn every_token_that_is_signed_verifies(
        nanos in 0_i64..4_000_000_000_000_000_000,
        lifetime in 1_u64..=86_400,
        left_ms in 1_000_i64..100_000_000,
        epoch in 0_u64..=u64::MAX,
        name in ".{0,20}",
        text in any::<String>(),
    ) {
        prop_assume!(!RESERVED.contains(&name.as_str()));
        let now = DateTime::from_timestamp_nanos(nanos);
        let policy = AccessPolicy { lifetime: Duration::from_secs(lifetime), ..AccessPolicy::default() };
        let tokens = AccessTokens::new(KeyRing::new(hs256().key), policy);
        let session = Session {
            created_at: now,
            expires_at: now + TimeDelta::milliseconds(left_ms),
            epoch: Epoch::from_u64(epoch),
            ..session()
        };
        let extra = map(json!({ name: text }));
        let (token, expires_at) = tokens.sign(&session, &extra, now, &SystemRandom).unwrap();
        let claims = tokens.verify(token.expose(), now).unwrap();
        prop_assert_eq!(claims.extra, extra);
        prop_assert_eq!(claims.epoch, session.epoch);
        prop_assert!(expires_at <= session.expires_at && expires_at > now);
    }
}
