//! Cross-site requests are refused before anything changes; CORS names exact origins.

use auth_tests::UNKNOWN_ID;
use serde_json::{Value, json};

use super::table::ROUTES;
use crate::answer::Answer;
use crate::fixture::{OTHER_PASSWORD, PASSWORD, Session};
use crate::http::Request;
use crate::server::{ADMIN, APP, BASE, PUBLIC_URL, Program, Server};

contract!(
    every_changing_route_refuses_other_origins,
    refused_requests_change_nothing,
    own_and_allowed_origins_may_change,
    without_an_origin_fetch_metadata_decide,
    reading_is_not_refused,
    answers_name_exactly_the_allowed_origin,
    preflights_are_answered_for_allowed_origins,
    origins_of_hybrid_apps_are_allowed_exactly,
    what_is_no_origin_is_refused_at_start,
);

/// Of an app, an app on the desktop and an extension.
const HYBRID: &str = "capacitor://localhost,ionic://localhost,tauri://localhost,chrome-extension://abcdefghijklmnopabcdefghijklmnop";

const FOREIGN: [&str; 17] = [
    "null",
    "https://evil.example",
    "http://app.example.test",
    "https://app.example.test:444",
    "https://app.example.test.evil.example",
    "https://evil-app.example.test",
    "https://sub.app.example.test",
    "https://app.example.test@evil.example",
    "https://admin.example.test",
    "http://localhost",
    "http://localhost:4322",
    "https://localhost:4321",
    "http://127.0.0.1:4321",
    "https://app.example.test https://evil.example",
    "capacitor://localhost",
    "*",
    "",
];

/// Every state-changing route with a request that would succeed, and change something.
fn changes<'a>(server: &'a Server, session: &Session, verification: &str, reset: &str) -> Vec<Request<'a>> {
    let credentials = json!({"email": "ada@example.com", "password": PASSWORD});
    let bodies: [(&str, Value); 9] = [
        ("/auth/register", json!({"email": "new@example.com", "password": PASSWORD})),
        ("/auth/login", credentials),
        ("/auth/verify-email", json!({"token": verification})),
        ("/auth/resend-verification", json!({"email": "waiting@example.com"})),
        ("/auth/forgot-password", json!({"email": "ada@example.com"})),
        ("/users/me/email", json!({"new_email": "new.ada@example.com", "current_password": PASSWORD})),
        ("/auth/email/confirm", json!({"token": "x"})),
        ("/auth/reset-password", json!({"token": reset, "password": OTHER_PASSWORD})),
        ("/users/me/password", json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD})),
    ];
    let mut all: Vec<_> =
        bodies.iter().map(|(path, body)| server.post(path).bearer(&session.access).json(body)).collect();
    for path in ["/auth/refresh", "/auth/logout"] {
        all.push(server.post(path).cookie(&session.refresh));
        all.push(server.post(path).in_body().json(&json!({"refresh_token": session.refresh})));
    }
    all.push(server.delete("/users/me/sessions").bearer(&session.access));
    let one =
        server.get("/users/me/sessions").bearer(&session.access).send().json()["sessions"][0]["id"].clone();
    let path = format!("/users/me/sessions/{}", one.as_str().unwrap());
    all.push(server.delete(&path).bearer(&session.access));
    all
}

/// A server with a session, and a mailed token of each kind.
fn fixture(program: Program) -> (Server, Session, String, String) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let verification = server.unverified("waiting@example.com").verification("waiting@example.com");
    let reset = server.reset("ada@example.com");
    (server, session, verification, reset)
}

fn every_changing_route_refuses_other_origins(program: Program) {
    let (server, session, verification, reset) = fixture(program);
    for request in changes(&server, &session, &verification, &reset) {
        for origin in FOREIGN {
            let answer = request.clone().origin(origin).send();
            assert_eq!(answer.status, 403, "{} {origin}", request.path);
            refused(&answer);
            let claimed = request.clone().origin(origin).header("Sec-Fetch-Site", "same-origin").send();
            refused(&claimed);
        }
        refused(&request.clone().header("Origin", b"https://\xff").send());
        refused(&request.clone().origin("https://evil.example").origin(APP).send());
        refused(&request.clone().origin(APP).origin("https://evil.example").send());
        refused(&request.clone().header("Sec-Fetch-Site", "cross-site").send());
    }
}

