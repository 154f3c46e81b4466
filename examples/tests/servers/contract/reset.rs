//! `POST /auth/forgot-password` and `POST /auth/reset-password`.

use std::io::Write;

use serde_json::json;

use crate::answer::Answer;
use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::http::exchange;
use crate::server::{BASE, Program, Server};

contract!(
    a_reset_sets_the_password_and_ends_every_session,
    forgot_is_answered_alike_for_everyone,
    a_refused_password_leaves_the_token_usable,
    a_token_resets_once_and_ends_the_others,
    tokens_of_another_purpose_or_none_are_refused,
    a_reset_verifies_the_address,
    a_link_points_to_the_configured_host_not_the_requested_one,
);

fn reset(server: &Server, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    server.post("/auth/reset-password").json(&body).send().touches_no_cookie()
}

fn a_reset_sets_the_password_and_ends_every_session(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let elsewhere = server.refresh(&server.log_in("ada@example.com"));
    let token = server.reset("ada@example.com");
    assert!(server.lives(&session), "asking for a reset ends nothing");
    // With the cookie of a living session: still logs nobody in, and touches nothing.
    let body = json!({"token": token, "password": OTHER_PASSWORD});
    let answer = server.post("/auth/reset-password").cookie(&session.refresh).json(&body).send();
    answer.expect_json(200, &json!({"status": "password_reset"})).touches_no_cookie();
    server.is_dead(&session);
    server.is_dead(&elsewhere);
    let old = json!({"email": "ada@example.com", "password": PASSWORD});
    server.post("/auth/login").json(&old).send().problem(401, "invalid_credentials");
    assert!(server.lives(&server.log_in_with("ada@example.com", OTHER_PASSWORD)));
}

fn forgot_is_answered_alike_for_everyone(program: Program) {
    let server = program.start();
    server.user("verified@example.com").unverified("waiting@example.com");
    let forgot = |email: &str| {
        let answer = server.post("/auth/forgot-password").json(&json!({"email": email})).send();
        answer.touches_no_cookie().expect_json(202, &json!({"status": "reset_sent"})).likeness()
    };
    let known = forgot("verified@example.com");
    assert_eq!(forgot("unknown@example.com"), known);
    assert_eq!(forgot("waiting@example.com"), known);
    server.mailed("verified@example.com", "reset-password", 1);
    let linked = |mail: &crate::fixture::Mail| mail.token("reset-password").is_some();
    assert!(!server.mails_to("unknown@example.com").iter().any(linked));
}

fn a_refused_password_leaves_the_token_usable(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let token = server.reset("ada@example.com");
    for weak in ["", "seven77", "password", &"x".repeat(1025)] {
        reset(&server, &token, weak).refused_field("password");
    }
    reset(&server, &token, OTHER_PASSWORD).expect_json(200, &json!({"status": "password_reset"}));
}

fn a_token_resets_once_and_ends_the_others(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let first = server.reset("ada@example.com");
    server.post("/auth/forgot-password").json(&json!({"email": "ada@example.com"})).send().expect(202);
    let second = server.mailed("ada@example.com", "reset-password", 2).pop().unwrap();
    assert_ne!(first, second);
    reset(&server, &first, OTHER_PASSWORD).expect(200);
    reset(&server, &first, PASSWORD).problem(400, "invalid_token");
    reset(&server, &second, PASSWORD).problem(400, "invalid_token");
    server.log_in_with("ada@example.com", OTHER_PASSWORD);
}

fn tokens_of_another_purpose_or_none_are_refused(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com").user("bob@example.com");
    let session = server.log_in("bob@example.com");
    let (verification, good) = (server.verification("ada@example.com"), server.reset("bob@example.com"));
    let reversed: String = good.chars().rev().collect();
    for token in
        ["", ".", "x", &verification, &session.access, &session.refresh, &reversed, &"x".repeat(9000)]
    {
        reset(&server, token, OTHER_PASSWORD).problem(400, "invalid_token");
    }
    for method in ["GET", "HEAD", "PUT"] {
        server.request(method, &format!("/auth/reset-password?token={good}")).send().expect(405);
    }
    reset(&server, &good, OTHER_PASSWORD).expect(200);
}

/// A reset proves the address: its link was read in the mailbox.
fn a_reset_verifies_the_address(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com");
    let (verification, token) = (server.verification("ada@example.com"), server.reset("ada@example.com"));
    reset(&server, &token, OTHER_PASSWORD).expect(200);
    let session = server.log_in_with("ada@example.com", OTHER_PASSWORD);
    assert_eq!(session.user["email_verified"], true);
    let body = json!({"token": verification});
    server.post("/auth/verify-email").json(&body).send().problem(400, "invalid_token");
    assert!(server.lives(&session));
}

fn a_link_points_to_the_configured_host_not_the_requested_one(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let names = [
        "Host",
        "X-Forwarded-Host",
        "X-Forwarded-Server",
        "X-Forwarded-Proto",
        "X-Original-URL",
        "Forwarded",
    ];
    for (sent, name) in names.into_iter().enumerate() {
        let value = if name == "Forwarded" { "host=evil.example;proto=http" } else { "evil.example" };
        forgot_as(&server, name, value);
        server.mailed("ada@example.com", "reset-password", sent + 1);
    }
    for mail in server.mails_to("ada@example.com") {
        let html = mail.html.unwrap_or_default();
        assert!(!mail.text.contains("evil.example") && !html.contains("evil.example"), "{}", mail.text);
    }
}

/// Asks for a link with one header of the attacker's, which may be the only `Host`.
fn forgot_as(server: &Server, name: &str, value: &str) {
    let body = json!({"email": "ada@example.com"}).to_string();
    let host = if name == "Host" { String::new() } else { format!("Host: {}\r\n", server.addr) };
    let head = format!(
        "POST {BASE}/auth/forgot-password HTTP/1.1\r\n{host}{name}: {value}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(server.addr, |stream| stream.write_all(head.as_bytes())).unwrap();
    Answer::parse(&answer, false).unwrap().expect_json(202, &json!({"status": "reset_sent"}));
}
