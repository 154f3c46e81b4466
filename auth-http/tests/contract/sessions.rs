//! Logging in, refreshing, restoring and logging out; the cookie.

use std::cell::Cell;
use std::time::{Duration, Instant};

use auth_core::{Client, RefreshPolicy};
use auth_http::HttpConfig;
use auth_testkit::Fault;
use serde_json::json;

use crate::stack::Stack;
use crate::support::{ADA, OTHER_PASSWORD, PASSWORD, World, keys, post, request};

contract!(
    a_log_in_answers_exactly_a_session_and_sets_the_cookie,
    over_plain_http_the_cookie_is_named_refresh_and_not_secure,
    max_age_is_the_smaller_of_idle_and_absolute_time_left,
    wrong_passwords_and_unknown_addresses_are_answered_alike,
    an_unverified_address_shows_only_with_the_right_password,
    a_refresh_rotates_the_cookie_and_a_replay_ends_the_session,
    a_restore_leaves_the_cookie_and_detects_reuse,
    a_401_of_refresh_or_restore_clears_the_cookie,
    a_request_that_merely_lost_a_race_keeps_the_cookie,
    a_late_response_restores_no_old_cookie,
    failures_and_limits_never_touch_the_cookie,
    a_log_out_clears_the_cookie_with_any_cookie_and_without,
    an_older_generation_logs_its_session_out,
    two_refresh_cookies_change_nothing,
    other_cookies_are_ignored,
    native_clients_get_the_token_in_json_and_no_cookie,
    native_calls_without_a_token_are_401_and_read_no_cookie,
    a_restore_by_post_is_for_native_clients_alone,
    a_token_in_the_body_is_refused_without_the_header,
    a_log_in_waits_two_seconds_to_end_the_replaced_session,
);

const BODY: (&str, &str) = ("x-token-transport", "body");

async fn a_log_in_answers_exactly_a_session_and_sets_the_cookie(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert_eq!(keys(&body), ["access_token", "expires_in", "token_type", "user"]);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(keys(&body["user"]), ["created_at", "email", "email_verified", "id", "name"]);
    assert_eq!(body["user"]["created_at"], "2026-01-01T12:00:00.123456Z");
    assert_eq!(body["user"]["name"], "Ada");
    let cookie = answer.set_cookie().unwrap();
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=604800");
    let (name, value) = pair.split_once('=').unwrap();
    assert_eq!(name, "__Host-refresh");
    assert!(!answer.text().contains(value));
}

/// The log-in has succeeded: a store that hangs must not keep its answer.
async fn a_log_in_waits_two_seconds_to_end_the_replaced_session(stack: Stack) {
    let world = World::new(stack);
    let first = world.user_and_session().await;
    world.store.fail_method("revoke_session", Fault::Hang);
    let begun = Instant::now();
    let log_in = json!({"email": ADA, "password": PASSWORD});
    let answer = world.post("/auth/login", log_in, &first.cookie()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let waited = begun.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(20)).contains(&waited), "{waited:?}");
    world.store.reset();
    assert_eq!(world.get("/auth/me", &first.cookie()).await.status, 200, "it lives on");
    assert_eq!(world.get("/auth/me", &answer.logged_in().cookie()).await.status, 200);
}

async fn over_plain_http_the_cookie_is_named_refresh_and_not_secure(stack: Stack) {
    let world = World::with(stack, |_| {}, |_| HttpConfig::builder("http://localhost:3000"));
    world.user(ADA).await;
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    let (pair, attributes) = answer.set_cookie().unwrap().split_once("; ").unwrap();
    assert!(pair.starts_with("refresh="));
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/; Max-Age=604800");
}

async fn max_age_is_the_smaller_of_idle_and_absolute_time_left(stack: Stack) {
    let world =
        World::with(stack, |policy| policy.refresh.session_lifetime = Duration::from_hours(192), |c| c);
    let first = world.user_and_session().await;
    world.clock.advance(Duration::from_hours(96));
    let answer = world.bare("POST", "/auth/refresh", &first.cookie()).await;
    // Session ends are whole seconds, so of four days all but a fraction of a second is left.
    assert!(answer.set_cookie().unwrap().ends_with("Max-Age=345599"), "{:?}", answer.set_cookie());
}

