//! Paths and methods outside the table, `HEAD`, `OPTIONS`, absurd requests, and the development pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::table::methods_by_path;
use crate::fixture::PASSWORD;
use crate::server::Program;
use crate::shapes;

contract!(
    other_methods_are_refused_with_the_allowed_ones,
    unknown_paths_are_not_found,
    head_is_get_without_a_body,
    options_never_fail,
    absurd_requests_never_fail,
    every_response_has_its_own_request_id,
    the_mailbox_lists_what_was_sent,
    the_pages_are_served,
    production_has_no_mailbox,
    the_mailbox_answers_this_machine_alone,
    nothing_secret_is_logged,
    a_termination_ends_it_well,
);

fn other_methods_are_refused_with_the_allowed_ones(program: Program) {
    let server = program.start();
    for (path, methods) in &methods_by_path() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "get"] {
            if methods.contains(method) {
                continue;
            }
            let answer = server.root(method, path).send();
            assert_eq!(answer.status, 405, "{method} {path}");
            let answer = answer.problem(405, "method_not_allowed").touches_no_cookie();
            let allowed: BTreeSet<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
            assert!(allowed.is_superset(methods), "{method} {path}: {allowed:?}");
            let extra: BTreeSet<&str> = allowed.difference(methods).copied().collect();
            assert!(extra.is_subset(&BTreeSet::from(["HEAD", "OPTIONS"])), "{method} {path}: {allowed:?}");
        }
    }
}

fn unknown_paths_are_not_found(program: Program) {
    let server = program.start();
    for path in [
        "/nowhere",
        "/api/v1",
        "/api/v1/",
        "/api/v1/auth",
        "/api/v1/auth/",
        "/api/v1/auth/login/",
        "/api/v1/auth/login/x",
        "/api/v1/Auth/Login",
        "/api/v1//auth/login",
        "/api/v2/auth/login",
        "/auth/login",
        "/users/me",
        "/api/v1/users/me/",
        "/api/v1/users/1",
        "/api/v1/users/me/sessions/a/b",
        "/api/v1/.well-known/jwks.json",
        "/.well-known/x",
        "/api/v1/%61uth/x",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.env",
        "/auth.db",
    ] {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let answer = server.root(method, path).send();
            assert_eq!(answer.status, 404, "{method} {path}");
            answer.problem(404, "not_found").touches_no_cookie();
        }
    }
}

