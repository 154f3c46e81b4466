//! `GET /users/me`, `POST /users/me/password`, and what counts as a bearer.

use serde_json::json;

use crate::answer::{Answer, CookieChange};
use crate::fixture::{OTHER_PASSWORD, PASSWORD, Session};
use crate::server::{Program, Server};
use crate::shapes;

contract!(
    the_user_is_returned,
    malformed_bearers_are_refused_alike,
    a_change_of_password_leaves_one_new_session,
    a_wrong_or_weak_password_changes_nothing,
);

fn the_user_is_returned(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let answer = server.get("/users/me").bearer(&session.access).send().expect(200).touches_no_cookie();
    shapes::user(&answer.json());
    assert_eq!(answer.json(), session.user);
    // The scheme's name has no case.
    let line = format!("bearer {}", session.access);
    server.get("/users/me").header("Authorization", line).send().expect(200);
}

fn malformed_bearers_are_refused_alike(program: Program) {
    let server = program.start();
    let Session { access, refresh, .. } = server.session("ada@example.com");
    let none = server.get("/users/me").cookie(&refresh).send();
    assert_eq!(none.header("www-authenticate"), Some("Bearer"));
    let none = none.problem(401, "invalid_access_token").touches_no_cookie().likeness();
    let shown = none.replace("www-authenticate: Bearer", "www-authenticate: Bearer error=\"invalid_token\"");
    let (head, rest) = access.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let reversed: String = signature.chars().rev().collect();
    // {"alg":"none","typ":"at+jwt"}
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let lines = [
        String::new(),
        "Bearer".into(),
        "Bearer ".into(),
        "Bearer x".into(),
        "Bearer ..".into(),
        "Bearer é".into(),
        access.clone(),
        format!("Basic {access}"),
        format!("Bearer{access}"),
        format!("Bearer {refresh}"),
        format!("Bearer {access}."),
        format!("Bearer {access} {access}"),
        format!("Bearer {access}, Bearer {access}"),
        format!("Bearer \"{access}\""),
        format!("Bearer {head}.{claims}."),
        format!("Bearer {head}.{claims}.{reversed}"),
        format!("Bearer {unsigned}.{claims}."),
        format!("Bearer {unsigned}.{claims}.{signature}"),
        format!("Bearer {}", "x".repeat(8000)),
    ];
    for line in &lines {
        for (method, path) in
            [("GET", "/users/me"), ("GET", "/users/me/sessions"), ("DELETE", "/users/me/sessions")]
        {
            let answer = server.request(method, path).header("Authorization", line).send();
            let alike = answer.likeness();
            assert!(alike == none || alike == shown, "{method} {path} {line}: {alike}");
        }
    }
    let in_query = server.get(&format!("/users/me?access_token={access}")).send();
    assert_eq!(in_query.likeness(), none);
    server.get("/users/me").bearer(&access).send().expect(200);
}

fn change(server: &Server, session: &Session, current: &str, new: &str) -> Answer {
    let body = json!({"current_password": current, "new_password": new});
    server.post("/users/me/password").bearer(&session.access).json(&body).send()
}

fn a_change_of_password_leaves_one_new_session(program: Program) {
    let server = program.start();
    let stranger = server.session("bob@example.com");
    let first = server.session("ada@example.com");
    let elsewhere = server.log_in("ada@example.com");
    let second = server.refresh(&first);
    let reset = server.reset("ada@example.com");
    let answer = change(&server, &second, PASSWORD, OTHER_PASSWORD).expect(200);
    shapes::session(&answer.json(), 900);
    let CookieChange::Set { value, max_age } = answer.cookie() else { panic!("no cookie") };
    assert!((604_790..=604_800).contains(&max_age), "{max_age}");
    let access = answer.json()["access_token"].as_str().unwrap().to_owned();
    let new = Session { access, refresh: value, user: answer.json()["user"].clone() };
    assert_eq!(new.user, first.user);
    assert!(server.lives(&new) && server.lives(&stranger));
    for dead in [&first, &second, &elsewhere] {
        server.is_dead(dead);
    }
    assert!(server.lives(&new), "older tokens are dead, which is no reuse");
    let body = json!({"token": reset, "password": PASSWORD});
    server.post("/auth/reset-password").json(&body).send().problem(400, "invalid_token");
    let old = json!({"email": "ada@example.com", "password": PASSWORD});
    server.post("/auth/login").json(&old).send().problem(401, "invalid_credentials");
    server.log_in_with("ada@example.com", OTHER_PASSWORD);
    server.refresh(&new);
}

fn a_wrong_or_weak_password_changes_nothing(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    for wrong in ["", "wrong", OTHER_PASSWORD, &format!("{PASSWORD} "), &"x".repeat(1025)] {
        change(&server, &session, wrong, OTHER_PASSWORD)
            .refused_field("current_password")
            .touches_no_cookie();
    }
    for weak in ["", "seven77", "password", &"x".repeat(1025)] {
        change(&server, &session, PASSWORD, weak).refused_field("new_password").touches_no_cookie();
    }
    assert!(server.lives(&session));
    server.log_in("ada@example.com");
}
