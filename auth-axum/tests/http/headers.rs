//! What every answer bears, whatever became of the request; health and keys.

use std::collections::BTreeSet;

use auth_axum::HttpConfig;
use auth_core::{KeyRing, RootSecret, SigningKey};
use auth_http::endpoints;
use auth_testkit::Fault;
use serde_json::json;

use crate::support::{ADA, Answer, PASSWORD, PUBLIC, SECRET, World, full, post};

const ALWAYS: [(&str, &str); 7] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains"),
];

#[track_caller]
fn guarded(answer: &Answer) {
    for (name, value) in ALWAYS {
        assert_eq!(answer.header(name), Some(value), "{name} of {}", answer.status);
    }
    assert!(answer.header("permissions-policy").is_some());
    assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
}

#[track_caller]
fn guarded_and_not_kept(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    guarded(answer);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

/// Every route, with a body that it reads.
fn routes() -> Vec<(&'static str, &'static str, serde_json::Value)> {
    let credentials = json!({"email": ADA, "password": PASSWORD});
    let token = json!({"refresh_token": "t"});
    vec![
        ("POST", "/auth/register", credentials.clone()),
        ("POST", "/auth/login", credentials),
        ("POST", "/auth/refresh", token.clone()),
        ("POST", "/auth/logout", token.clone()),
        ("GET", "/auth/me", json!(null)),
        ("POST", "/auth/me", token),
        ("POST", "/auth/verify-email", json!({"token": "t"})),
        ("POST", "/auth/resend-verification", json!({"email": ADA})),
        ("POST", "/auth/forgot-password", json!({"email": ADA})),
        ("POST", "/auth/reset-password", json!({"token": "t", "password": PASSWORD})),
        ("GET", "/users/me", json!(null)),
        ("POST", "/users/me/password", json!({"current_password": PASSWORD, "new_password": PASSWORD})),
        ("GET", "/users/me/sessions", json!(null)),
        ("DELETE", "/users/me/sessions", json!(null)),
        ("DELETE", "/users/me/sessions/01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a", json!(null)),
        ("GET", "/health", json!(null)),
        ("GET", "//health", json!(null)),
        ("GET", "//.well-known/jwks.json", json!(null)),
        ("GET", "//openapi.json", json!(null)),
        ("POST", "/auth/email/confirm", json!({"token": "t"})),
        ("POST", "/users/me/email", json!({"new_email": ADA, "current_password": PASSWORD})),
    ]
}

#[test]
fn every_endpoint_is_among_the_routes() {
    let config = HttpConfig::builder(PUBLIC).build().unwrap();
    let id = "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a";
    let served: BTreeSet<_> = endpoints()
        .iter()
        .flat_map(|one| one.paths(&config).into_iter().map(|path| format!("{} {path}", one.method())))
        .map(|route| route.replace("{id}", id))
        .collect();
    let tried = routes().into_iter().map(|(method, path, _)| format!("{method} {}", full(path)));
    assert_eq!(tried.collect::<BTreeSet<_>>(), served);
}

#[tokio::test]
async fn every_route_bears_them_at_every_kind_of_refusal() {
    let world = World::new();
    for (method, path, _) in routes() {
        guarded_and_not_kept(&world.bare("PATCH", path, &[]).await, 405);
        let long = [("content-length", "20000")];
        guarded_and_not_kept(&world.bare(method, path, &long).await, 413);
        guarded_and_not_kept(&world.bare(method, &format!("{path}x/y"), &[]).await, 404);
        if method != "GET" {
            let foreign = [("origin", "https://evil.example")];
            guarded_and_not_kept(&world.bare(method, path, &foreign).await, 403);
        }
        if method == "POST" {
            let headers = [("content-type", "text/plain"), ("x-token-transport", "body")];
            let request = crate::support::build("POST", path, &headers, "x".into());
            let status = if path.starts_with("/users/me") { 401 } else { 415 };
            guarded_and_not_kept(&world.send(request).await, status);
        }
    }
}

#[tokio::test]
async fn every_route_bears_them_when_all_stores_fail_panic_or_hang() {
    let world = World::new();
    let session = world.user_and_session().await;
    let token = json!({"refresh_token": session.refresh_token()});
    for (fault, expected) in [(Fault::ErrorBefore, 503), (Fault::Panic, 500)] {
        for (method, path, mut body) in routes() {
            // Those that ask no store, or none for a link that is none.
            if path.contains(".json") || body.get("token").is_some() {
                continue;
            }
            if body.get("refresh_token").is_some() {
                body = token.clone();
            }
            world.store.reset();
            world.store.fail_every_call(fault);
            let headers = [
                ("authorization", session.bearer.as_str()),
                ("cookie", session.cookie.as_str()),
                ("x-token-transport", "body"),
            ];
            // A GET reads the cookie.
            let headers = if method == "GET" { &headers[..2] } else { &headers[..] };
            let answer = if body.is_null() {
                world.bare(method, path, headers).await
            } else {
                world.send(post(path, &body.to_string(), headers)).await
            };
            guarded_and_not_kept(&answer, expected);
            assert_eq!(answer.set_cookie(), None, "{path}");
            if expected == 500 {
                answer.is_problem(500, "internal_error");
                let limited = !path.ends_with("logout") && (path.starts_with("/auth") || method == "POST");
                assert_eq!(answer.header("ratelimit-policy").is_some(), limited, "{path}");
                assert!(!answer.text().contains("panic"));
            } else {
                assert!(answer.header("retry-after").is_some());
            }
        }
    }
    world.store.reset();
    assert_eq!(world.get("/users/me", &session.bearer()).await.status, 200);
}

#[tokio::test]
async fn successes_and_preflights_bear_them() {
    let world = World::new();
    let session = world.user_and_session().await;
    guarded_and_not_kept(&world.get("/users/me", &session.bearer()).await, 200);
    guarded_and_not_kept(&world.bare("POST", "/auth/refresh", &session.cookie()).await, 200);
    guarded_and_not_kept(&world.bare("POST", "/auth/logout", &[]).await, 204);
    guarded_and_not_kept(&world.post("/auth/forgot-password", json!({"email": ADA}), &[]).await, 202);
    let preflight = [("origin", crate::support::FRONT), ("access-control-request-method", "POST")];
    guarded_and_not_kept(&world.bare("OPTIONS", "/auth/login", &preflight).await, 200);
}

#[tokio::test]
async fn hsts_is_for_https_alone() {
    let world = World::with(|_| {}, |_| HttpConfig::builder("http://localhost:3000"));
    let answer = world.get("//health", &[]).await;
    assert_eq!(answer.header("strict-transport-security"), None);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn request_ids_are_made_here() {
    let world = World::new();
    let answer = world.get("//health", &[("x-request-id", "chosen")]).await;
    let again = world.get("//health", &[("x-request-id", "chosen")]).await;
    assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
    assert_ne!(answer.header("x-request-id"), again.header("x-request-id"));
}

#[tokio::test]
async fn health_tells_whether_the_stores_answer() {
    let world = World::new();
    for path in ["//health", "/health"] {
        let answer = world.get(path, &[]).await;
        assert_eq!(answer.text(), r#"{"status":"ok","checks":{"database":"ok"}}"#);
        guarded_and_not_kept(&answer, 200);
        for method in ["find_by_id", "find_session"] {
            world.store.fail_method(method, Fault::ErrorBefore);
            let answer = world.get(path, &[]).await;
            assert_eq!(answer.text(), r#"{"status":"unavailable","checks":{"database":"unavailable"}}"#);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(answer.header("retry-after").is_some());
            guarded_and_not_kept(&answer, 503);
            world.store.reset();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn health_does_not_wait_for_ever() {
    let world = World::new();
    world.store.fail_every_call(Fault::Hang);
    let answer = world.get("//health", &[]).await;
    assert_eq!(answer.json()["checks"]["database"], "unavailable");
    guarded_and_not_kept(&answer, 503);
}

#[tokio::test]
async fn keys_are_public_and_cacheable_and_none_for_hs256() {
    let world = World::new();
    let answer = world.get("//.well-known/jwks.json", &[]).await;
    guarded(&answer);
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"keys": []})));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(world.get("/.well-known/jwks.json", &[]).await.status, 404);
}

#[tokio::test]
async fn a_signing_key_is_published_without_its_private_part() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let world = World::built(
        |_| {},
        |config| config,
        |builder| {
            let key = SigningKey::from_pem(pem).unwrap();
            builder.key_ring(KeyRing::new(key)).root_secret(RootSecret::new(SECRET).unwrap())
        },
    );
    let keys = world.get("//.well-known/jwks.json", &[]).await.json();
    assert!(keys["keys"][0]["kid"].is_string() && keys["keys"][0]["x"].is_string());
    assert_eq!(keys["keys"][0].get("d"), None);
}
