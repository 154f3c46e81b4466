use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaSigningAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::*;
use crate::crypto::keys::WeakSecret;

mod foreign;

pub(crate) const SECRET: &[u8] = b"t3Vn6Hk9Qw2Xz5Lr8Yc1Bm4Jd7Fp0GsE";
pub(crate) const OTHER_SECRET: &[u8] = b"Zr7LwXs4TbNcPd1HgKe9UaRq8Jv0Yf2m";

/// A signing key, and what an attacker or a test needs to sign something else with it.
pub(crate) struct Fixture {
    pub(crate) key: SigningKey,
    pub(crate) raw: EncodingKey,
    pub(crate) algorithm: Algorithm,
    pub(crate) public_pem: String,
    pub(crate) public_der: Vec<u8>,
    pub(crate) public_bytes: Vec<u8>,
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

pub(crate) fn hs256() -> Fixture {
    Fixture {
        key: SigningKey::hs256(SECRET).unwrap(),
        raw: EncodingKey::from_secret(SECRET),
        algorithm: Algorithm::HS256,
        public_pem: String::new(),
        public_der: Vec::new(),
        public_bytes: Vec::new(),
    }
}

pub(crate) fn ed25519() -> Fixture {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private = pair.to_pkcs8v1().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    Fixture {
        key: SigningKey::from_pem(pem("PRIVATE KEY", private.as_ref())).unwrap(),
        raw: EncodingKey::from_ed_der(private.as_ref()),
        algorithm: Algorithm::EdDSA,
        public_pem: pem("PUBLIC KEY", public.as_ref()),
        public_der: public.as_ref().to_vec(),
        public_bytes: pair.public_key().as_ref().to_vec(),
    }
}

fn ec_pems(algorithm: &'static EcdsaSigningAlgorithm) -> (EcdsaKeyPair, String, String) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let private = pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref());
    let public = pem("PUBLIC KEY", public.as_ref());
    (pair, private, public)
}

pub(crate) fn es256() -> Fixture {
    let (pair, private_pem, public_pem) = ec_pems(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    Fixture {
        key: SigningKey::from_pem(&private_pem).unwrap(),
        raw: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
        algorithm: Algorithm::ES256,
        public_pem,
        public_der: public.as_ref().to_vec(),
        public_bytes: pair.public_key().as_ref().to_vec(),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// The SPKI of an uncompressed or compressed EC point, for curves that aws-lc does not make.
fn ec_spki(curve_oid: &[u8], point: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, body: &[u8]| [&[tag, u8::try_from(body.len()).unwrap()], body].concat();
    let id_ec_public_key = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let algorithm = tlv(0x30, &[tlv(6, &id_ec_public_key), tlv(6, curve_oid)].concat());
    tlv(0x30, &[algorithm, tlv(3, &[&[0], point].concat())].concat())
}

#[test]
fn weak_secrets_are_refused_for_signing_and_for_verifying() {
    let weak: [(&[u8], WeakSecret); 4] = [
        (b"", WeakSecret::TooShort),
        (&SECRET[..31], WeakSecret::TooShort),
        (&[b'k'; 64], WeakSecret::Repetitive),
        (b"please-Change_Me-before-going-live-1", WeakSecret::Placeholder),
    ];
    for (secret, why) in weak {
        assert_eq!(SigningKey::hs256(secret).unwrap_err(), KeyError::Weak(why));
        assert_eq!(VerifyingKey::hs256(secret).unwrap_err(), KeyError::Weak(why));
        assert_eq!(KeyRing::hs256(secret).unwrap_err(), KeyError::Weak(why));
    }
    assert!(KeyRing::hs256(SECRET).is_ok());
}

/// RFC 8410: an Ed25519 public key is 32 bytes.
#[test]
fn an_ed25519_key_of_another_length_is_refused() {
    let spki = |key: &[u8]| {
        let bits = u8::try_from(key.len() + 1).unwrap();
        let algorithm = [0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
        [&[0x30, bits + 9], &algorithm[..], &[3, bits, 0], key].concat()
    };
    assert!(VerifyingKey::from_pem(pem("PUBLIC KEY", &spki(&[7; 32]))).is_ok());
    for length in [0, 31, 33] {
        let key = VerifyingKey::from_pem(pem("PUBLIC KEY", &spki(&vec![7; length])));
        assert_eq!(key.unwrap_err(), KeyError::Unsupported, "{length} bytes");
    }
}

#[test]
fn only_ed25519_and_p256_keys_are_taken() {
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = rsa.public_key().as_der().unwrap();
    let (_, p384_private, p384_public) = ec_pems(&ECDSA_P384_SHA384_FIXED_SIGNING);
    for private in [pem("PRIVATE KEY", private.as_ref()), p384_private, pem("PRIVATE KEY", b"junk")] {
        assert_eq!(SigningKey::from_pem(private).unwrap_err(), KeyError::Unsupported);
    }
    for public in [pem("PUBLIC KEY", public.as_ref()), p384_public, pem("PUBLIC KEY", b"junk")] {
        assert_eq!(VerifyingKey::from_pem(public).unwrap_err(), KeyError::Unsupported);
    }
}

#[test]
fn a_point_of_another_curve_or_none_is_refused() {
    let p256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let secp256k1 = [0x2b, 0x81, 0x04, 0x00, 0x0a];
    let generator_of_secp256k1 = "04\
        79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
        483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
    let foreign: Vec<u8> = (0..generator_of_secp256k1.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&generator_of_secp256k1[at..at + 2], 16).unwrap())
        .collect();
    let good = es256().public_bytes;
    assert!(VerifyingKey::from_pem(pem("PUBLIC KEY", &ec_spki(&p256, &good))).is_ok());
    let compressed = [&[2 + (good[64] & 1)], &good[1..33]].concat();
    let mut off_curve = good.clone();
    off_curve[64] ^= 1;
    for spki in [
        ec_spki(&secp256k1, &foreign),
        ec_spki(&p256, &foreign),
        ec_spki(&p256, &compressed),
        ec_spki(&p256, &off_curve),
        ec_spki(&p256, &[0]),
        ec_spki(&p256, &[]),
    ] {
        assert_eq!(VerifyingKey::from_pem(pem("PUBLIC KEY", &spki)).unwrap_err(), KeyError::Unsupported);
    }
}

#[test]
fn the_pem_must_be_one_block_of_the_right_label() {
    let (fixture, (_, private, public)) = (ed25519(), ec_pems(&ECDSA_P256_SHA256_FIXED_SIGNING));
    let relabelled = |label| private.replace("PRIVATE KEY", label);
    for text in [
        String::new(),
        "not a PEM".to_owned(),
        public.clone(),
        relabelled("EC PRIVATE KEY"),
        relabelled("ENCRYPTED PRIVATE KEY"),
        format!("{private}{public}"),
        format!("{public}{private}"),
    ] {
        assert_eq!(SigningKey::from_pem(&text).unwrap_err(), KeyError::NotPrivatePem, "{text}");
    }
    for text in [private.clone(), pem("CERTIFICATE", &fixture.public_der), format!("{public}{public}")] {
        assert_eq!(VerifyingKey::from_pem(&text).unwrap_err(), KeyError::NotPublicPem, "{text}");
    }
    assert!(SigningKey::from_pem([0xff, 0xfe]).is_err());
    assert!(VerifyingKey::from_pem(format!("a comment\n{}", public.replace('\n', "\r\n"))).is_ok());
}

#[test]
fn the_default_kid_of_a_public_key_is_its_thumbprint() {
    // RFC 8037, appendices A.2 and A.3.
    let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let spki =
        [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], x.as_slice()].concat();
    let key = VerifyingKey::from_pem(pem("PUBLIC KEY", &spki)).unwrap();
    assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn both_halves_of_a_key_have_one_kid() {
    for fixture in [ed25519(), es256()] {
        let public = VerifyingKey::from_pem(&fixture.public_pem).unwrap();
        assert_eq!(public.kid(), fixture.key.kid());
        assert_eq!(fixture.key.verifying_key().kid(), fixture.key.kid());
        let jwk: Jwk = serde_json::from_value(public.jwk().unwrap()).unwrap();
        assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), public.kid());
    }
    let secret = SigningKey::hs256(SECRET).unwrap();
    assert_eq!(secret.kid(), VerifyingKey::hs256(SECRET).unwrap().kid());
    assert_eq!(secret.kid().len(), 16);
    assert_ne!(secret.kid(), SigningKey::hs256(OTHER_SECRET).unwrap().kid());
}

#[test]
fn a_kid_that_would_not_survive_a_header_is_refused() {
    for kid in ["", " ", "a b", "a\"b", "a\\b", "a\nb", "\0", "é", &"k".repeat(129)] {
        assert_eq!(hs256().key.with_kid(kid).unwrap_err(), KeyError::BadKid, "{kid}");
    }
    for kid in ["1", "2026-11/blue", "urn:key:7", &"k".repeat(128)] {
        assert_eq!(hs256().key.with_kid(kid).unwrap().kid(), kid);
    }
}

#[test]
fn two_keys_of_one_name_are_refused() {
    let ring = KeyRing::new(ed25519().key.with_kid("a").unwrap());
    let second = es256().key.verifying_key().with_kid("a").unwrap();
    assert_eq!(ring.also_verify(second).unwrap_err(), KeyRingError::DuplicateKid("a".into()));
}

#[test]
fn one_key_under_two_names_is_refused() {
    let key = es256().key.with_kid("a").unwrap();
    let again = key.verifying_key().with_kid("b").unwrap();
    let error = KeyRing::new(key).also_verify(again).unwrap_err();
    assert_eq!(error, KeyRingError::SameKey { kid: "b".into(), present: "a".into() });

    let ring =
        KeyRing::hs256(OTHER_SECRET).unwrap().also_verify(VerifyingKey::hs256(SECRET).unwrap()).unwrap();
    let again = VerifyingKey::hs256(SECRET).unwrap().until(now());
    assert!(matches!(ring.also_verify(again), Err(KeyRingError::SameKey { .. })));
}

#[test]
fn secrets_and_public_keys_do_not_mix() {
    let secret = || hs256().key.with_kid("s").unwrap();
    for public in [ed25519(), es256()] {
        let public = public.key.with_kid("p").unwrap();
        assert_eq!(
            KeyRing::new(secret()).also_verify(public.verifying_key()).unwrap_err(),
            KeyRingError::MixedKinds { kid: "p".into(), present: "s".into() }
        );
        assert!(KeyRing::new(public).also_verify(secret().verifying_key()).is_err());
    }
    assert!(KeyRing::new(ed25519().key).also_verify(es256().key.verifying_key()).is_ok());
}

#[test]
fn the_published_keys_verify_what_the_ring_signs() {
    for (fixture, other) in [(ed25519(), es256()), (es256(), ed25519())] {
        let ring = KeyRing::new(fixture.key.clone()).also_verify(other.key.verifying_key()).unwrap();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(ring.jwks(now())).unwrap();
        assert_eq!(set.keys.len(), 2);
        let token = fixture.key.sign(b"{}").unwrap();
        let (message, signature) = token.rsplit_once('.').unwrap();
        let verifies = |jwk: &Jwk| {
            let key = DecodingKey::from_jwk(jwk).unwrap();
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, fixture.algorithm)
        };
        assert!(verifies(set.find(fixture.key.kid()).unwrap()).unwrap());
        assert!(!verifies(set.find(other.key.kid()).unwrap()).is_ok_and(|verifies| verifies));
    }
}

#[test]
fn a_published_key_says_what_it_is_for_and_nothing_private() {
    let ring = KeyRing::new(ed25519().key.with_kid("ed").unwrap())
        .also_verify(es256().key.verifying_key().with_kid("es").unwrap())
        .unwrap();
    let set = ring.jwks(now());
    let (ed, es) = (&set["keys"][0], &set["keys"][1]);
    let names =
        |jwk: &Value| jwk.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names(ed), ["alg", "crv", "kid", "kty", "use", "x"].map(str::to_owned).into());
    assert_eq!(names(es), ["alg", "crv", "kid", "kty", "use", "x", "y"].map(str::to_owned).into());
    assert_eq!((&ed["kty"], &ed["crv"], &ed["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    assert_eq!((&es["kty"], &es["crv"], &es["alg"]), (&json!("EC"), &json!("P-256"), &json!("ES256")));
    assert_eq!((&ed["kid"], &ed["use"], &es["kid"]), (&json!("ed"), &json!("sig"), &json!("es")));
}

#[test]
fn retired_keys_and_secrets_are_not_published() {
    let ring = KeyRing::new(ed25519().key).also_verify(es256().key.verifying_key().until(now())).unwrap();
    let published = |at| ring.jwks(at)["keys"].as_array().unwrap().len();
    assert_eq!(published(now() - chrono::TimeDelta::microseconds(1)), 2);
    assert_eq!(published(now()), 1);
    assert_eq!(KeyRing::hs256(SECRET).unwrap().jwks(now()), json!({ "keys": [] }));
}

#[test]
fn debug_and_errors_show_no_key() {
    let ring =
        KeyRing::hs256(SECRET).unwrap().also_verify(VerifyingKey::hs256(OTHER_SECRET).unwrap()).unwrap();
    let shown = format!("{ring:?}");
    assert!(shown.contains(ring.signer().kid()));
    for secret in [SECRET, OTHER_SECRET] {
        assert!(!shown.contains(std::str::from_utf8(secret).unwrap()));
        assert!(!shown.contains(&format!("{:?}", &secret[..4]).replace(['[', ']'], "")));
    }
    let ed = ed25519();
    assert!(!format!("{:?}", ed.key).contains("private: "), "{:?}", ed.key);
}