#[track_caller]
fn refused(answer: &Answer) {
    let answer = answer.clone().problem(403, "cross_site_request").touches_no_cookie();
    assert!(answer.all("access-control-allow-origin").iter().all(|origin| *origin == APP), "{answer:?}");
}

fn refused_requests_change_nothing(program: Program) {
    let (server, session, verification, reset) = fixture(program);
    let mails = server.root("GET", "/dev/mailbox.json").send().json().as_array().unwrap().len();
    for request in changes(&server, &session, &verification, &reset) {
        request.clone().origin("https://evil.example").send().problem(403, "cross_site_request");
        request.header("Sec-Fetch-Site", "cross-site").send().problem(403, "cross_site_request");
    }
    // A replay by another site's page is no replay: it is refused before the token is read.
    let renewed = server.refresh(&session);
    let replay = server.post("/auth/refresh").cookie(&session.refresh).origin("https://evil.example").send();
    replay.problem(403, "cross_site_request").touches_no_cookie();
    assert!(server.lives(&renewed));
    let list = server.get("/users/me/sessions").bearer(&session.access).send().json();
    assert_eq!(list["sessions"].as_array().unwrap().len(), 1);
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let now = server.root("GET", "/dev/mailbox.json").send().json().as_array().unwrap().len();
    assert_eq!(now, mails, "a promised mail's first attempt starts within a second");
    server.post("/auth/verify-email").json(&json!({"token": verification})).send().expect(200);
    let body = json!({"token": reset, "password": OTHER_PASSWORD});
    server.post("/auth/reset-password").json(&body).send().expect(200);
}

fn own_and_allowed_origins_may_change(program: Program) {
    for origin in [PUBLIC_URL, APP, ADMIN] {
        let (server, session, verification, reset) = fixture(program);
        let requests = changes(&server, &session, &verification, &reset);
        for request in &requests {
            // What an earlier one has ended is unauthorized, which is not cross-site.
            let answer = request.clone().origin(origin).header("Sec-Fetch-Site", "cross-site").send();
            assert_ne!(answer.status, 403, "{} {origin}", request.path);
        }
    }
    let server =
        program.start_with(&[("PUBLIC_URL", "https://auth.example.test"), ("DEV_MAILBOX", "public")]);
    server.post("/auth/logout").origin("https://auth.example.test").send().expect(204);
    server
        .post("/auth/logout")
        .origin("https://auth.example.test:8443")
        .send()
        .problem(403, "cross_site_request");
    server.post("/auth/logout").origin("http://auth.example.test").send().problem(403, "cross_site_request");
}

fn without_an_origin_fetch_metadata_decide(program: Program) {
    let server = program.start();
    server.post("/auth/logout").send().expect(204);
    for site in ["same-origin", "same-site", "none"] {
        server.post("/auth/logout").header("Sec-Fetch-Site", site).send().expect(204);
    }
    let cross = server.post("/auth/logout").header("Sec-Fetch-Site", "cross-site").send();
    cross.problem(403, "cross_site_request").touches_no_cookie();
    // A referrer is no origin.
    server.post("/auth/logout").header("Referer", "https://evil.example/").send().expect(204);
}