async fn wrong_passwords_and_unknown_addresses_are_answered_alike(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let mut bodies = Vec::new();
    for (email, password) in [(ADA, OTHER_PASSWORD), ("bob@example.com", PASSWORD), ("rubbish", PASSWORD)] {
        let answer = world.post("/auth/login", json!({"email": email, "password": password}), &[]).await;
        answer.is_problem(401, "invalid_credentials");
        assert_eq!(answer.set_cookie(), None);
        assert_eq!(answer.header("www-authenticate"), None);
        bodies.push(answer.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

async fn an_unverified_address_shows_only_with_the_right_password(stack: Stack) {
    let world = World::new(stack);
    world.post("/auth/register", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    answer.is_problem(403, "email_not_verified");
    assert_eq!(answer.set_cookie(), None);
    let answer = world.post("/auth/login", json!({"email": ADA, "password": OTHER_PASSWORD}), &[]).await;
    answer.is_problem(401, "invalid_credentials");
}

async fn a_refresh_rotates_the_cookie_and_a_replay_ends_the_session(stack: Stack) {
    let world = World::new(stack);
    let first = world.user_and_session().await;
    let answer = world.bare("POST", "/auth/refresh", &first.cookie()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(keys(&answer.json()), ["access_token", "expires_in", "token_type", "user"]);
    let second = answer.logged_in();
    assert_ne!(first.cookie, second.cookie);
    let replay = world.bare("POST", "/auth/refresh", &first.cookie()).await;
    replay.is_problem(401, "invalid_refresh_token");
    assert!(replay.clears_cookie());
    let answer = world.bare("POST", "/auth/refresh", &second.cookie()).await;
    answer.is_problem(401, "invalid_refresh_token");
    assert_eq!(world.get("/users/me", &second.bearer()).await.status, 401);
}

async fn a_restore_leaves_the_cookie_and_detects_reuse(stack: Stack) {
    let world = World::new(stack);
    let first = world.user_and_session().await;
    for _ in 0..2 {
        let answer = world.get("/auth/me", &first.cookie()).await;
        assert_eq!((answer.status.as_u16(), answer.set_cookie()), (200, None));
        assert_eq!(keys(&answer.json()), ["access_token", "expires_in", "token_type", "user"]);
    }
    let second = world.bare("POST", "/auth/refresh", &first.cookie()).await.logged_in();
    let reuse = world.get("/auth/me", &first.cookie()).await;
    reuse.is_problem(401, "invalid_refresh_token");
    assert!(reuse.clears_cookie());
    assert_eq!(world.get("/auth/me", &second.cookie()).await.status, 401);
}

async fn a_401_of_refresh_or_restore_clears_the_cookie(stack: Stack) {
    let world = World::new(stack);
    for cookie in [None, Some("__Host-refresh="), Some("__Host-refresh=rubbish"), Some("other=1")] {
        let headers: Vec<_> = cookie.map(|cookie| ("cookie", cookie)).into_iter().collect();
        for (method, path) in [("POST", "/auth/refresh"), ("GET", "/auth/me")] {
            let answer = world.bare(method, path, &headers).await;
            answer.is_problem(401, "invalid_refresh_token");
            assert!(answer.clears_cookie(), "{method} {path} {cookie:?}");
        }
    }
}

async fn a_request_that_merely_lost_a_race_keeps_the_cookie(stack: Stack) {
    let world = World::with(stack, |policy| policy.refresh = RefreshPolicy::default(), |c| c);
    let first = world.user_and_session().await;
    // Held between its read and its swap, while two others rotate.
    world.store.fail_method("rotate", Fault::Meet(usize::MAX));
    let answered = Cell::new(false);
    let lost = async {
        let answer = world.bare("POST", "/auth/refresh", &first.cookie()).await;
        answered.set(true);
        answer
    };
    let others = async {
        let begun = Instant::now();
        while !world.store.calls().contains(&"rotate") {
            assert!(!answered.get() && begun.elapsed() < Duration::from_mins(1), "nothing was rotated");
            tokio::task::yield_now().await;
        }
        world.store.fail_method("rotate", Fault::Delay(Duration::ZERO));
        let tokens = world.auth.refresh(first.refresh_token(), &Client::unknown()).await.unwrap();
        world.auth.refresh(&tokens.refresh_token.expose(), &Client::unknown()).await.unwrap();
        world.store.release();
    };
    let (answer, ()) = tokio::join!(lost, others);
    answer.is_problem(401, "invalid_refresh_token");
    assert_eq!(answer.set_cookie(), None);
}

async fn a_late_response_restores_no_old_cookie(stack: Stack) {
    let world = World::with(stack, |policy| policy.refresh = RefreshPolicy::browser(), |c| c);
    let first = world.user_and_session().await;
    // Two tabs, one on either side of the minimum rotation age; their answers arrive the other way round.
    world.clock.advance(Duration::from_secs(19));
    let slow = world.bare("POST", "/auth/refresh", &first.cookie()).await;
    world.clock.advance(Duration::from_secs(1));
    let quick = world.bare("POST", "/auth/refresh", &first.cookie()).await;
    assert_eq!((slow.status.as_u16(), quick.status.as_u16()), (200, 200));
    let jar = [&quick, &slow].into_iter().filter_map(|answer| answer.set_cookie()).next_back().unwrap();
    let (cookie, _) = jar.split_once("; ").unwrap();
    // The next refresh comes when the access token ends, long after the leeway.
    world.clock.advance(Duration::from_mins(15));
    assert_eq!(world.bare("POST", "/auth/refresh", &[("cookie", cookie)]).await.status, 200);
}

async fn failures_and_limits_never_touch_the_cookie(stack: Stack) {
    let world = World::with(
        stack,
        |policy| {
            let one = Some(auth_core::Rule::Quota { count: 2, window: Duration::from_mins(1) });
            policy.limits.refresh_client = one;
            policy.limits.restore_client = one;
        },
        |config| config,
    );
    let session = world.user_and_session().await;
    for (method, path) in [("POST", "/auth/refresh"), ("GET", "/auth/me"), ("POST", "/auth/logout")] {
        world.store.fail_method("find_session_and_user", Fault::ErrorBefore);
        let answer = world.bare(method, path, &session.cookie()).await;
        answer.is_problem(503, "unavailable");
        assert_eq!(answer.set_cookie(), None, "{path}");
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
        world.store.reset();
    }
    for (method, path) in [("POST", "/auth/refresh"), ("GET", "/auth/me")] {
        world.bare(method, path, &[]).await;
        let answer = world.bare(method, path, &session.cookie()).await;
        answer.is_problem(429, "rate_limited");
        assert_eq!(answer.set_cookie(), None, "{path}");
    }
    // Not even where the token was the wrong kind.
    let answer = world.get("/users/me", &session.cookie()).await;
    answer.is_problem(401, "invalid_access_token");
    assert_eq!(answer.set_cookie(), None);
}

async fn a_log_out_clears_the_cookie_with_any_cookie_and_without(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let answer = world.bare("POST", "/auth/logout", &session.cookie()).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    assert!(answer.clears_cookie());
    assert_eq!(world.get("/users/me", &session.bearer()).await.status, 401);
    for headers in [vec![], session.cookie().to_vec(), vec![("cookie", "__Host-refresh=unknown")]] {
        let answer = world.bare("POST", "/auth/logout", &headers).await;
        assert_eq!(answer.status, 204);
        assert!(answer.clears_cookie());
    }
}

async fn an_older_generation_logs_its_session_out(stack: Stack) {
    let world = World::new(stack);
    let first = world.user_and_session().await;
    let second = world.bare("POST", "/auth/refresh", &first.cookie()).await.logged_in();
    assert_eq!(world.bare("POST", "/auth/logout", &first.cookie()).await.status, 204);
    assert_eq!(world.get("/users/me", &second.bearer()).await.status, 401);
}

async fn two_refresh_cookies_change_nothing(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let one_line = format!("{}; {}", session.cookie, session.cookie);
    let lines = [
        vec![("cookie", one_line.as_str())],
        vec![("cookie", session.cookie.as_str()), ("cookie", "a=b; __Host-refresh=x")],
    ];
    for headers in lines {
        for (method, path) in [("POST", "/auth/refresh"), ("GET", "/auth/me"), ("POST", "/auth/logout")] {
            let answer = world.bare(method, path, &headers).await;
            answer.is_problem(400, "malformed_request");
            assert_eq!(answer.set_cookie(), None);
        }
    }
    assert_eq!(world.bare("POST", "/auth/refresh", &session.cookie()).await.status, 200);
}

async fn other_cookies_are_ignored(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let mut request = request("GET", "/auth/me", &[]);
    let line = [b"x=\xff; y; =z; refresh=q; ", session.cookie.as_bytes(), b" ; last=1"].concat();
    request.headers_mut().insert("cookie", http::HeaderValue::from_bytes(&line).unwrap());
    assert_eq!(world.send(request).await.status, 200);
}

async fn native_clients_get_the_token_in_json_and_no_cookie(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let log_in = json!({"email": ADA, "password": PASSWORD});
    let answer = world.post("/auth/login", log_in, &[BODY]).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookie()), (200, None));
    let body = answer.json();
    let members = ["access_token", "device_token", "expires_in", "refresh_token", "token_type", "user"];
    assert_eq!((keys(&body), answer.device_cookie()), (members.to_vec(), None));
    let token = json!({"refresh_token": body["refresh_token"]});

    let me = world.post("/auth/me", token.clone(), &[BODY]).await;
    assert_eq!((me.status.as_u16(), me.set_cookie()), (200, None));
    assert_eq!(keys(&me.json()), ["access_token", "expires_in", "token_type", "user"]);

    let answer = world.post("/auth/refresh", token.clone(), &[BODY]).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookie()), (200, None));
    let child = json!({"refresh_token": answer.json()["refresh_token"]});
    assert_ne!(token, child);

    let answer = world.post("/auth/logout", child.clone(), &[BODY]).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookie()), (204, None));
    let answer = world.post("/auth/refresh", child, &[BODY]).await;
    answer.is_problem(401, "invalid_refresh_token");
    assert_eq!(answer.set_cookie(), None);
}

