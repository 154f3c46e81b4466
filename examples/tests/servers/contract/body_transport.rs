//! `X-Token-Transport: body`: the refresh token in JSON, and no cookie read or set.

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::fixture::{OTHER_PASSWORD, PASSWORD, Session};
use crate::server::{Program, Server};
use crate::shapes;

contract!(
    the_token_travels_in_bodies,
    me_does_not_repeat_the_token,
    cookies_are_neither_read_nor_set,
    a_call_without_a_token_is_unauthorized,
    a_replay_ends_every_session,
    a_token_in_a_body_needs_the_header,
);

fn with(server: &Server, path: &str, token: &str) -> Answer {
    let body = json!({"refresh_token": token});
    server.post(path).in_body().json(&body).send().touches_no_cookie()
}

/// Logs in by the body transport.
#[track_caller]
fn log_in(server: &Server) -> (Session, Value) {
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let answer = server.post("/auth/login").in_body().json(&body).send().expect(200).touches_no_cookie();
    let mut body = answer.json();
    let device = body.as_object_mut().unwrap().remove("device_token").expect("a device token");
    assert!(device.as_str().is_some_and(|text| !text.is_empty()), "{device}");
    (session_of(&body), body)
}

#[track_caller]
fn session(answer: &Answer) -> Session {
    session_of(&answer.json())
}

#[track_caller]
fn session_of(body: &Value) -> Session {
    shapes::session_in_body(body, 900);
    Session {
        access: body["access_token"].as_str().unwrap().to_owned(),
        refresh: body["refresh_token"].as_str().unwrap().to_owned(),
        user: body["user"].clone(),
    }
}

fn the_token_travels_in_bodies(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let (first, body) = log_in(&server);
    assert_eq!(body.to_string().matches(&first.refresh).count(), 1);
    let second = session(&with(&server, "/auth/refresh", &first.refresh).expect(200));
    assert_ne!(second.refresh, first.refresh);
    assert!(server.lives(&second), "one token on both transports");
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    let answer = server.post("/users/me/password").in_body().bearer(&second.access).json(&change).send();
    let third = session(&answer.expect(200).touches_no_cookie());
    server.is_dead(&second);
    with(&server, "/auth/logout", &third.refresh).expect(204);
    server.is_dead(&third);
    with(&server, "/auth/logout", &third.refresh).expect(204);
    for path in ["/auth/refresh", "/auth/me"] {
        with(&server, path, &third.refresh).problem(401, "invalid_refresh_token");
        with(&server, path, "x").problem(401, "invalid_refresh_token");
        with(&server, path, "").problem(401, "invalid_refresh_token");
    }
    with(&server, "/auth/logout", "x").expect(204);
}

fn me_does_not_repeat_the_token(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let (first, _) = log_in(&server);
    let me = with(&server, "/auth/me", &first.refresh).expect(200);
    shapes::session(&me.json(), 900);
    assert_eq!(me.json()["user"], first.user);
    assert!(!me.text().contains(&first.refresh));
    assert!(server.lives(&first), "me does not rotate");
    let without = server.post("/auth/me").json(&json!({"refresh_token": first.refresh})).send();
    let without = without.problem(405, "method_not_allowed").touches_no_cookie();
    assert!(without.lists("allow", "GET") && !without.lists("allow", "POST"), "{without:?}");
    server
        .post("/auth/me")
        .cookie(&first.refresh)
        .send()
        .problem(405, "method_not_allowed")
        .touches_no_cookie();
}

fn cookies_are_neither_read_nor_set(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let (first, _) = log_in(&server);
    for (method, path) in [("POST", "/auth/refresh"), ("POST", "/auth/me"), ("GET", "/auth/me")] {
        let by_cookie = server.request(method, path).in_body().cookie(&first.refresh).send();
        by_cookie.problem(401, "invalid_refresh_token").touches_no_cookie();
    }
    let other = log_in(&server).0;
    // Whatever the cookies say, the body decides: not even two of them matter.
    let body = json!({"refresh_token": first.refresh});
    let mixed = server.post("/auth/refresh").in_body().cookie(&other.refresh).cookie("x").json(&body).send();
    let second = session(&mixed.expect(200).touches_no_cookie());
    let body = json!({"refresh_token": second.refresh});
    server
        .post("/auth/logout")
        .in_body()
        .cookie(&other.refresh)
        .json(&body)
        .send()
        .expect(204)
        .touches_no_cookie();
    server.is_dead(&second);
    assert!(server.lives(&other), "its cookie was not read");
    let everywhere = server.delete("/users/me/sessions").in_body().bearer(&other.access).send();
    everywhere.expect(204).touches_no_cookie();
}

fn a_call_without_a_token_is_unauthorized(program: Program) {
    let server = program.start();
    for path in ["/auth/refresh", "/auth/me", "/auth/logout"] {
        let none = server.post(path).in_body().send();
        none.problem(401, "invalid_refresh_token").touches_no_cookie();
        let empty = server.post(path).in_body().json(&json!({})).send();
        empty.problem(401, "invalid_refresh_token").touches_no_cookie();
    }
    server.get("/auth/me").in_body().send().problem(401, "invalid_refresh_token").touches_no_cookie();
}

fn a_replay_ends_every_session(program: Program) {
    for path in ["/auth/refresh", "/auth/me"] {
        let server = program.start();
        server.user("ada@example.com");
        let (first, elsewhere) = (log_in(&server).0, server.log_in("ada@example.com"));
        let second = session(&with(&server, "/auth/refresh", &first.refresh).expect(200));
        let unknown = with(&server, path, "AA.AA").likeness();
        assert_eq!(with(&server, path, &first.refresh).likeness(), unknown);
        server.is_dead(&second);
        server.is_dead(&elsewhere);
    }
}

fn a_token_in_a_body_needs_the_header(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let (first, _) = log_in(&server);
    let body = json!({"refresh_token": first.refresh});
    let refused = server.post("/auth/refresh").json(&body).send();
    assert!([400, 401].contains(&refused.status), "{}", refused.status);
    server.post("/auth/logout").json(&body).send();
    assert!(server.lives(&first));
}