fn reading_is_not_refused(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    for path in ["/users/me", "/users/me/sessions", "/auth/me", "/health"] {
        for (name, value) in
            [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
        {
            let request = server.get(path).bearer(&session.access).cookie(&session.refresh);
            let answer = request.header(name, value).send().expect(200).touches_no_cookie();
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        }
    }
}

fn answers_name_exactly_the_allowed_origin(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let requests = [
        server.get("/users/me").bearer(&session.access),
        server.get("/users/me"),
        server.get("/auth/me").cookie(&session.refresh),
        server.post("/auth/login").json(&json!({})),
        server.post("/auth/logout").raw("x".repeat(20_000)),
        server.get("/auth/login"),
        server.get("/nowhere"),
    ];
    for request in requests {
        for origin in [APP, ADMIN] {
            let answer = request.clone().origin(origin).send();
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "{}", request.path);
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"), "{}", request.path);
            assert!(answer.lists("vary", "origin"), "{answer:?}");
        }
        for origin in ["https://evil.example", "null", "https://APP.example.test:443"] {
            let answer = request.clone().origin(origin).send();
            assert_eq!(answer.header("access-control-allow-origin"), None, "{} {origin}", request.path);
            assert!(answer.lists("vary", "origin"), "{answer:?}");
        }
        let none = request.send();
        assert_eq!(none.header("access-control-allow-origin"), None);
        assert!(none.lists("vary", "origin"), "{none:?}");
    }
}

fn preflights_are_answered_for_allowed_origins(program: Program) {
    let server = program.start();
    let paths = ROUTES.iter().filter_map(|route| Some((route.path.strip_prefix(BASE)?, route.method)));
    // A page asks before it knows which methods a path has.
    for (path, method) in paths.chain([("/users/me", "PUT"), ("/users/me", "PATCH")]) {
        let path = &path.replace("{id}", UNKNOWN_ID);
        for origin in [APP, ADMIN] {
            let answer = preflight(&server, path, method, origin).expect(204);
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert!(answer.lists("access-control-allow-methods", method), "{path}: {answer:?}");
            for name in ["authorization", "content-type", "x-token-transport", "x-device-token"] {
                assert!(answer.lists("access-control-allow-headers", name), "{path}: {answer:?}");
            }
            assert!(answer.lists("vary", "origin"), "{answer:?}");
        }
        for origin in FOREIGN {
            let answer = preflight(&server, path, method, origin).expect(204);
            let allows = answer.headers.iter().any(|(name, _)| name.starts_with("access-control-"));
            assert!(!allows && answer.lists("vary", "origin"), "{origin}: {answer:?}");
        }
    }
}

fn preflight(server: &Server, path: &str, method: &str, origin: &str) -> Answer {
    server
        .request("OPTIONS", path)
        .origin(origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", "authorization,content-type,x-token-transport")
        .send()
}

fn origins_of_hybrid_apps_are_allowed_exactly(program: Program) {
    let server = program.start_with(&[("ALLOWED_ORIGINS", HYBRID)]);
    server.user("ada@example.com");
    for origin in HYBRID.split(',') {
        let answer = preflight(&server, "/auth/login", "POST", origin).expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        // An app of another site keeps its refresh token itself.
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let log_in = server.post("/auth/login").origin(origin).in_body().json(&body).send().expect(200);
        assert_eq!(log_in.header("access-control-allow-origin"), Some(origin));
        let refresh = server.post("/auth/refresh").origin(origin).header("Sec-Fetch-Site", "cross-site");
        let token = json!({"refresh_token": log_in.json()["refresh_token"]});
        refresh.in_body().json(&token).send().expect(200);
        for foreign in [format!("{origin}/"), format!("{origin}:1"), origin.to_uppercase()] {
            assert!(!HYBRID.split(',').any(|allowed| allowed == foreign));
            refused(&server.post("/auth/logout").origin(&foreign).send());
        }
    }
}

fn what_is_no_origin_is_refused_at_start(program: Program) {
    for origins in [
        "*",
        "https://app.example.test,*",
        "capacitor://*",
        "null",
        "file://",
        "file:///index.html",
        "data:text/html,x",
        "javascript:alert(1)",
        "blob:https://app.example.test",
        "about:blank",
        "ftp://app.example.test",
        "capacitor://localhost/",
        "capacitor://user@localhost",
        "https://app.example.test/",
    ] {
        let (status, printed) = program.refuses(&[("ALLOWED_ORIGINS", origins)]);
        assert_eq!(status.code(), Some(78), "{origins}: {printed}");
        assert!(printed.contains("ALLOWED_ORIGINS") && !printed.contains(origins), "{printed}");
        assert!(!printed.contains("listening"), "{printed}");
    }
}
