//! Tokens that must be refused: RFC 8725, RFC 7515, RFC 7519 and RFC 9068, and what went wrong in other
//! libraries.

use super::*;

const BAD_NUMBERS: [&str; 21] = [
    "\"1800000000\"",
    "\"\"",
    "1800000000.0",
    "1800000000.5",
    "18e8",
    "1e400",
    "-0",
    "-1",
    "-1800000000",
    "9007199254740992",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "null",
    "true",
    "false",
    "[1800000000]",
    "[]",
    "{}",
];

fn refuse(fixture: &Fixture, token: &str) {
    assert_eq!(tokens(fixture.key.clone()).verify(token, now()), Err(InvalidAccessToken), "{token:.200}");
    assert_eq!(
        lenient(fixture.key.clone(), 60).verify(token, now()),
        Err(InvalidAccessToken),
        "{token:.200}"
    );
}

/// Refuses the header over good claims, and checks that it is the header that did it.
fn refuse_header(fixture: &Fixture, header: &str) {
    let good = forge(fixture, &good_header(fixture).to_string(), &good_claims().to_string());
    assert!(tokens(fixture.key.clone()).verify(&good, now()).is_ok());
    refuse(fixture, &forge(fixture, header, &good_claims().to_string()));
}

fn refuse_claims(fixture: &Fixture, claims: &str) {
    refuse(fixture, &forge(fixture, &good_header(fixture).to_string(), claims));
}

/// Puts raw JSON text behind a name, for what a `Value` cannot hold.
pub(super) fn with_raw(object: Value, name: &str, raw: &str) -> String {
    let object = with(object, name, json!("@@"));
    object.replace("\"@@\"", raw)
}

#[test]
fn an_unsigned_token_is_refused_however_it_says_so() {
    for fixture in [hs256(), ed25519(), es256()] {
        for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
            let header = with(good_header(&fixture), "alg", alg.into());
            refuse_header(&fixture, &header);
            let signed = forge(&fixture, &header, &good_claims().to_string());
            let (message, _) = signed.rsplit_once('.').unwrap();
            for unsigned in [message.to_owned(), format!("{message}."), format!("{message}.AA")] {
                refuse(&fixture, &unsigned);
            }
        }
        let signed = sign(&tokens(fixture.key.clone()));
        let (message, _) = signed.rsplit_once('.').unwrap();
        refuse(&fixture, &format!("{message}."));
    }
}

#[test]
fn a_token_that_names_another_algorithm_than_its_key_is_refused() {
    let all =
        ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"];
    for fixture in [hs256(), ed25519(), es256()] {
        let own = format!("{:?}", fixture.algorithm);
        for alg in all.into_iter().filter(|alg| *alg != own) {
            refuse_header(&fixture, &with(good_header(&fixture), "alg", alg.into()));
        }
        for alg in [json!(null), json!(256), json!([own]), json!({ "alg": own }), json!(own.to_lowercase())] {
            if alg != json!(own) {
                refuse_header(&fixture, &with(good_header(&fixture), "alg", alg));
            }
        }
        refuse_header(&fixture, &without(good_header(&fixture), "alg"));
    }
}

#[test]
fn a_token_signed_with_the_public_key_as_hmac_secret_is_refused() {
    for fixture in [ed25519(), es256()] {
        let pem = fixture.public_pem.as_bytes();
        let without_newline = fixture.public_pem.trim_end().as_bytes();
        for secret in [pem, without_newline, &fixture.public_der, &fixture.public_bytes] {
            for alg in ["HS256", "HS384", "EdDSA", "ES256"] {
                let header = with(good_header(&fixture), "alg", alg.into());
                let attacker = Fixture {
                    raw: jsonwebtoken::EncodingKey::from_secret(secret),
                    algorithm: jsonwebtoken::Algorithm::HS256,
                    ..hs256()
                };
                refuse(&fixture, &forge(&attacker, &header, &good_claims().to_string()));
            }
        }
    }
}

#[test]
fn a_token_of_another_key_is_refused_under_this_keys_name() {
    for (fixture, stranger) in
        [(ed25519(), ed25519()), (es256(), es256()), (ed25519(), es256()), (es256(), ed25519())]
    {
        refuse(&fixture, &sign(&tokens(stranger.key.clone())));
        refuse(&fixture, &sign(&tokens(stranger.key.clone().with_kid(fixture.key.kid()).unwrap())));
        refuse(&fixture, &forge(&stranger, &good_header(&fixture).to_string(), &good_claims().to_string()));
    }
    // Both in one ring: the name decides which key must have signed.
    let (a, b) = (ed25519(), es256());
    let ring = KeyRing::new(a.key.clone()).also_verify(b.key.verifying_key()).unwrap();
    let tokens = AccessTokens::new(ring, AccessPolicy::default());
    assert!(
        tokens.verify(&forge(&b, &good_header(&b).to_string(), &good_claims().to_string()), now()).is_ok()
    );
    assert!(
        tokens.verify(&forge(&b, &good_header(&a).to_string(), &good_claims().to_string()), now()).is_err()
    );
}

