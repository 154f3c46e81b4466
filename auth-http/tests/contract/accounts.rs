//! What a logged-in user sees and does: routes with a session check.

use std::time::Duration;

use auth_core::Password;
use auth_testkit::Fault;
use auth_tests::{Route, UNKNOWN_ID};
use serde_json::json;

use crate::stack::Stack;
use crate::support::{ADA, OTHER_PASSWORD, PASSWORD, World, keys, routes};

contract!(
    a_user_reads_exactly_the_documented_fields,
    every_bearer_route_refuses_a_bad_access_token,
    every_bearer_route_refuses_an_ended_session_at_once,
    a_bearer_route_whose_store_fails_is_503_and_never_401,
    an_account_is_deleted_only_shortly_after_a_log_in,
    every_time_has_six_fraction_digits,
    a_changed_password_begins_a_session_and_ends_all_others,
    a_native_client_gets_the_token_of_its_new_session_in_json,
    sessions_are_listed_with_exactly_the_documented_fields,
    a_user_ends_one_session_and_nobody_elses,
    log_out_everywhere_ends_this_session_and_clears_the_cookie,
);

/// The routes that require an access token.
fn bearer_routes() -> Vec<Route> {
    let routes: Vec<Route> = routes().into_iter().filter(|route| route.bearer).collect();
    assert!(routes.len() >= 6, "{routes:?}");
    routes
}

async fn a_user_reads_exactly_the_documented_fields(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let answer = world.get("/users/me", &session.bearer()).await;
    assert_eq!(answer.status, 200);
    let user = answer.json();
    assert_eq!(keys(&user), ["created_at", "email", "email_verified", "id", "name"]);
    assert_eq!((&user["email"], &user["email_verified"]), (&json!(ADA), &json!(true)));
    assert_eq!(answer.set_cookie(), None);
}

async fn an_account_is_deleted_only_shortly_after_a_log_in(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    world.clock.advance(Duration::from_mins(10));
    let renewed = world.bare("POST", "/auth/refresh", &session.cookie()).await.logged_in();
    let answer = world.bare("DELETE", "/users/me", &renewed.bearer()).await;
    answer.is_problem(401, "reauthentication_required");
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=600";
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert_eq!(answer.set_cookie(), None);
    assert_eq!(world.get("/users/me", &renewed.bearer()).await.status, 200);
    let session = world.log_in().await;
    let answer = world.bare("DELETE", "/users/me", &session.bearer()).await;
    assert_eq!(answer.status, 204);
    assert!(answer.set_cookie().is_some_and(|cookie| cookie.contains("Max-Age=0")), "it is cleared");
    world.get("/users/me", &session.bearer()).await.is_problem(401, "invalid_access_token");
}

/// Also those whose last digits are zeros, so that all have one length and sort as text.
async fn every_time_has_six_fraction_digits(stack: Stack) {
    let world = World::new(stack);
    for (at, shown) in [
        ("2026-03-01T09:05:00Z", "2026-03-01T09:05:00.000000Z"),
        ("2026-03-01T09:05:01.5Z", "2026-03-01T09:05:01.500000Z"),
        ("2026-03-01T09:05:02.000001Z", "2026-03-01T09:05:02.000001Z"),
    ] {
        world.clock.set(at.parse().unwrap());
        let address = format!("user-{}@example.com", &at[18..19]);
        world.auth.create_user(&address, Password::new(PASSWORD), None).await.unwrap();
        let body = json!({"email": address, "password": PASSWORD});
        let session = world.post("/auth/login", body, &[]).await.logged_in();
        let user = world.get("/users/me", &session.bearer()).await.json();
        assert_eq!(user["created_at"], shown);
        let listed = world.get("/users/me/sessions", &session.bearer()).await.json();
        let listed = &listed["sessions"][0];
        assert_eq!((&listed["created_at"], &listed["last_used_at"]), (&json!(shown), &json!(shown)));
        assert_eq!(listed["expires_at"].as_str().unwrap().len(), shown.len());
    }
}

async fn every_bearer_route_refuses_a_bad_access_token(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let good = session.bearer;
    let no_challenge_beyond = ["", "Basic YTpi", "Bearer"];
    let tokens = ["Bearer x", "bearer a.b.c", "Bearer ", "Bearer \u{e9}"];
    for route in bearer_routes() {
        let answer = world.call(&route, None, &[]).await;
        answer.is_problem(401, "invalid_access_token");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        for value in no_challenge_beyond {
            let answer = world.call(&route, None, &[("authorization", value)]).await;
            answer.is_problem(401, "invalid_access_token");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{value}");
        }
        let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
        for headers in tokens.map(|value| vec![("authorization", value)]).iter().chain([&twice.to_vec()]) {
            let answer = world.call(&route, None, headers).await;
            answer.is_problem(401, "invalid_access_token");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
            assert_eq!(answer.set_cookie(), None);
        }
    }
    let lower = good.replace("Bearer", "bEARER");
    assert_eq!(world.get("/users/me", &[("authorization", &lower)]).await.status, 200);
}

async fn every_bearer_route_refuses_an_ended_session_at_once(stack: Stack) {
    let world = World::new(stack);
    let logged_out = world.user_and_session().await;
    let of_disabled = world.log_in().await;
    world.bare("POST", "/auth/logout", &logged_out.cookie()).await;
    for route in bearer_routes() {
        world.call(&route, None, &logged_out.bearer()).await.is_problem(401, "invalid_access_token");
    }
    let claims = world.auth.authenticate(of_disabled.bearer.trim_start_matches("Bearer ")).unwrap();
    world.auth.disable_user(claims.user_id).await.unwrap();
    for route in bearer_routes() {
        world.call(&route, None, &of_disabled.bearer()).await.is_problem(401, "invalid_access_token");
    }
}

