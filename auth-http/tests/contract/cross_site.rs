//! Requests that pages of other sites send, and CORS for those that may.

use auth_tests::Route;
use serde_json::json;

use crate::stack::Stack;
use crate::support::{ADA, APP, Answer, FRONT, OTHER_PASSWORD, PASSWORD, PUBLIC, World, build, routes};

contract!(
    no_route_accepts_a_request_of_another_site,
    a_cross_site_request_counts_against_no_limit,
    own_origins_allowed_origins_and_no_origin_are_accepted,
    cors_headers_name_exactly_the_allowed_origin,
    a_preflight_is_answered_for_allowed_origins_alone,
    an_options_request_of_no_page_is_like_any_other,
    own_routes_choose_their_methods_and_headers,
);

const FOREIGN: [&str; 17] = [
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
    "capacitor://localhost/",
    "capacitor://localhost:8080",
    "ionic://localhost",
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
    let cases: [&[(&str, &str)]; 9] = [
        &[],
        &[("origin", PUBLIC)],
        &[("origin", FRONT)],
        &[("origin", FRONT), ("sec-fetch-site", "cross-site")],
        &[("origin", APP)],
        &[("origin", APP), ("sec-fetch-site", "cross-site")],
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
    for origin in [FRONT, PUBLIC, APP] {
        for path in ["//health", "/auth/login", "//nothing"] {
            let answer = world.get(path, &[("origin", origin)]).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            let exposed = "ratelimit,ratelimit-policy,retry-after,www-authenticate,x-request-id";
            assert_eq!(answer.header("access-control-expose-headers"), Some(exposed));
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
    for origin in [FRONT, PUBLIC, APP] {
        let answer = preflight(&world, "/auth/login", origin).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST,PUT,PATCH,DELETE"));
        let headers = "authorization,content-type,x-token-transport,x-device-token,x-challenge-response";
        assert_eq!(answer.header("access-control-allow-headers"), Some(headers));
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        vary(&answer);
    }
    for origin in FOREIGN {
        let answer = preflight(&world, "/auth/login", origin).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""), "{origin}");
        let mut names = answer.headers.keys().map(http::HeaderName::as_str);
        assert!(!names.any(|name| name.starts_with("access-control-")), "{origin}: {:?}", answer.headers);
        vary(&answer);
    }
}

async fn preflight(world: &World, path: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-token-transport"),
    ];
    world.send(build("OPTIONS", path, &headers, "")).await
}

async fn an_options_request_of_no_page_is_like_any_other(stack: Stack) {
    let world = World::new(stack);
    for headers in [&[] as &[_], &[("origin", FRONT)], &[("access-control-request-method", "POST")]] {
        let answer = world.send(build("OPTIONS", "/auth/login", headers, "")).await;
        answer.is_problem(405, "method_not_allowed");
    }
}

async fn own_routes_choose_their_methods_and_headers(stack: Stack) {
    let world = World::new(stack);
    let answer = preflight(&world, "//notes", FRONT).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some(FRONT));
    let methods = answer.header("access-control-allow-methods");
    let headers = answer.header("access-control-allow-headers").unwrap();
    match stack {
        Stack::Axum => {
            assert_eq!(methods, Some("GET,PUT"));
            assert!(headers.ends_with(",if-match"), "{headers}");
        }
        // One middleware is around the whole service.
        Stack::Actix => assert_eq!(methods, Some("GET,POST,PUT,PATCH,DELETE")),
    }
    let answer = world.get("//notes", &[("origin", FRONT)]).await;
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert_eq!(exposed.ends_with(",etag"), stack == Stack::Axum, "{exposed}");
    let varies: Vec<_> = answer.headers.get_all("vary").iter().collect();
    assert_eq!(varies, ["accept-language", "origin"]);
}
