//! The headers of every response, whatever its status; health and keys.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_core::{KeyRing, RootSecret, SigningKey};
use auth_http::{Hsts, HttpConfig, endpoints};
use auth_testkit::Fault;
use auth_tests::UNKNOWN_ID;
use serde_json::json;

use crate::stack::Stack;
use crate::support::{ADA, Answer, FRONT, PUBLIC, SECRET, World, build, routes, short};

contract!(
    every_refusal_of_every_route_has_security_headers,
    every_route_has_security_headers_when_stores_fail_or_panic,
    successes_and_preflights_have_security_headers,
    hsts_is_sent_over_https_alone,
    hsts_covers_what_the_setting_says,
    a_request_id_of_the_client_is_replaced,
    liveness_reads_no_store,
    readiness_ends_when_the_service_drains,
    public_keys_are_cacheable_and_none_for_hs256,
    a_signing_key_is_published_without_its_private_part;
    paused: health_of_a_hanging_store_is_503, health_reports_whether_the_stores_answer,
    health_checks_read_the_stores_once_a_second, a_health_check_outlives_the_request_that_began_it,
);

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
fn guarded_and_not_stored(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    guarded(answer);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn the_document_lists_every_endpoint() {
    let config = HttpConfig::builder(PUBLIC).build().unwrap();
    let served: BTreeSet<_> = endpoints()
        .iter()
        .flat_map(|one| one.paths(&config).into_iter().map(|path| format!("{} {path}", one.method())))
        .map(|route| route.replace("{id}", UNKNOWN_ID))
        .collect();
    let walked = routes().into_iter().map(|route| format!("{} {}", route.method, route.path));
    assert_eq!(walked.collect::<BTreeSet<_>>(), served);
}

async fn every_refusal_of_every_route_has_security_headers(stack: Stack) {
    let world = World::new(stack);
    for route in routes() {
        let path = short(&route.path);
        guarded_and_not_stored(&world.bare("TRACE", &path, &[]).await, 405);
        let long = [("content-length", "20000")];
        guarded_and_not_stored(&world.call(&route, None, &long).await, 413);
        guarded_and_not_stored(&world.bare(&route.method, &format!("{path}x/y"), &[]).await, 404);
        if route.changes() {
            let foreign = [("origin", "https://evil.example")];
            guarded_and_not_stored(&world.call(&route, None, &foreign).await, 403);
        }
        if route.has_body() {
            let headers = [("content-type", "text/plain"), ("x-token-transport", "body")];
            let request = build(&route.method, &path, &headers, "x");
            guarded_and_not_stored(&world.send(request).await, if route.bearer { 401 } else { 415 });
        }
    }
}

async fn every_route_has_security_headers_when_stores_fail_or_panic(stack: Stack) {
    for (fault, expected) in [(Fault::ErrorBefore, 503), (Fault::Panic, 500)] {
        let world = World::new(stack);
        let session = world.user_and_session().await;
        let token = [("refresh_token", session.refresh_token())];
        for route in routes() {
            // These ask no store, or none for a link with a malformed token.
            if route.path.contains(".json") || route.path.ends_with("/live") || route.has_field("token") {
                continue;
            }
            world.store.reset();
            world.store.fail_every_call(fault);
            let headers = [
                ("authorization", session.bearer.as_str()),
                ("cookie", session.cookie.as_str()),
                ("x-token-transport", "body"),
            ];
            // A GET reads the cookie.
            let headers = if route.changes() { &headers[..] } else { &headers[..2] };
            let answer = world.call(&route, route.body(&token).as_ref(), headers).await;
            guarded_and_not_stored(&answer, expected);
            assert_eq!(answer.set_cookie(), None, "{route:?}");
            if expected == 500 {
                answer.is_problem(500, "internal_error");
                assert_eq!(answer.header("ratelimit-policy").is_some(), route.limited, "{route:?}");
                assert!(!answer.text().contains("panic"));
            } else {
                assert!(answer.header("retry-after").is_some());
            }
        }
        world.store.reset();
        assert_eq!(world.get("/users/me", &session.bearer()).await.status, 200);
    }
}

async fn successes_and_preflights_have_security_headers(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    guarded_and_not_stored(&world.get("/users/me", &session.bearer()).await, 200);
    guarded_and_not_stored(&world.bare("POST", "/auth/refresh", &session.cookie()).await, 200);
    guarded_and_not_stored(&world.bare("POST", "/auth/logout", &[]).await, 204);
    guarded_and_not_stored(&world.post("/auth/forgot-password", json!({"email": ADA}), &[]).await, 202);
    let preflight = [("origin", FRONT), ("access-control-request-method", "POST")];
    guarded_and_not_stored(&world.bare("OPTIONS", "/auth/login", &preflight).await, 204);
}

async fn hsts_is_sent_over_https_alone(stack: Stack) {
    let world = World::with(stack, |_| {}, |_| HttpConfig::builder("http://localhost:3000"));
    let answer = world.get("//health", &[]).await;
    assert_eq!(answer.header("strict-transport-security"), None);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

async fn hsts_covers_what_the_setting_says(stack: Stack) {
    for (hsts, value) in [
        (Hsts::WithSubdomains, Some("max-age=31536000; includeSubDomains")),
        (Hsts::ThisHost, Some("max-age=31536000")),
        (Hsts::Off, None),
    ] {
        let world = World::with(stack, |_| {}, |config| config.hsts(hsts));
        for path in ["//health", "//nowhere"] {
            assert_eq!(world.get(path, &[]).await.header("strict-transport-security"), value, "{hsts:?}");
        }
    }
}

async fn a_request_id_of_the_client_is_replaced(stack: Stack) {
    let world = World::new(stack);
    let answer = world.get("//health", &[("x-request-id", "chosen")]).await;
    let again = world.get("//health", &[("x-request-id", "chosen")]).await;
    assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
    assert_ne!(answer.header("x-request-id"), again.header("x-request-id"));
}

async fn health_reports_whether_the_stores_answer(stack: Stack) {
    let world = World::new(stack);
    let later = || tokio::time::advance(Duration::from_secs(1));
    for path in ["//health", "/health"] {
        later().await;
        let answer = world.get(path, &[]).await;
        assert_eq!(answer.text(), r#"{"status":"ok","checks":{"database":"ok"}}"#);
        guarded_and_not_stored(&answer, 200);
        for method in ["find_by_id", "find_session"] {
            world.store.fail_method(method, Fault::ErrorBefore);
            later().await;
            let answer = world.get(path, &[]).await;
            assert_eq!(answer.text(), r#"{"status":"unavailable","checks":{"database":"unavailable"}}"#);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert!(answer.header("retry-after").is_some());
            guarded_and_not_stored(&answer, 503);
            world.store.reset();
        }
    }
}

async fn liveness_reads_no_store(stack: Stack) {
    let world = World::new(stack);
    world.store.fail_every_call(Fault::Panic);
    world.api.drain();
    for path in ["//health/live", "/health/live"] {
        let answer = world.get(path, &[]).await;
        assert_eq!(answer.text(), r#"{"status":"ok"}"#);
        guarded_and_not_stored(&answer, 200);
    }
    assert_eq!(world.store.calls(), Vec::<&str>::new());
}

async fn readiness_ends_when_the_service_drains(stack: Stack) {
    let world = World::new(stack);
    let paths = ["//health/ready", "/health/ready"];
    for path in paths {
        let answer = world.get(path, &[]).await;
        assert_eq!(answer.text(), r#"{"status":"ok","checks":{"database":"ok"}}"#);
        guarded_and_not_stored(&answer, 200);
    }
    let session = world.user_and_session().await;
    world.api.clone().drain();
    for path in paths {
        let answer = world.get(path, &[]).await;
        assert_eq!(answer.text(), r#"{"status":"unavailable","checks":{"database":"ok"}}"#);
        assert!(answer.header("retry-after").is_some());
        guarded_and_not_stored(&answer, 503);
    }
    // Those under way and those that still come are served.
    assert_eq!(world.get("//health", &[]).await.status, 200);
    assert_eq!(world.get("/users/me", &session.bearer()).await.status, 200);
}

async fn health_checks_read_the_stores_once_a_second(stack: Stack) {
    let world = World::new(stack);
    world.get("//health", &[]).await;
    let once = world.store.calls().len();
    assert!(once > 0);
    for _ in 0..50 {
        guarded_and_not_stored(&world.get("//health", &[]).await, 200);
        guarded_and_not_stored(&world.get("/health", &[]).await, 200);
    }
    assert_eq!(world.store.calls().len(), once);
    tokio::time::advance(Duration::from_secs(1)).await;
    world.get("/health", &[]).await;
    assert_eq!(world.store.calls().len(), 2 * once);
}

async fn health_of_a_hanging_store_is_503(stack: Stack) {
    let world = World::new(stack);
    world.store.fail_every_call(Fault::Hang);
    let answer = world.get("//health", &[]).await;
    assert_eq!(answer.json()["checks"]["database"], "unavailable");
    guarded_and_not_stored(&answer, 503);
}

async fn public_keys_are_cacheable_and_none_for_hs256(stack: Stack) {
    let world = World::new(stack);
    let answer = world.get("//.well-known/jwks.json", &[]).await;
    guarded(&answer);
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"keys": []})));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(world.get("/.well-known/jwks.json", &[]).await.status, 404);
}

async fn a_signing_key_is_published_without_its_private_part(stack: Stack) {
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";
    let world = World::built(
        stack,
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

/// Clients that disconnect at once cost the store no more than one that waits.
async fn a_health_check_outlives_the_request_that_began_it(stack: Stack) {
    let world = World::new(stack);
    world.store.reset();
    world.store.fail_method("find_dead_letter", Fault::Delay(Duration::from_secs(2)));
    for _ in 0..20 {
        let dropped = tokio::time::timeout(Duration::from_millis(50), world.get("//health", &[])).await;
        assert!(dropped.is_err(), "the store takes two seconds");
    }
    assert_eq!(world.get("//health", &[]).await.status, 200);
    let pings = world.store.calls().iter().filter(|call| **call == "find_dead_letter").count();
    assert_eq!(pings, 1, "{:?}", world.store.calls());
}