async fn a_bearer_route_whose_store_fails_is_503_and_never_401(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    world.store.fail_method("find_session_and_user", Fault::ErrorBefore);
    for route in bearer_routes() {
        let answer = world.call(&route, None, &session.bearer()).await;
        answer.is_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
    }
}

async fn a_changed_password_begins_a_session_and_ends_all_others(stack: Stack) {
    let world = World::new(stack);
    let other = world.user_and_session().await;
    let session = world.log_in().await;
    let change = |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        let session = session.clone();
        let world = world.clone();
        async move { world.post("/users/me/password", body, &session.bearer()).await }
    };
    change(OTHER_PASSWORD, "another fine password")
        .await
        .is_invalid(&[("current_password", "wrong_password")]);
    change(PASSWORD, "short").await.is_invalid(&[("new_password", "too_short")]);
    let answer = change(PASSWORD, OTHER_PASSWORD).await;
    assert_eq!(answer.status, 200);
    assert_eq!(keys(&answer.json()), ["access_token", "expires_in", "token_type", "user"]);
    let fresh = answer.logged_in();
    for old in [&other, &session] {
        assert_eq!(world.get("/users/me", &old.bearer()).await.status, 401);
        // The old tokens are dead, which is no reuse: the new session stays alive.
        assert_eq!(world.bare("POST", "/auth/refresh", &old.cookie()).await.status, 401);
    }
    assert_eq!(world.get("/users/me", &fresh.bearer()).await.status, 200);
    assert_eq!(world.bare("POST", "/auth/refresh", &fresh.cookie()).await.status, 200);
}

async fn a_native_client_gets_the_token_of_its_new_session_in_json(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let headers = [("authorization", session.bearer.as_str()), ("x-token-transport", "body")];
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let answer = world.post("/users/me/password", body, &headers).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookie()), (200, None));
    assert!(answer.json()["refresh_token"].is_string());
}

async fn sessions_are_listed_with_exactly_the_documented_fields(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let log_in = json!({"email": ADA, "password": PASSWORD});
    let agent = world.post("/auth/login", log_in, &[("user-agent", "proof/1")]).await.logged_in();
    world.clock.advance(Duration::from_secs(1));
    let session = world.log_in().await;
    let answer = world.get("/users/me/sessions", &session.bearer()).await;
    assert_eq!(keys(&answer.json()), ["sessions"]);
    let list = answer.json()["sessions"].as_array().unwrap().clone();
    assert_eq!(list.len(), 2);
    for entry in &list {
        let all = ["created_at", "current", "expires_at", "id", "ip", "last_used_at", "user_agent"];
        assert_eq!(keys(entry), all);
        assert_eq!(entry["ip"], "192.0.2.1");
    }
    assert_eq!((&list[0]["user_agent"], &list[0]["current"]), (&json!("proof/1"), &json!(false)));
    assert_eq!((&list[1]["user_agent"], &list[1]["current"]), (&json!(null), &json!(true)));
    assert_eq!(list[0]["created_at"], "2026-01-01T12:00:00.123456Z");
    assert_eq!(list[0]["last_used_at"], "2026-01-01T12:00:00.123456Z");
    assert_eq!(list[0]["expires_at"], "2026-01-31T12:00:00.000000Z");
    let list = world.get("/users/me/sessions", &agent.bearer()).await.json();
    assert_eq!(list["sessions"][0]["current"], true);
}

async fn a_user_ends_one_session_and_nobody_elses(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    world.clock.advance(Duration::from_secs(1));
    let other = world.log_in().await;
    let list = world.get("/users/me/sessions", &session.bearer()).await.json();
    let id = list["sessions"][1]["id"].as_str().unwrap().to_owned();
    world.user("bob@example.com").await;
    let log_in = json!({"email": "bob@example.com", "password": PASSWORD});
    let bob = world.post("/auth/login", log_in, &[]).await.logged_in();
    let path = format!("/users/me/sessions/{id}");
    world.bare("DELETE", &path, &bob.bearer()).await.is_problem(404, "not_found");
    let answer = world.bare("DELETE", &path, &session.bearer()).await;
    assert_eq!((answer.status.as_u16(), answer.body.len(), answer.set_cookie()), (204, 0, None));
    world.bare("DELETE", &path, &session.bearer()).await.is_problem(404, "not_found");
    assert_eq!(world.get("/users/me", &other.bearer()).await.status, 401);
    for id in ["x", UNKNOWN_ID, "%ff", "%00"] {
        let path = format!("/users/me/sessions/{id}");
        world.bare("DELETE", &path, &session.bearer()).await.is_problem(404, "not_found");
    }
}

async fn log_out_everywhere_ends_this_session_and_clears_the_cookie(stack: Stack) {
    let world = World::new(stack);
    let other = world.user_and_session().await;
    let session = world.log_in().await;
    let answer = world.bare("DELETE", "/users/me/sessions", &session.bearer()).await;
    assert_eq!(answer.status, 204);
    assert!(answer.clears_cookie());
    for session in [session, other] {
        assert_eq!(world.get("/users/me", &session.bearer()).await.status, 401);
    }
}
