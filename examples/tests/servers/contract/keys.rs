//! The key set, and what stands in an access token.

use std::collections::BTreeSet;
use std::fs;

use auth_tests::UNKNOWN_ID;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::fixture::Session;
use crate::server::{JWT_SECRET, PUBLIC_URL, Program, Server};
use crate::shapes;

contract!(
    a_shared_secret_is_not_published,
    claims_are_exactly_the_promised_ones,
    an_ed25519_key_is_published_and_signs,
    a_p256_key_is_published_and_signs,
    tokens_of_other_keys_are_refused,
);

fn part(token: &str, number: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap()
}

fn json_part(token: &str, number: usize) -> Value {
    serde_json::from_slice(&part(token, number)).unwrap()
}

fn signed(token: &str) -> &[u8] {
    token.rsplit_once('.').unwrap().0.as_bytes()
}

#[track_caller]
fn key_set(server: &Server) -> Vec<Value> {
    let answer = server.root("GET", "/.well-known/jwks.json").send().expect(200).touches_no_cookie();
    let content_type = answer.header("content-type").unwrap();
    assert!(["application/json", "application/jwk-set+json"].contains(&content_type), "{content_type}");
    let cache = answer.header("cache-control").unwrap();
    let age = cache.split(',').find_map(|part| part.trim().strip_prefix("max-age="));
    assert!(age.unwrap().parse::<u32>().unwrap() > 0 && !cache.contains("no-"), "{cache}");
    shapes::keys(&answer.json(), &["keys"]);
    answer.json()["keys"].as_array().unwrap().clone()
}

fn a_shared_secret_is_not_published(program: Program) {
    let server = program.start();
    assert_eq!(key_set(&server), Vec::<Value>::new());
    let session = server.session("ada@example.com");
    assert_eq!(json_part(&session.access, 0)["alg"], "HS256");
    let key = hmac::Key::new(hmac::HMAC_SHA256, JWT_SECRET.as_bytes());
    hmac::verify(&key, signed(&session.access), &part(&session.access, 2)).unwrap();
}

fn claims_are_exactly_the_promised_ones(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let header = json_part(&first.access, 0);
    let names: BTreeSet<&str> = header.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(names.is_subset(&BTreeSet::from(["typ", "alg", "kid"])), "{header}");
    assert_eq!(header["typ"], "at+jwt");
    let claims = json_part(&first.access, 1);
    let names = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "auth_time", "epoch"];
    shapes::keys(&claims, &names);
    assert_eq!(claims["sub"], first.user["id"]);
    assert_eq!(claims["iss"], PUBLIC_URL);
    let list = server.get("/users/me/sessions").bearer(&first.access).send().json();
    assert_eq!(claims["sid"], list["sessions"][0]["id"]);
    let number = |claims: &Value, name: &str| claims[name].as_i64().unwrap();
    assert_eq!(number(&claims, "exp") - number(&claims, "iat"), 900);
    assert!((number(&claims, "iat") - shapes::now().timestamp()).abs() < 30);
    assert!((0..5).contains(&(number(&claims, "iat") - number(&claims, "auth_time"))), "{claims}");
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() > 10) && claims["epoch"].is_u64(), "{claims}");

    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = server.refresh(&first);
    let later = json_part(&second.access, 1);
    assert!(number(&later, "iat") > number(&claims, "iat"));
    assert_ne!(later["jti"], claims["jti"]);
    for same in ["iss", "aud", "sub", "sid", "auth_time", "epoch"] {
        assert_eq!(later[same], claims[same], "{same}");
    }
}

/// A server that signs with this PKCS#8 document.
fn signing_with(program: Program, pkcs8: &[u8]) -> (Server, Session) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("signing.pem");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(pkcs8));
    fs::write(&path, pem).unwrap();
    let server = program.start_with(&[("JWT_PRIVATE_KEY_FILE", path.to_str().unwrap())]);
    let session = server.session("ada@example.com");
    (server, session)
}

