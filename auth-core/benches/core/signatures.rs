//! Compares signing and checking access tokens with the bare library, for each algorithm.

use std::hint::black_box;

use auth_core::{Client, KeyRing, MemoryStore, Password, SigningKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, decode, encode};

use crate::ratio::{Failure, Named, compare, medians};
use crate::tokens::{ADDRESS, BareClaims, PASSWORD, SECRET, service, validation};

/// One key in the forms of both.
struct Keys {
    algorithm: Algorithm,
    ours: SigningKey,
    signs: EncodingKey,
    verifies: DecodingKey,
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn hs256() -> Result<Keys, Failure> {
    let (signs, verifies) =
        (EncodingKey::from_secret(SECRET.as_bytes()), DecodingKey::from_secret(SECRET.as_bytes()));
    Ok(Keys { algorithm: Algorithm::HS256, ours: SigningKey::hs256(SECRET)?, signs, verifies })
}

fn eddsa() -> Result<Keys, Failure> {
    let pair = Ed25519KeyPair::generate()?;
    let private = pem("PRIVATE KEY", pair.to_pkcs8v1()?.as_ref());
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    Ok(Keys {
        algorithm: Algorithm::EdDSA,
        ours: SigningKey::from_pem(&private)?,
        signs: EncodingKey::from_ed_pem(private.as_bytes())?,
        verifies: DecodingKey::from_ed_pem(pem("PUBLIC KEY", public.as_ref()).as_bytes())?,
    })
}

fn es256() -> Result<Keys, Failure> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;

    let private = pem("PRIVATE KEY", pair.to_pkcs8v1()?.as_ref());
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    Ok(Keys {
        algorithm: Algorithm::ES256,
        ours: SigningKey::from_pem(&private)?,
        signs: EncodingKey::from_ec_pem(private.as_bytes())?,
        verifies: DecodingKey::from_ec_pem(pem("PUBLIC KEY", public.as_ref()).as_bytes())?,
    })
}

pub(crate) fn compare_all() -> Result<(), Failure> {
    for (keys, repeat) in [(hs256()?, 5_000), (eddsa()?, 500), (es256()?, 500)] {
        compare_one(keys, repeat)?;
    }
    Ok(())
}

fn compare_one(keys: Keys, repeat: u32) -> Result<(), Failure> {
    let Keys { algorithm, ours, signs, verifies } = keys;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let auth = service(&MemoryStore::new(), KeyRing::new(ours), &runtime)?;
    let client = Client::unknown();
    let grant = runtime.block_on(auth.log_in(ADDRESS, Password::new(PASSWORD), &client))?;
    let (token, refresh_token) = (grant.access_token.expose(), grant.refresh_token.expose());
    let (header, validation) = (Header::new(algorithm), validation(algorithm));
    let claims: BareClaims = decode(token, &verifies, &validation)?.claims;
    let [check, bare_check, make, bare_make] = medians(
        &format!("one access token ({algorithm:?})"),
        21,
        repeat,
        [
            ("Auth::authenticate", Box::new(|| assert!(auth.authenticate(token).is_ok()))),
            (
                "bare jsonwebtoken::decode",
                Box::new(|| assert!(decode::<BareClaims>(token, &verifies, &validation).is_ok())),
            ),
            (
                "Auth::restore, over memory",
                Box::new(|| assert!(runtime.block_on(auth.restore(&refresh_token, &client)).is_ok())),
            ),
            ("bare jsonwebtoken::encode", Box::new(|| drop(black_box(encode(&header, &claims, &signs))))),
        ],
    );
    let name = |what: &str| format!("{what} ({algorithm:?})");
    let floor = |cost| Named("jsonwebtoken, bare", cost);
    compare(&name("access token checked"), check, floor(bare_check), Some(1.25));
    compare(&name("session restored over memory: one token signed"), make, floor(bare_make), None);
    Ok(())
}
