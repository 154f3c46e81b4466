//! Tokens and texts at random, and tokens changed at random.

use super::forgery::with_raw;
use super::*;

#[test]
fn no_single_character_can_be_changed() {
    for fixture in [hs256(), ed25519(), es256()] {
        let tokens = tokens(fixture.key);
        let token = sign(&tokens);
        for at in 0..token.len() {
            for with in ["A", "B", "-", "_", ".", "=", "9", "é", ""] {
                let changed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
                assert!(changed == token || tokens.verify(&changed, now()).is_err(), "{changed}");
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_verifying_panic(text in "[A-Za-z0-9_=+./-]{0,200}|.{0,200}", header in any::<String>(), payload in any::<String>()) {
        let tokens = tokens(hs256().key);
        prop_assert!(tokens.verify(&text, now()).is_err());
        prop_assert!(tokens.verify(&forge(&hs256(), &header, &payload), now()).is_err());
    }

    #[test]
    fn no_signed_payload_makes_verifying_panic(name in "iss|aud|sub|sid|jti|iat|exp|nbf|auth_time|epoch|x", raw in ".{0,40}", number: i128) {
        let fixture = hs256();
        let tokens = lenient(hs256().key, 60);
        for raw in [raw, number.to_string()] {
            let token = forge(&fixture, &good_header(&fixture).to_string(), &with_raw(good_claims(), &name, &raw));
            if let Ok(claims) = tokens.verify(&token, now()) {
                prop_assert!(claims.expires_at <= now() + seconds(86_400));
            }
        }
    }

    #[test]
    fn no_mutated_token_is_accepted(at in 0_usize..300, with in any::<char>(), cut in 0_usize..4) {
        let tokens = tokens(hs256().key);
        let token = sign(&tokens);
        let at = at % token.len();
        let rest = token.get(at + cut..).unwrap_or_default();
        let changed = format!("{}{with}{rest}", &token[..at]);
        prop_assert!(changed == token || tokens.verify(&changed, now()).is_err());
    }
}