/// The one published key with the id that the token names. Nothing private stands in it.
#[track_caller]
fn published(server: &Server, session: &Session, algorithm: &str, members: &[&str]) -> Value {
    let keys = key_set(server);
    let kid = json_part(&session.access, 0)["kid"].clone();
    assert!(kid.is_string());
    assert_eq!(json_part(&session.access, 0)["alg"], algorithm);
    let key = keys.iter().find(|key| key["kid"] == kid).unwrap().clone();
    let mut expected = vec!["kty", "kid", "alg", "use"];
    expected.extend(members);
    shapes::keys(&key, &expected);
    assert_eq!((&key["alg"], &key["use"]), (&json!(algorithm), &json!("sig")));
    key
}

fn coordinate(key: &Value, name: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap()
}

fn an_ed25519_key_is_published_and_signs(program: Program) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let (server, session) = signing_with(program, pkcs8.as_ref());
    let key = published(&server, &session, "EdDSA", &["crv", "x"]);
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let public = UnparsedPublicKey::new(&ED25519, coordinate(&key, "x"));
    public.verify(signed(&session.access), &part(&session.access, 2)).unwrap();
    assert!(server.lives(&session));
}

fn a_p256_key_is_published_and_signs(program: Program) {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let (server, session) = signing_with(program, pkcs8.as_ref());
    let key = published(&server, &session, "ES256", &["crv", "x", "y"]);
    assert_eq!((&key["kty"], &key["crv"]), (&json!("EC"), &json!("P-256")));
    let point = [vec![4], coordinate(&key, "x"), coordinate(&key, "y")].concat();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    public.verify(signed(&session.access), &part(&session.access, 2)).unwrap();
    assert!(server.lives(&session));
}

/// The same header and claims under another secret, and under the public key taken for a secret.
fn tokens_of_other_keys_are_refused(program: Program) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let (server, session) = signing_with(program, pkcs8.as_ref());
    let public = coordinate(&published(&server, &session, "EdDSA", &["crv", "x"]), "x");
    let claims = session.access.split('.').nth(1).unwrap();
    let mut header = json_part(&session.access, 0);
    header["alg"] = json!("HS256");
    let kinds = [header.clone(), json!({"alg": "HS256", "typ": "at+jwt"})];
    for (header, secret) in kinds.iter().flat_map(|header| {
        [(header, public.clone()), (header, JWT_SECRET.as_bytes().to_vec()), (header, Vec::new())]
    }) {
        let text = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text.as_bytes());
        let forged = format!("{text}.{}", URL_SAFE_NO_PAD.encode(tag));
        server.get("/users/me").bearer(&forged).send().problem(401, "invalid_access_token");
    }
    // A good signature under another type, and another service's token.
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let sign = |header: &Value, claims: &Value| {
        let text = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(pair.sign(text.as_bytes())))
    };
    let (header, claims) = (json_part(&session.access, 0), json_part(&session.access, 1));
    server.get("/users/me").bearer(&sign(&header, &claims)).send().expect(200);
    let with = |part: &Value, name: &str, value: Value| {
        let mut changed = part.clone();
        changed[name] = value;
        changed
    };
    for forged in [
        sign(&with(&header, "typ", json!("JWT")), &claims),
        sign(&header, &with(&claims, "iss", json!("https://evil.example"))),
        sign(&header, &with(&claims, "aud", json!("https://evil.example"))),
        sign(&header, &with(&claims, "exp", json!(shapes::now().timestamp() - 1))),
        sign(&header, &with(&claims, "epoch", json!(7))),
        sign(&header, &with(&claims, "sub", json!(UNKNOWN_ID))),
        sign(&header, &with(&claims, "sid", json!(UNKNOWN_ID))),
    ] {
        server.get("/users/me").bearer(&forged).send().problem(401, "invalid_access_token");
    }
}
