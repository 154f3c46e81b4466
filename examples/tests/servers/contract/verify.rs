//! `POST /auth/verify-email` and `POST /auth/resend-verification`.

use serde_json::json;

use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::server::{Program, Server};

contract!(
    a_token_verifies_once,
    only_a_post_spends_a_token,
    tokens_of_another_purpose_or_none_are_refused,
    a_given_password_is_ignored_by_default,
    where_the_policy_wants_it_a_wrong_password_spends_nothing,
    resending_is_answered_alike_for_everyone,
);

fn verify(server: &Server, token: &str) -> crate::answer::Answer {
    server.post("/auth/verify-email").json(&json!({"token": token})).send().touches_no_cookie()
}

fn a_token_verifies_once(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com");
    let token = server.verification("ada@example.com");
    verify(&server, &token).expect_json(200, &json!({"status": "verified"}));
    verify(&server, &token).problem(400, "invalid_token");
    assert_eq!(server.log_in("ada@example.com").user["email_verified"], true);
}

/// Mail scanners open links; a link alone changes nothing.
fn only_a_post_spends_a_token(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com");
    let token = server.verification("ada@example.com");
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let path = format!("/auth/verify-email?token={token}");
        server.request(method, &path).send().expect(405);
        server.request(method, "/auth/verify-email").json(&json!({"token": token})).send().expect(405);
    }
    let by_query = server.post(&format!("/auth/verify-email?token={token}")).json(&json!({}));
    by_query.send().problem(400, "malformed_request");
    verify(&server, &token).expect(200);
}

fn tokens_of_another_purpose_or_none_are_refused(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com").user("bob@example.com");
    let session = server.log_in("bob@example.com");
    let (good, reset) = (server.verification("ada@example.com"), server.reset("ada@example.com"));
    let reversed: String = good.chars().rev().collect();
    let longer = format!("{good}A");
    for token in
        ["", ".", "x", &reset, &session.access, &session.refresh, &reversed, &longer, &"x".repeat(9000)]
    {
        verify(&server, token).problem(400, "invalid_token");
    }
    verify(&server, &good).expect(200);
}

fn a_given_password_is_ignored_by_default(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com");
    let token = server.verification("ada@example.com");
    let body = json!({"token": token, "password": OTHER_PASSWORD});
    server.post("/auth/verify-email").json(&body).send().expect_json(200, &json!({"status": "verified"}));
    server.log_in_with("ada@example.com", PASSWORD);
}

fn where_the_policy_wants_it_a_wrong_password_spends_nothing(program: Program) {
    let server = program.start_with(&[("VERIFY_REQUIRES_PASSWORD", "true")]);
    server.unverified("ada@example.com");
    let token = server.verification("ada@example.com");
    let with = |password: &str| {
        let body = json!({"token": token, "password": password});
        server.post("/auth/verify-email").json(&body).send().touches_no_cookie()
    };
    verify(&server, &token).refused_field("password");
    with(OTHER_PASSWORD).refused_field("password");
    with("").refused_field("password");
    with(PASSWORD).expect_json(200, &json!({"status": "verified"}));
    with(PASSWORD).problem(400, "invalid_token");
    server.log_in("ada@example.com");
}

fn resending_is_answered_alike_for_everyone(program: Program) {
    let server = program.start();
    server.user("verified@example.com").unverified("waiting@example.com");
    server.verification("waiting@example.com");
    let resend = |email: &str| {
        let answer = server.post("/auth/resend-verification").json(&json!({"email": email})).send();
        answer.touches_no_cookie().expect_json(202, &json!({"status": "verification_sent"})).likeness()
    };
    let waiting = resend("waiting@example.com");
    assert_eq!(resend("verified@example.com"), waiting);
    assert_eq!(resend("unknown@example.com"), waiting);
    let tokens = server.mailed("waiting@example.com", "verify-email", 2);
    verify(&server, &tokens[1]).expect(200);
    verify(&server, &tokens[0]).problem(400, "invalid_token");
    // Nothing is left to verify, so nobody is mailed a link.
    resend("waiting@example.com");
    assert_eq!(server.mailed("verified@example.com", "verify-email", 1).len(), 1);
    assert!(server.mails_to("unknown@example.com").is_empty());
}
