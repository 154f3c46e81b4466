//! Registering and everything that goes through a mailed link.

use std::collections::BTreeSet;

use auth_core::VerificationProof;
use serde_json::json;

use crate::stack::Stack;
use crate::support::{ADA, OTHER_PASSWORD, PASSWORD, World};

contract!(
    a_free_and_a_taken_address_are_registered_alike,
    a_registration_names_every_unacceptable_field,
    a_link_verifies_once,
    get_and_head_spend_no_link,
    a_link_that_needs_a_password_is_not_spent_without_it,
    a_link_request_is_answered_alike_for_every_address,
    a_reset_logs_nobody_in_and_a_refused_one_spends_no_link,
);

async fn a_free_and_a_taken_address_are_registered_alike(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let mut answers = Vec::new();
    for email in [ADA, " Bob@Example.COM "] {
        let body = json!({"email": email, "password": OTHER_PASSWORD, "name": "Eve"});
        let answer = world.post("/auth/register", body, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.set_cookie()), (202, None));
        assert_eq!(answer.text(), r#"{"status":"verification_sent"}"#);
        // actix-web writes headers in an order that changes from one answer to the next.
        answers.push(answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>());
    }
    assert_eq!(answers[0], answers[1]);
}

async fn a_registration_names_every_unacceptable_field(stack: Stack) {
    let world = World::new(stack);
    let body = json!({"email": "rubbish", "password": "short", "name": "a\nb"});
    let answer = world.post("/auth/register", body, &[]).await;
    answer.is_invalid(&[("email", "malformed"), ("password", "too_short"), ("name", "control_character")]);
    let body = json!({"email": ADA, "password": "x".repeat(1025)});
    world.post("/auth/register", body, &[]).await.is_invalid(&[("password", "too_long")]);
    let body = json!({"email": ADA, "password": "password1"});
    world.post("/auth/register", body, &[]).await.is_invalid(&[("password", "too_common")]);
}

async fn a_link_verifies_once(stack: Stack) {
    let world = World::new(stack);
    world.post("/auth/register", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    let token = world.verification_token(ADA).await;
    // An ignored password may be anything.
    let body = json!({"token": token, "password": "x"});
    let answer = world.post("/auth/verify-email", body.clone(), &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, r#"{"status":"verified"}"#));
    assert_eq!(answer.set_cookie(), None);
    world.post("/auth/verify-email", body, &[]).await.is_problem(400, "invalid_token");
    world.post("/auth/verify-email", json!({"token": ""}), &[]).await.is_problem(400, "invalid_token");
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    assert_eq!(answer.json()["user"]["name"], json!(null));
}

async fn get_and_head_spend_no_link(stack: Stack) {
    let world = World::new(stack);
    world.post("/auth/register", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    let token = world.verification_token(ADA).await;
    for method in ["GET", "HEAD"] {
        let path = format!("/auth/verify-email?token={token}");
        assert_eq!(world.bare(method, &path, &[]).await.status, 405);
    }
    assert_eq!(world.post("/auth/verify-email", json!({"token": token}), &[]).await.status, 200);
}

async fn a_link_that_needs_a_password_is_not_spent_without_it(stack: Stack) {
    let world = World::with(
        stack,
        |policy| policy.links.verification_proof = VerificationProof::LinkAndPassword,
        |config| config,
    );
    world.post("/auth/register", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    let token = world.verification_token(ADA).await;
    let verify = |body| world.post("/auth/verify-email", body, &[]);
    verify(json!({"token": token})).await.is_invalid(&[("password", "required")]);
    verify(json!({"token": token, "password": OTHER_PASSWORD}))
        .await
        .is_invalid(&[("password", "wrong_password")]);
    assert_eq!(verify(json!({"token": token, "password": PASSWORD})).await.status, 200);
}

async fn a_link_request_is_answered_alike_for_every_address(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    for (path, text) in [
        ("/auth/resend-verification", r#"{"status":"verification_sent"}"#),
        ("/auth/forgot-password", r#"{"status":"reset_sent"}"#),
    ] {
        for email in [ADA, "nobody@example.com"] {
            let answer = world.post(path, json!({"email": email}), &[]).await;
            assert_eq!((answer.status.as_u16(), answer.text().as_str()), (202, text));
        }
        world.post(path, json!({"email": "a@b@c"}), &[]).await.is_invalid(&[("email", "malformed")]);
    }
}

async fn a_reset_logs_nobody_in_and_a_refused_one_spends_no_link(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let token = world.reset_token(ADA).await;
    let reset = |password: &str| {
        world.post("/auth/reset-password", json!({"token": token, "password": password}), &[])
    };
    reset("short").await.is_invalid(&[("password", "too_short")]);
    let answer = reset(OTHER_PASSWORD).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, r#"{"status":"password_reset"}"#));
    assert_eq!(answer.set_cookie(), None);
    reset(OTHER_PASSWORD).await.is_problem(400, "invalid_token");
    world.get("/users/me", &session.bearer()).await.is_problem(401, "invalid_access_token");
}
