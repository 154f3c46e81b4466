//! Every door, tried with what is stored.

use auth_tests::spellings;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::fixture::{ADA, OTHER_PASSWORD};
use crate::server::Server;

/// Which of these values, in any spelling, opens a door.
pub(crate) fn opened(server: &Server, values: &[Vec<u8>], heads: &[String]) -> Vec<String> {
    let mut tried: Vec<String> = values.iter().flat_map(|value| spellings(value)).collect();
    // Each as the secret of a token that exists.
    let as_secrets =
        values.iter().filter(|value| value.len() == 32).map(|value| URL_SAFE_NO_PAD.encode(value));
    tried.extend(as_secrets.flat_map(|secret| heads.iter().map(move |head| format!("{head}.{secret}"))));
    tried.sort();
    tried.dedup();
    let mut opened: Vec<String> = tried.iter().flat_map(|text| doors(server, text)).collect();
    // A guess costs a hash: the forms that a thief would type.
    let typed = values.iter().filter_map(|value| String::from_utf8(value.clone()).ok());
    let typed = typed.filter(|text| text.chars().count() >= 8);
    opened.extend(typed.filter_map(|text| {
        let body = json!({"email": ADA, "password": text});
        let answer = server.post("/auth/login").json(&body).send();
        (answer.status != 401).then(|| format!("log-in: {} to {text}", answer.status))
    }));
    opened
}

fn doors(server: &Server, text: &str) -> Vec<String> {
    // Nothing that a header cannot carry.
    let plain = !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let mut requests = vec![
        ("verify", server.post("/auth/verify-email").json(&json!({"token": text}))),
        ("reset", {
            let body = json!({"token": text, "password": OTHER_PASSWORD});
            server.post("/auth/reset-password").json(&body)
        }),
        ("confirm", server.post("/auth/email/confirm").json(&json!({"token": text}))),
        ("native me", server.post("/auth/me").in_body().json(&json!({"refresh_token": text}))),
        ("native refresh", server.post("/auth/refresh").in_body().json(&json!({"refresh_token": text}))),
    ];
    if plain && text.len() < 4000 {
        requests.push(("refresh", server.post("/auth/refresh").cookie(text)));
        requests.push(("me", server.get("/auth/me").cookie(text)));
        requests.push(("bearer", server.get("/users/me").bearer(text)));
    }
    requests
        .into_iter()
        .filter_map(|(door, request)| {
            let answer = request.send();
            let refused = [400, 401, 413, 422].contains(&answer.status);
            (!refused).then(|| format!("{door}: {} to {text}", answer.status))
        })
        .collect()
}
