//! `POST /auth/refresh` and `GET /auth/me`: rotation, reuse, leeway, and which refusals clear the cookie.

use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::json;

use crate::answer::CookieChange;
use crate::fixture::Session;
use crate::server::{Program, Server};
use crate::shapes;

contract!(
    refresh_rotates_and_me_does_not,
    refused_tokens_are_answered_alike_and_cleared,
    a_replay_at_refresh_ends_every_session,
    a_replay_at_me_ends_every_session,
    forged_tokens_end_nothing,
    two_refresh_cookies_change_nothing,
    other_cookies_do_not_matter,
    within_the_leeway_a_parent_gets_the_same_child,
    an_idle_session_ends,
);

fn refresh_rotates_and_me_does_not(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let me = server.get("/auth/me").cookie(&first.refresh).send().expect(200).touches_no_cookie();
    shapes::session(&me.json(), 900);
    assert_eq!(me.json()["user"], first.user);
    let answer = server.post("/auth/refresh").cookie(&first.refresh).send().expect(200);
    shapes::session(&answer.json(), 900);
    let CookieChange::Set { value, max_age } = answer.cookie() else { panic!("no cookie") };
    assert_ne!(value, first.refresh);
    assert!((604_790..=604_800).contains(&max_age), "{max_age}");
    let body = answer.json();
    let second = Session {
        access: body["access_token"].as_str().unwrap().to_owned(),
        refresh: value,
        user: body["user"].clone(),
    };
    assert_eq!(second.user, first.user);
    assert!(server.lives(&second));
    // Access tokens of before the rotation are of the same session.
    server.get("/users/me").bearer(&first.access).send().expect(200);
    server.refresh(&server.refresh(&second));
}

/// Refused for good: the refusal says nothing of the reason, and clears.
fn refused_tokens_are_answered_alike_and_cleared(program: Program) {
    let server = program.start();
    let over = server.session("ada@example.com");
    server.post("/auth/logout").cookie(&over.refresh).send().expect(204);
    for (method, path) in [("POST", "/auth/refresh"), ("GET", "/auth/me")] {
        let none = server.request(method, path).send().problem(401, "invalid_refresh_token").clears_cookie();
        for token in
            ["", "x", ".", "a.b", "AA.AA", over.refresh.as_str(), over.access.as_str(), &"x".repeat(4000)]
        {
            let refused = server.request(method, path).cookie(token).send();
            assert_eq!(refused.likeness(), none.likeness(), "{token}");
        }
    }
}

fn a_replay_at_refresh_ends_every_session(program: Program) {
    replay_ends_every_session(program, "POST", "/auth/refresh");
}

fn a_replay_at_me_ends_every_session(program: Program) {
    replay_ends_every_session(program, "GET", "/auth/me");
}

fn replay_ends_every_session(program: Program, method: &str, path: &str) {
    let server = program.start();
    let stranger = server.session("bob@example.com");
    let first = server.session("ada@example.com");
    let elsewhere = server.log_in("ada@example.com");
    let second = server.refresh(&first);
    assert!(server.lives(&second) && server.lives(&elsewhere));
    let unknown = server.request(method, path).cookie("AA.AA").send().likeness();
    let replay = server.request(method, path).cookie(&first.refresh).send();
    assert_eq!(replay.problem(401, "invalid_refresh_token").clears_cookie().likeness(), unknown);
    server.is_dead(&second);
    server.is_dead(&elsewhere);
    assert!(server.lives(&stranger), "another user's session");
    assert!(server.lives(&server.log_in("ada@example.com")), "a new log-in");
}

fn forged_tokens_end_nothing(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let second = server.refresh(&first);
    let (own, secret) = second.refresh.split_once('.').unwrap();
    let (parent, old_secret) = first.refresh.split_once('.').unwrap();
    let other: String = secret.chars().rev().collect();
    let forged = [
        format!("{own}.{old_secret}"),
        format!("{own}.{other}"),
        format!("{parent}.{secret}"),
        format!("{parent}.{other}"),
        format!("{own}."),
        format!("{own}.{secret}."),
        format!("{}.", second.refresh),
        format!("{} ", second.refresh).replace(' ', "%20"),
        own.to_owned(),
    ];
    for token in &forged {
        for request in [server.post("/auth/refresh"), server.get("/auth/me")] {
            request.cookie(token).send().problem(401, "invalid_refresh_token").clears_cookie();
        }
    }
    assert!(server.lives(&second));
}

