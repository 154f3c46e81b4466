//! Requests that pages of other sites send, and CORS for those that may.

use serde_json::json;

use crate::support::{ADA, FRONT, OTHER_PASSWORD, PASSWORD, PUBLIC, World, build};
use axum::body::Body;

/// Every state-changing route.
const CHANGING: [(&str, &str); 12] = [
    ("POST", "/auth/register"),
    ("POST", "/auth/login"),
    ("POST", "/auth/refresh"),
    ("POST", "/auth/logout"),
    ("POST", "/auth/me"),
    ("POST", "/auth/verify-email"),
    ("POST", "/auth/resend-verification"),
    ("POST", "/auth/forgot-password"),
    ("POST", "/auth/reset-password"),
    ("POST", "/users/me/password"),
    ("DELETE", "/users/me/sessions"),
    ("DELETE", "/users/me/sessions/01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a"),
];

const FOREIGN: [&str; 14] = [
    "https://evil.example",
    "null",
    "NULL",
    "",
    "*",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "https://evilapp.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://APP.example.com",
    "https://app.example.com/",
    "https://app.example.com https://evil.example",
    "https://example.com",
];

#[tokio::test]
async fn no_route_listens_to_another_site() {
    let world = World::new();
    let session = world.user_and_session().await;
    world.store.reset();
    for (method, path) in CHANGING {
        for origin in FOREIGN {
            let headers = [
                ("origin", origin),
                ("sec-fetch-site", "same-origin"),
                ("cookie", &session.cookie),
                ("authorization", &session.bearer),
            ];
            let answer = world.bare(method, path, &headers).await;
            answer.is_problem(403, "cross_site_request");
            assert_eq!(answer.set_cookie(), None);
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        let answer = world.bare(method, path, &[("sec-fetch-site", "cross-site")]).await;
        answer.is_problem(403, "cross_site_request");
        let two = [("origin", FRONT), ("origin", "https://evil.example")];
        world.bare(method, path, &two).await.is_problem(403, "cross_site_request");
    }
    assert!(world.store.calls().is_empty(), "{:?}", world.store.calls());
    assert_eq!(world.bare("POST", "/auth/refresh", &session.cookie()).await.status, 200);
}

#[tokio::test]
async fn refused_requests_cost_no_place_in_a_limit() {
    let world = World::new();
    world.user(ADA).await;
    for _ in 0..20 {
        let body = json!({"email": ADA, "password": OTHER_PASSWORD});
        let answer = world.post("/auth/login", body, &[("origin", "https://evil.example")]).await;
        answer.is_problem(403, "cross_site_request");
    }
    world.log_in().await;
}

#[tokio::test]
async fn own_and_allowed_origins_and_clients_that_are_no_browsers_are_heard() {
    let world = World::new();
    world.user(ADA).await;
    let cases: [&[(&str, &str)]; 7] = [
        &[],
        &[("origin", PUBLIC)],
        &[("origin", FRONT)],
        &[("origin", FRONT), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
    ];
    for headers in cases {
        let body = json!({"email": ADA, "password": PASSWORD});
        let answer = world.post("/auth/login", body, headers).await;
        assert_eq!(answer.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn cors_answers_name_exactly_the_allowed_origin() {
    let world = World::new();
    for origin in [FRONT, PUBLIC] {
        for path in ["//health", "/auth/login", "//nothing"] {
            let answer = world.get(path, &[("origin", origin)]).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert!(answer.header("access-control-expose-headers").unwrap().contains("ratelimit"));
            vary(&answer);
        }
    }
    for origin in FOREIGN {
        let answer = world.get("//health", &[("origin", origin)]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{origin}");
        vary(&answer);
    }
    vary(&world.get("//health", &[]).await);
}

fn vary(answer: &crate::support::Answer) {
    let vary = answer.header("vary").unwrap().to_ascii_lowercase();
    assert!(vary.split(',').any(|name| name.trim() == "origin"), "{vary}");
}

#[tokio::test]
async fn a_preflight_is_answered_for_allowed_origins_alone() {
    let world = World::new();
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-token-transport"),
        ];
        world.send(build("OPTIONS", "/auth/login", &headers, Body::empty())).await
    };
    let answer = preflight(FRONT).await;
    assert!(answer.status.is_success());
    assert_eq!(answer.header("access-control-allow-origin"), Some(FRONT));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST,DELETE"));
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert_eq!(headers, "authorization,content-type,x-token-transport");
    for origin in FOREIGN {
        assert_eq!(preflight(origin).await.header("access-control-allow-origin"), None);
    }
}
