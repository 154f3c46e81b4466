//! Requests that pages of other sites send, and CORS for those that may.

use auth_tests::Route;
use serde_json::json;

use crate::stack::Stack;
use crate::support::{ADA, Answer, FRONT, OTHER_PASSWORD, PASSWORD, PUBLIC, World, build, routes};

contract!(
    no_route_accepts_a_request_of_another_site,
    a_cross_site_request_counts_against_no_limit,
    own_origins_allowed_origins_and_no_origin_are_accepted,
    cors_headers_name_exactly_the_allowed_origin,
    a_preflight_is_answered_for_allowed_origins_alone,
);

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

async fn no_route_accepts_a_request_of_another_site(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    world.store.reset();
    let changing: Vec<Route> = routes().into_iter().filter(Route::changes).collect();
    assert!(changing.len() >= 14, "{changing:?}");
    for route in changing {
        for origin in FOREIGN {
            let headers = [
                ("origin", origin),
                ("sec-fetch-site", "same-origin"),
                ("cookie", &session.cookie),
                ("authorization", &session.bearer),
            ];
            let answer = world.call(&route, None, &headers).await;
            answer.is_problem(403, "cross_site_request");
            assert_eq!(answer.set_cookie(), None);
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
        let answer = world.call(&route, None, &[("sec-fetch-site", "cross-site")]).await;
        answer.is_problem(403, "cross_site_request");
        let two = [("origin", FRONT), ("origin", "https://evil.example")];
        world.call(&route, None, &two).await.is_problem(403, "cross_site_request");
    }
    assert!(world.store.calls().is_empty(), "{:?}", world.store.calls());
    assert_eq!(world.bare("POST", "/auth/refresh", &session.cookie()).await.status, 200);
}

async fn a_cross_site_request_counts_against_no_limit(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    for _ in 0..20 {
        let body = json!({"email": ADA, "password": OTHER_PASSWORD});
        let answer = world.post("/auth/login", body, &[("origin", "https://evil.example")]).await;
        answer.is_problem(403, "cross_site_request");
    }
    world.log_in().await;
}

async fn own_origins_allowed_origins_and_no_origin_are_accepted(stack: Stack) {
    let world = World::new(stack);
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

async fn cors_headers_name_exactly_the_allowed_origin(stack: Stack) {
    let world = World::new(stack);
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

fn vary(answer: &Answer) {
    let vary = answer.header("vary").unwrap().to_ascii_lowercase();
    assert!(vary.split(',').any(|name| name.trim() == "origin"), "{vary}");
}

async fn a_preflight_is_answered_for_allowed_origins_alone(stack: Stack) {
    let world = World::new(stack);
    let preflight = async |origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-token-transport"),
        ];
        world.send(build("OPTIONS", "/auth/login", &headers, "")).await
    };
    let answer = preflight(FRONT).await;
    assert!(answer.status.is_success());
    assert_eq!(answer.header("access-control-allow-origin"), Some(FRONT));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(listed(&answer, "access-control-allow-methods"), ["delete", "get", "post"]);
    let headers =
        ["authorization", "content-type", "x-challenge-response", "x-device-token", "x-token-transport"];
    assert_eq!(listed(&answer, "access-control-allow-headers"), headers);
    if stack == Stack::Axum {
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST,DELETE"));
        let headers = "authorization,content-type,x-token-transport,x-device-token,x-challenge-response";
        assert_eq!(answer.header("access-control-allow-headers"), Some(headers));
    }
    // Each method of each route.
    for Route { method, path, .. } in routes() {
        assert!(listed(&answer, "access-control-allow-methods").contains(&method.to_lowercase()), "{path}");
    }
    for origin in FOREIGN {
        assert_eq!(preflight(origin).await.header("access-control-allow-origin"), None);
    }
}

/// The names that a header lists, in lower case and sorted: actix-cors writes them in any order.
fn listed(answer: &Answer, header: &str) -> Vec<String> {
    let names = answer.header(header).unwrap().split(',');
    let mut names: Vec<String> = names.map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort();
    names
}