fn two_refresh_cookies_change_nothing(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let other = server.log_in("ada@example.com");
    let name = server.cookie_name();
    for (a, b) in [(&first, &other), (&first, &first)] {
        let line = format!("{name}={}; {name}={}", a.refresh, b.refresh);
        for (method, path) in [("POST", "/auth/refresh"), ("GET", "/auth/me"), ("POST", "/auth/logout")] {
            let together = server.request(method, path).header("Cookie", &line);
            together.send().problem(400, "malformed_request").touches_no_cookie();
            let apart = server.request(method, path).cookie(&a.refresh).cookie(&b.refresh);
            apart.send().problem(400, "malformed_request").touches_no_cookie();
            let with_junk = server.request(method, path).cookie("junk").cookie(&b.refresh);
            with_junk.send().problem(400, "malformed_request").touches_no_cookie();
        }
    }
    assert!(server.lives(&first) && server.lives(&other));
    server.refresh(&first);
    server.refresh(&other);
}

fn other_cookies_do_not_matter(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let line = format!("theme=dark; Refresh=x; xrefresh=y; __Host-refresh=z; refresh={}; q", first.refresh);
    server.get("/auth/me").header("Cookie", &line).send().expect(200);
    let apart = server.get("/auth/me").header("Cookie", "a=b").cookie(&first.refresh).header("Cookie", "c=d");
    apart.send().expect(200);
    server
        .get("/auth/me")
        .header("Cookie", "a=b")
        .send()
        .problem(401, "invalid_refresh_token")
        .clears_cookie();
}

/// The leeway of five seconds makes the minimum age ten: rotations come after it.
fn within_the_leeway_a_parent_gets_the_same_child(program: Program) {
    let server = program.start_with(&[("REFRESH_REUSE_LEEWAY", "5s")]);
    let first = server.session("ada@example.com");
    let fresh = server.post("/auth/refresh").cookie(&first.refresh).send().expect(200);
    shapes::session(&fresh.json(), 900);
    if let CookieChange::Set { value, .. } = fresh.cookie() {
        assert_eq!(value, first.refresh, "younger than the minimum age");
    }
    sleep(Duration::from_millis(10_100));
    let children: Vec<String> = scope(|scope| {
        let tab = || server.post("/auth/refresh").cookie(&first.refresh).send().expect(200).new_cookie();
        let tabs: Vec<_> = (0..12).map(|_| scope.spawn(tab)).collect();
        tabs.into_iter().map(|tab| tab.join().unwrap()).collect()
    });
    assert!(children.iter().all(|child| *child == children[0] && *child != first.refresh), "{children:?}");
    server.get("/auth/me").cookie(&first.refresh).send().expect(200).touches_no_cookie();
    let second = Session { refresh: children[0].clone(), ..first.clone() };
    assert!(server.lives(&second));
    sleep(Duration::from_millis(5100));
    server.post("/auth/refresh").cookie(&first.refresh).send().problem(401, "invalid_refresh_token");
    server.is_dead(&second);
}

/// Each refresh starts the idle time again: two refreshes, together later than one idle time.
fn an_idle_session_ends(program: Program) {
    let server = program.start_with(&[("REFRESH_TOKEN_EXP", "8s"), ("ACCESS_TOKEN_EXP", "1s")]);
    let first = server.session("ada@example.com");
    sleep(Duration::from_millis(4500));
    expired_access_token(&server, &first);
    let second = server.refresh(&first);
    sleep(Duration::from_millis(4500));
    let third = server.refresh(&second);
    sleep(Duration::from_millis(8100));
    server.is_dead(&third);
    server.post("/auth/logout").cookie(&third.refresh).send().expect(204).clears_cookie();
    let body = json!({"refresh_token": third.refresh});
    let refused = server.post("/auth/refresh").in_body().json(&body).send();
    refused.problem(401, "invalid_refresh_token").touches_no_cookie();
}

/// No leeway on `exp`.
fn expired_access_token(server: &Server, session: &Session) {
    server
        .get("/users/me")
        .bearer(&session.access)
        .send()
        .problem(401, "invalid_access_token")
        .touches_no_cookie();
    server.get("/auth/me").cookie(&session.refresh).send().expect(200);
}