#[test]
fn a_header_with_a_missing_or_extra_member_is_refused() {
    let fixture = hs256();
    for name in ["typ", "alg", "kid"] {
        refuse_header(&fixture, &without(good_header(&fixture), name));
        for value in [json!(null), json!(1), json!(["at+jwt"]), json!({})] {
            refuse_header(&fixture, &with(good_header(&fixture), name, value));
        }
    }
    let embedded = json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let extra = [
        ("crit", json!([])),
        ("crit", json!(["exp"])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A128GCM")),
        ("jwk", embedded),
        ("jku", json!("https://attacker.test/jwks.json")),
        ("x5u", json!("https://attacker.test/x5u")),
        ("x5c", json!(["AAAA"])),
        ("cty", json!("JWT")),
    ];
    for (name, value) in extra {
        refuse_header(&fixture, &with(good_header(&fixture), name, value));
    }
}

#[test]
fn a_token_of_another_type_is_refused() {
    let fixture = hs256();
    let others = [
        "JWT",
        "jwt",
        "",
        "at",
        "jwt+at",
        "at+jwt ",
        "at+jwts",
        "application/jwt",
        "application/",
        "text/at+jwt",
        "rt+jwt",
    ];
    for typ in others {
        refuse_header(&fixture, &with(good_header(&fixture), "typ", typ.into()));
    }
}

#[test]
fn an_unknown_key_name_is_refused_whatever_it_looks_like() {
    let fixture = hs256();
    let (long, fits) = ("k".repeat(1 << 20), "k".repeat(4_000));
    let names =
        ["", "unknown", "../../dev/null", "/dev/null", "' OR 1=1 --", "\0", "kid\0", "%", &long, &fits];
    for kid in names {
        refuse_header(&fixture, &with(good_header(&fixture), "kid", kid.into()));
    }
    refuse_header(&fixture, &with(good_header(&fixture), "kid", format!("{}\0", fixture.key.kid()).into()));
}

#[test]
fn a_member_that_comes_twice_is_refused() {
    let fixture = hs256();
    for (name, value) in good_header(&fixture).as_object().unwrap() {
        let header = good_header(&fixture).to_string();
        refuse_header(&fixture, &header.replacen('{', &format!("{{\"{name}\":{value},"), 1));
    }
    let mut claims = good_claims();
    claims["nbf"] = now().timestamp().into();
    claims["role"] = "admin".into();
    assert!(
        tokens(fixture.key.clone())
            .verify(&forge(&fixture, &good_header(&fixture).to_string(), &claims.to_string()), now())
            .is_ok()
    );
    for (name, value) in claims.as_object().unwrap() {
        refuse_claims(&fixture, &claims.to_string().replacen('{', &format!("{{\"{name}\":{value},"), 1));
    }
    refuse_claims(&fixture, &claims.to_string().replacen('{', "{\"\\u0073ub\":\"x\",", 1));
}

#[test]
fn a_token_without_one_of_its_claims_is_refused() {
    let fixture = hs256();
    for name in good_claims().as_object().unwrap().keys() {
        refuse_claims(&fixture, &without(good_claims(), name));
        refuse_claims(&fixture, &with(good_claims(), name, Value::Null));
    }
}

#[test]
fn a_number_of_another_type_is_refused() {
    let fixture = hs256();
    for name in ["exp", "iat", "auth_time", "nbf"] {
        for raw in BAD_NUMBERS {
            refuse_claims(&fixture, &with_raw(good_claims(), name, raw));
        }
    }
    let not_an_epoch = |raw: &&str| raw.parse::<u64>().is_err();
    for raw in BAD_NUMBERS.iter().filter(|raw| not_an_epoch(raw)) {
        refuse_claims(&fixture, &with_raw(good_claims(), "epoch", raw));
    }
}

#[test]
fn a_text_of_another_type_or_form_is_refused() {
    let fixture = hs256();
    for name in ["iss", "aud", "sub", "sid", "jti"] {
        let good = good_claims()[name].clone();
        for value in
            [json!([good]), json!([]), json!({}), json!(1), json!(true), json!(""), json!({ "a": good })]
        {
            refuse_claims(&fixture, &with(good_claims(), name, value));
        }
    }
    for name in ["sub", "sid"] {
        for id in [
            "01010101010101010101010101010101",
            "{01010101-0101-0101-0101-010101010101}",
            "admin",
            "1 OR 1=1",
        ] {
            refuse_claims(&fixture, &with(good_claims(), name, id.into()));
        }
    }
    for jti in [
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAB",
        "AAAAAAAAAAAAAAAAAAAAA=",
    ] {
        refuse_claims(&fixture, &with(good_claims(), "jti", jti.into()));
    }
}

#[test]
fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    let fixture = hs256();
    for name in ["iss", "aud"] {
        for other in ["Auth", "auth ", " auth", "aut", "authh", "auth/", "auth\0", "a", "*", "auth,other"] {
            refuse_claims(&fixture, &with(good_claims(), name, other.into()));
        }
    }
}

