//! What a logged-in user sees and does: live doors.

use std::time::Duration;

use auth_testkit::Fault;
use serde_json::json;

use crate::support::{ADA, OTHER_PASSWORD, PASSWORD, World, keys};

const DOORS: [(&str, &str); 5] = [
    ("GET", "/users/me"),
    ("POST", "/users/me/password"),
    ("GET", "/users/me/sessions"),
    ("DELETE", "/users/me/sessions"),
    ("DELETE", "/users/me/sessions/01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a"),
];

#[tokio::test]
async fn a_user_is_shown_and_nothing_else_of_it() {
    let world = World::new();
    let session = world.user_and_session().await;
    let answer = world.get("/users/me", &session.bearer()).await;
    assert_eq!(answer.status, 200);
    let user = answer.json();
    assert_eq!(keys(&user), ["created_at", "email", "email_verified", "id", "name"]);
    assert_eq!((&user["email"], &user["email_verified"]), (&json!(ADA), &json!(true)));
    assert_eq!(answer.set_cookie(), None);
}

#[tokio::test]
async fn every_door_wants_a_good_access_token() {
    let world = World::new();
    let session = world.user_and_session().await;
    let good = session.bearer;
    let no_challenge_beyond = ["", "Basic YTpi", "Bearer"];
    let tokens = ["Bearer x", "bearer a.b.c", "Bearer ", "Bearer \u{e9}"];
    for (method, path) in DOORS {
        let answer = world.bare(method, path, &[]).await;
        answer.is_problem(401, "invalid_access_token");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        for value in no_challenge_beyond {
            let answer = world.bare(method, path, &[("authorization", value)]).await;
            answer.is_problem(401, "invalid_access_token");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{value}");
        }
        let twice = [("authorization", good.as_str()), ("authorization", good.as_str())];
        for headers in tokens.map(|value| vec![("authorization", value)]).iter().chain([&twice.to_vec()]) {
            let answer = world.bare(method, path, headers).await;
            answer.is_problem(401, "invalid_access_token");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
            assert_eq!(answer.set_cookie(), None);
        }
    }
    let lower = good.replace("Bearer", "bEARER");
    assert_eq!(world.get("/users/me", &[("authorization", &lower)]).await.status, 200);
}

#[tokio::test]
async fn every_door_refuses_a_logged_out_session_and_a_disabled_user_at_once() {
    let world = World::new();
    let gone = world.user_and_session().await;
    let live = world.log_in().await;
    world.bare("POST", "/auth/logout", &gone.cookie()).await;
    for (method, path) in DOORS {
        world.bare(method, path, &gone.bearer()).await.is_problem(401, "invalid_access_token");
    }
    let claims = world.auth.authenticate(live.bearer.trim_start_matches("Bearer ")).unwrap();
    world.auth.disable_user(claims.user_id).await.unwrap();
    for (method, path) in DOORS {
        world.bare(method, path, &live.bearer()).await.is_problem(401, "invalid_access_token");
    }
}

#[tokio::test]
async fn a_door_whose_store_is_down_is_503_and_never_401() {
    let world = World::new();
    let session = world.user_and_session().await;
    world.store.fail_method("find_session_and_user", Fault::ErrorBefore);
    for (method, path) in DOORS {
        let answer = world.bare(method, path, &session.bearer()).await;
        answer.is_problem(503, "unavailable");
        assert!(answer.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn a_changed_password_brings_a_new_session_and_ends_all_others() {
    let world = World::new();
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
        // Dead, not reused: the new session lives on.
        assert_eq!(world.bare("POST", "/auth/refresh", &old.cookie()).await.status, 401);
    }
    assert_eq!(world.get("/users/me", &fresh.bearer()).await.status, 200);
    assert_eq!(world.bare("POST", "/auth/refresh", &fresh.cookie()).await.status, 200);
}

#[tokio::test]
async fn a_native_client_gets_the_token_of_its_new_session_in_json() {
    let world = World::new();
    let session = world.user_and_session().await;
    let headers = [("authorization", session.bearer.as_str()), ("x-token-transport", "body")];
    let body = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let answer = world.post("/users/me/password", body, &headers).await;
    assert_eq!((answer.status.as_u16(), answer.set_cookie()), (200, None));
    assert!(answer.json()["refresh_token"].is_string());
}

#[tokio::test]
async fn sessions_are_listed_with_exactly_what_is_documented() {
    let world = World::new();
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
    assert_eq!(list[0]["expires_at"], "2026-01-31T12:00:00Z");
    let list = world.get("/users/me/sessions", &agent.bearer()).await.json();
    assert_eq!(list["sessions"][0]["current"], true);
}

#[tokio::test]
async fn one_session_is_ended_and_no_other_users() {
    let world = World::new();
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
    for id in ["x", "01893b2e-7c1a-7d3f-8a4e-2b6f0c9d1e5a", "%ff", "%00"] {
        let path = format!("/users/me/sessions/{id}");
        world.bare("DELETE", &path, &session.bearer()).await.is_problem(404, "not_found");
    }
}

#[tokio::test]
async fn logging_out_everywhere_ends_this_session_too_and_clears_the_cookie() {
    let world = World::new();
    let other = world.user_and_session().await;
    let session = world.log_in().await;
    let answer = world.bare("DELETE", "/users/me/sessions", &session.bearer()).await;
    assert_eq!(answer.status, 204);
    assert!(answer.clears_cookie());
    for session in [session, other] {
        assert_eq!(world.get("/users/me", &session.bearer()).await.status, 401);
    }
}