async fn native_calls_without_a_token_are_401_and_read_no_cookie(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let headers = [BODY, ("cookie", session.cookie.as_str())];
    for path in ["/auth/refresh", "/auth/me", "/auth/logout"] {
        for answer in [world.bare("POST", path, &headers).await, world.post(path, json!({}), &headers).await]
        {
            answer.is_problem(401, "invalid_refresh_token");
            assert_eq!(answer.set_cookie(), None);
        }
    }
    let answer = world.get("/auth/me", &headers).await;
    answer.is_problem(401, "invalid_refresh_token");
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(world.get("/auth/me", &session.cookie()).await.status, 200);
}

async fn a_restore_by_post_is_for_native_clients_alone(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let token = json!({"refresh_token": session.refresh_token()});
    for answer in [
        world.bare("POST", "/auth/me", &session.cookie()).await,
        world.send(post("/auth/me", &token.to_string(), &[])).await,
    ] {
        answer.is_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
}

async fn a_token_in_the_body_is_refused_without_the_header(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let token = json!({"refresh_token": session.refresh_token()});
    for path in ["/auth/refresh", "/auth/logout"] {
        world.post(path, token.clone(), &[]).await.is_problem(400, "malformed_request");
    }
    assert_eq!(world.get("/auth/me", &session.cookie()).await.status, 200);
}
