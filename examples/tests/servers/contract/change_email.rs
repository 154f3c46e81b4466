//! `POST /users/me/email` and `POST /auth/email/confirm`.

use serde_json::json;

use crate::answer::Answer;
use crate::fixture::{OTHER_PASSWORD, PASSWORD, Session};
use crate::server::{Program, Server};

contract!(
    a_confirmed_address_replaces_the_old_and_ends_all_sessions,
    a_taken_address_is_answered_like_a_free_one,
    unacceptable_input_is_reported_by_field,
    an_address_taken_meanwhile_is_a_conflict,
    only_a_post_of_the_right_link_confirms,
);

fn change(server: &Server, session: &Session, new: &str, password: &str) -> Answer {
    let body = json!({"new_email": new, "current_password": password});
    server.post("/users/me/email").bearer(&session.access).json(&body).send().touches_no_cookie()
}

fn confirm(server: &Server, token: &str) -> Answer {
    server.post("/auth/email/confirm").json(&json!({"token": token})).send().touches_no_cookie()
}

fn wanted(server: &Server, session: &Session, new: &str) -> String {
    change(server, session, new, PASSWORD).expect_json(202, &json!({"status": "confirmation_sent"}));
    server.mailed(new, "confirm-email", 1).pop().unwrap()
}

fn a_confirmed_address_replaces_the_old_and_ends_all_sessions(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let elsewhere = server.log_in("ada@example.com");
    let token = wanted(&server, &session, "countess@example.org");
    assert!(server.lives(&session), "asking changes nothing");
    confirm(&server, &token).expect_json(200, &json!({"status": "email_changed"}));
    server.is_dead(&session);
    server.is_dead(&elsewhere);
    let old = json!({"email": "ada@example.com", "password": PASSWORD});
    server.post("/auth/login").json(&old).send().problem(401, "invalid_credentials");
    let user = server.log_in("countess@example.org").user;
    assert_eq!((&user["email"], &user["email_verified"]), (&json!("countess@example.org"), &json!(true)));
    assert_eq!(user["id"], session.user["id"]);
    confirm(&server, &token).problem(400, "invalid_token");
    // The old address is free: a registration is mailed a link, as for any other.
    server.unverified("ada@example.com");
    server.mailed("ada@example.com", "verify-email", 2);
}

fn a_taken_address_is_answered_like_a_free_one(program: Program) {
    let server = program.start();
    server.user("taken@example.com").unverified("waiting@example.com");
    let session = server.session("ada@example.com");
    let asked = |new: &str| change(&server, &session, new, PASSWORD).expect(202).likeness();
    let free = asked("free@example.com");
    assert_eq!(asked("taken@example.com"), free);
    assert_eq!(asked("waiting@example.com"), free);
    // A registration that was never verified keeps nobody from the address.
    for free in ["free@example.com", "waiting@example.com"] {
        server.mailed(free, "confirm-email", 1);
    }
    let mails = server.mails_to("taken@example.com");
    assert!(mails.iter().all(|mail| mail.token("confirm-email").is_none()), "{mails:?}");
}

fn unacceptable_input_is_reported_by_field(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    for bad in ["", "nobody", "a@b", "ADA@example.com", &format!("{}@example.com", "x".repeat(250))] {
        change(&server, &session, bad, PASSWORD).refused_field("new_email");
    }
    change(&server, &session, "new@example.com", OTHER_PASSWORD).refused_field("current_password");
    let body = json!({"new_email": "new@example.com", "current_password": PASSWORD});
    server.post("/users/me/email").json(&body).send().problem(401, "invalid_access_token");
    assert!(server.lives(&session));
}

fn an_address_taken_meanwhile_is_a_conflict(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let token = wanted(&server, &session, "new@example.com");
    server.user("new@example.com");
    confirm(&server, &token).problem(409, "email_taken");
    assert!(server.lives(&session));
    // A registration that was never verified gives way.
    let token = wanted(&server, &session, "other@example.com");
    server.unverified("other@example.com");
    confirm(&server, &token).expect(200);
    assert_eq!(server.log_in("other@example.com").user["id"], session.user["id"]);
}

fn only_a_post_of_the_right_link_confirms(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let (reset, token) = (server.reset("ada@example.com"), wanted(&server, &session, "new@example.com"));
    for wrong in ["", ".", "x", &reset, &session.access, &session.refresh, &"x".repeat(9000)] {
        confirm(&server, wrong).problem(400, "invalid_token");
    }
    for page in ["verify-email", "reset-password"] {
        let body = json!({"token": token, "password": OTHER_PASSWORD});
        server.post(&format!("/auth/{page}")).json(&body).send().problem(400, "invalid_token");
    }
    for method in ["GET", "HEAD", "PUT"] {
        server.request(method, &format!("/auth/email/confirm?token={token}")).send().expect(405);
    }
    let foreign =
        server.post("/auth/email/confirm").json(&json!({"token": token})).origin("https://evil.example");
    foreign.send().problem(403, "cross_site_request");
    assert!(server.lives(&session));
    confirm(&server, &token).expect(200);
}