fn head_is_get_without_a_body(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    for path in [
        "/health",
        "/api/v1/health",
        "/health/live",
        "/health/ready",
        "/.well-known/jwks.json",
        "/openapi.json",
        "/api/v1/users/me",
        "/api/v1/users/me/sessions",
        "/api/v1/auth/me",
    ] {
        let ask = |method| {
            let answer = server.root(method, path).bearer(&session.access).cookie(&session.refresh).send();
            answer.expect(200).touches_no_cookie()
        };
        let (get, head) = (ask("GET"), ask("HEAD"));
        for name in ["content-type", "cache-control", "content-length"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    server.request("HEAD", "/users/me").send().expect(401);
    server.request("HEAD", "/auth/me").send().expect(401).clears_cookie();
    server.request("HEAD", "/auth/login").send().expect(405);
    server.request("HEAD", "/nowhere").send().expect(404);
    assert!(server.lives(&session));
}

/// Without what makes a preflight. What they answer is not promised; that nothing breaks is.
fn options_never_fail(program: Program) {
    let server = program.start();
    for path in methods_by_path().keys() {
        let answer = server.root("OPTIONS", path).send();
        assert!(answer.status < 500 && answer.all("set-cookie").is_empty(), "{path}: {}", answer.status);
    }
    server.root("OPTIONS", "/nowhere").send();
    server.root("OPTIONS", "*").exchange();
}

fn absurd_requests_never_fail(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let long = "x".repeat(8192);
    let plain = || server.get("/auth/me");
    let mut many = plain();
    for number in 0..90 {
        many = many.header(&format!("X-Absurd-{number}"), "1");
    }
    let mut too_many = many.clone();
    for number in 0..200 {
        too_many = too_many.header(&format!("X-More-{number}"), "1");
    }
    for request in [
        plain().cookie(&long),
        plain().header("Cookie", &long),
        plain().header("Cookie", "=;;; =;refresh; =refresh;,\"refresh=\""),
        plain().header("Cookie", b"refresh=\xff\xfe\x80"),
        plain().header("Cookie", "refresh=a\tb"),
        plain().header("Cookie", "refresh=\u{1}"),
        plain().header("Cookie", "refresh=a\0b"),
        plain().header("Authorization", b"Bearer \xff\xfe"),
        plain().header("Origin", &long),
        plain().header("X-Token-Transport", &long),
        plain().header("X-Token-Transport", b"\xff"),
        plain().header("X-Forwarded-For", b"\xff, ,,,,"),
        plain().header("Forwarded", "for=;;;,=\"\\"),
        plain().header("X-Request-Id", "<script>\u{1}"),
        plain().header("User-Agent", b"\xff\xf0\x9f"),
        plain().header("Accept", "nothing/at-all"),
        plain().header("Expect", "200-maybe"),
        plain().header("Host", "evil.example"),
        plain().header("Content-Length", "-1"),
        plain().header("Transfer-Encoding", "nonsense"),
        plain().header("X-Long", "y".repeat(300_000)),
        plain().header("Absurd Name", "1"),
        server.get(&format!("/auth/me?{}", "q".repeat(60_000))),
        server.root("GET", "no-slash"),
        server.root("GET", "http://evil.example/api/v1/auth/me"),
        server.root("G@T", "/health"),
        server.root(&"M".repeat(3000), "/health"),
        server
            .post("/auth/login")
            .header("User-Agent", b"\xff\xf0")
            .json(&json!({"email": "ada@example.com", "password": PASSWORD})),
        many,
        too_many,
    ] {
        if let Some(answer) = request.exchange() {
            assert!(answer.status < 500, "{request:?}: {}", answer.status);
        }
    }
    assert!(server.lives(&session));
    let sessions = server.get("/users/me/sessions").bearer(&session.access).send().json();
    sessions["sessions"].as_array().unwrap().iter().for_each(shapes::listed_session);
}

fn every_response_has_its_own_request_id(program: Program) {
    let server = program.start();
    let ids: BTreeSet<String> =
        (0..20).map(|_| server.get("/nowhere").send().header("x-request-id").unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 20);
}

fn the_mailbox_lists_what_was_sent(program: Program) {
    let server = program.start();
    server.user("ada@example.com").unverified("bob@example.com").verification("bob@example.com");
    let mails = server.root("GET", "/dev/mailbox.json").send().expect(200);
    assert_eq!(mails.header("content-type"), Some("application/json"));
    let mails = mails.json();
    for mail in mails.as_array().unwrap() {
        shapes::keys(mail, &["to", "subject", "text", "html", "sent_at"]);
        assert!(mail["html"].is_null() || mail["html"].is_string(), "{mail}");
        shapes::time(&mail["sent_at"]);
    }
    let to: Vec<&Value> = mails.as_array().unwrap().iter().map(|mail| &mail["to"]).collect();
    assert_eq!(to, ["ada@example.com", "bob@example.com"], "oldest first");
    let first = &server.mails_to("ada@example.com")[0];
    let token = first.token("verify-email").unwrap();
    assert!(!first.subject.contains(&token) && !first.subject.is_empty());
    assert!(first.html.as_ref().is_none_or(|html| html.contains(&token)));
}

fn the_pages_are_served(program: Program) {
    let server = program.start();
    for path in ["/", "/dev/mailbox"] {
        let page = server.root("GET", path).send().expect(200).touches_no_cookie();
        let content_type = page.header("content-type").unwrap();
        assert!(content_type.starts_with("text/html"), "{path}: {content_type}");
    }
}

fn production_has_no_mailbox(program: Program) {
    let server = program.start_with(&[
        ("APP_ENV", "production"),
        ("PUBLIC_URL", "https://auth.example.test"),
        ("TRUSTED_PROXIES", "none"),
        ("DATABASE_URL", "sqlite://auth.db"),
        ("TOKEN_SECRET", "Pq4Zt8Lw2Xn6Vb0Kc3My7Rd1Gf5Hj9Se"),
        ("RATE_LIMIT_STORE", "memory"),
        ("SMTP_URL", "smtps://user:pass@127.0.0.1:9"),
        ("MAIL_FROM", "auth@example.test"),
    ]);
    for path in ["/dev/mailbox", "/dev/mailbox.json"] {
        server.root("GET", path).send().problem(404, "not_found");
    }
    server.root("GET", "/").send().problem(404, "not_found");
    server.root("GET", "/health").send().expect(200);
}

/// A page of another site can have its own name point to this machine, and a proxy asks for everybody.
fn the_mailbox_answers_this_machine_alone(program: Program) {
    let server = program.start();
    let get = |path| server.root("GET", path);
    for path in ["/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/0.html"] {
        get(path).header("Host", "rebound.example:3000").send().problem(404, "not_found");
        get(path).header("Host", "localhost.example").send().problem(404, "not_found");
        get(path).header("X-Forwarded-For", "127.0.0.1").send().problem(404, "not_found");
        get(path).header("Forwarded", "for=127.0.0.1").send().problem(404, "not_found");
    }
    for host in ["localhost:3000", "127.0.0.1", "[::1]:3000", "app.localhost"] {
        get("/dev/mailbox.json").header("Host", host).send().expect(200);
    }
    let public = program.start_with(&[("DEV_MAILBOX", "public")]);
    public.root("GET", "/dev/mailbox.json").header("Host", "auth.example.test").send().expect(200);
}

fn nothing_secret_is_logged(program: Program) {
    let server = program.start_with(&[("RUST_LOG", "trace")]);
    let first = server.session("ada@example.com");
    let verification = server.verification("ada@example.com");
    let second = server.refresh(&first);
    server.post("/auth/refresh").cookie(&first.refresh).send().expect(401);
    let reset = server.reset("ada@example.com");
    let body = json!({"token": reset, "password": "another odd secret"});
    server.post("/auth/reset-password").json(&body).send().expect(200);
    server
        .post("/auth/login")
        .json(&json!({"email": "ada@example.com", "password": 77_123_456}))
        .send()
        .expect(400);
    let last = server.get("/users/me").bearer(&format!("{}x", second.access)).send();
    server.logged(last.header("x-request-id").unwrap());
    let printed = server.output();
    assert!(printed.len() > 500, "no log at all");
    for secret in [
        PASSWORD,
        "another odd secret",
        "77123456",
        &verification,
        &reset,
        &first.access,
        &first.refresh,
        &second.access,
        &second.refresh,
        crate::server::JWT_SECRET,
    ] {
        assert!(!printed.contains(secret), "{secret} is in the log");
    }
}

fn a_termination_ends_it_well(program: Program) {
    let mut server = program.start_with(&[("DATABASE_URL", "sqlite://auth.db")]);
    server.user("ada@example.com");
    assert!(server.terminate().0.success());
    assert!(!server.output().contains("panicked"));
}