#[test]
fn a_lifetime_that_no_policy_allows_is_refused_even_when_signed() {
    let fixture = hs256();
    let made_at = now().timestamp();
    let token = |exp: i64| {
        forge(&fixture, &good_header(&fixture).to_string(), &with(good_claims(), "exp", exp.into()))
    };
    assert!(tokens(fixture.key.clone()).verify(&token(made_at + 86_400), now()).is_ok());
    refuse(&fixture, &token(made_at + 86_401));
    refuse(&fixture, &token(8_210_266_876_799));
    refuse(&fixture, &token(made_at));
    refuse(&fixture, &token(made_at - 10));
    refuse(&fixture, &token(0));
    refuse_claims(&fixture, &with(good_claims(), "auth_time", (made_at + 1).into()));
}

#[test]
fn text_that_is_no_token_is_refused() {
    let fixture = hs256();
    let token = sign(&tokens(fixture.key.clone()));
    for junk in ["", ".", "..", "...", "a.b.c", "\u{feff}", "null", "{}"] {
        refuse(&fixture, junk);
    }
    for extra in ["=", " ", "\n", "A", ".", "\0", ".AAAA", "é"] {
        refuse(&fixture, &format!("{token}{extra}"));
        refuse(&fixture, &format!("{extra}{token}"));
        refuse(&fixture, &token.replace('.', &format!("{extra}.")));
    }
    for end in 0..token.len() {
        refuse(&fixture, &token[..end]);
    }
    refuse(&fixture, &".".repeat(1 << 20));
    refuse(&fixture, &format!("{token}{}", "A".repeat(8 * 1024)));
    let padded = with(good_claims(), "x", "x".repeat(8 * 1024).into());
    refuse_claims(&fixture, &padded);
}

#[test]
fn a_payload_that_is_no_json_object_is_refused() {
    let fixture = hs256();
    let good = good_claims().to_string();
    let values: Vec<Value> = good_claims().as_object().unwrap().values().cloned().collect();
    let array = Value::from(values).to_string();
    let others = ["", "null", "[]", "{}", "1", "\"a\"", &array];
    for payload in others.into_iter().map(str::to_owned).chain([
        format!("\u{feff}{good}"),
        format!("{good}{good}"),
        format!("{good},"),
        format!("{good}\0"),
        good.replace('"', "'"),
        good.replacen('{', "{/**/", 1),
    ]) {
        refuse_claims(&fixture, &payload);
    }
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let invalid = good.as_bytes().iter().map(|b| if *b == b'7' { 0xff } else { *b }).collect();
    for bytes in [utf16, invalid] {
        let header = URL_SAFE_NO_PAD.encode(good_header(&fixture).to_string());
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(bytes));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &fixture.raw, fixture.algorithm).unwrap();
        refuse(&fixture, &format!("{message}.{signature}"));
    }
    let array = json!(["at+jwt", "HS256", fixture.key.kid()]).to_string();
    refuse_header(&fixture, &array);
    refuse_header(&fixture, &format!("\u{feff}{}", good_header(&fixture)));
}

#[test]
fn a_signature_of_trivial_numbers_is_refused() {
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut one = [0; 32];
    one[31] = 1;
    let numbers = [[0; 32], one, order, [0xff; 32]];
    for fixture in [es256(), ed25519(), hs256()] {
        let token = sign(&tokens(fixture.key.clone()));
        let (message, _) = token.rsplit_once('.').unwrap();
        for r in numbers {
            for s in numbers {
                refuse(&fixture, &format!("{message}.{}", URL_SAFE_NO_PAD.encode([r, s].concat())));
            }
            refuse(&fixture, &format!("{message}.{}", URL_SAFE_NO_PAD.encode(r)));
        }
        // The DER form of an ECDSA signature, which JWS does not use.
        let der = [0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00];
        refuse(&fixture, &format!("{message}.{}", URL_SAFE_NO_PAD.encode(der)));
    }
}
