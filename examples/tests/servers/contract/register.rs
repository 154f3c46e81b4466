//! `POST /auth/register`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::server::Program;

contract!(
    free_and_taken_addresses_are_answered_alike,
    a_taken_address_is_said_by_mail_and_keeps_its_password,
    a_name_is_optional,
    a_mail_is_in_a_language_of_the_request_if_set,
    weak_passwords_are_refused_by_field,
    an_abandoned_registration_binds_nobody,
);

fn free_and_taken_addresses_are_answered_alike(program: Program) {
    let server = program.start();
    let register = |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        server.post("/auth/register").json(&body).send().touches_no_cookie().likeness()
    };
    server.user("verified@example.com").unverified("waiting@example.com");
    let free = register("free@example.com", OTHER_PASSWORD);
    assert_eq!(register("verified@example.com", OTHER_PASSWORD), free);
    assert_eq!(register("waiting@example.com", OTHER_PASSWORD), free);
    assert!(free.starts_with("202\n") && free.ends_with(r#"{"status":"verification_sent"}"#), "{free}");
}

fn a_taken_address_is_said_by_mail_and_keeps_its_password(program: Program) {
    let server = program.start();
    let session = server.session("ada@example.com");
    let before = server.mails_to("ada@example.com").len();
    let body = json!({"email": "ADA@Example.com", "password": OTHER_PASSWORD, "name": "Rival"});
    server.post("/auth/register").json(&body).send().expect(202);
    let deadline = Instant::now() + Duration::from_secs(10);
    let notice = loop {
        let mails = server.mails_to("ada@example.com");
        if mails.len() > before {
            break mails[before].clone();
        }
        assert!(Instant::now() < deadline, "no mail");
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(notice.token("verify-email"), None, "{notice:?}");
    assert!(server.lives(&session));
    let body = json!({"email": "ada@example.com", "password": OTHER_PASSWORD});
    server.post("/auth/login").json(&body).send().problem(401, "invalid_credentials");
    assert_eq!(server.log_in("ada@example.com").user["name"], json!(null));
}

fn a_mail_is_in_a_language_of_the_request_if_set(program: Program) {
    for (setting, subject) in [("accept", "Bestätigen Sie"), ("en", "Confirm your"), ("fr", "Confirmez")] {
        let server = program.start_with(&[("MAIL_LANGUAGE", setting)]);
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let register = server.post("/auth/register").header("Accept-Language", "es, de-AT;q=0.9, en;q=0.8");
        register.json(&body).send().expect(202);
        server.arrives("ada@example.com", subject);
    }
}

fn a_name_is_optional(program: Program) {
    let server = program.start();
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "name": "Ada Lovelace, Gräfin 🦀"});
    server.post("/auth/register").json(&body).send().expect(202);
    let token = server.verification("ada@example.com");
    server.post("/auth/verify-email").json(&json!({"token": token})).send().expect(200);
    assert_eq!(server.log_in("ada@example.com").user["name"], "Ada Lovelace, Gräfin 🦀");
    assert_eq!(server.session("bob@example.com").user["name"], json!(null));
    // What an answer says of nobody's name can be sent, and so can an empty field of a form.
    for (email, name) in
        [("carol@example.com", json!(null)), ("dan@example.com", json!("")), ("eve@example.com", json!(" "))]
    {
        let body = json!({"email": email, "password": PASSWORD, "name": name});
        server.post("/auth/register").json(&body).send().expect(202);
        let token = server.verification(email);
        let body = json!({"token": token, "password": null});
        server.post("/auth/verify-email").json(&body).send().expect(200);
        assert_eq!(server.log_in(email).user["name"], json!(null));
    }
}

fn weak_passwords_are_refused_by_field(program: Program) {
    let server = program
        .start_with(&[("PASSWORD_MIN_LENGTH", "12"), ("PASSWORD_SITE_WORDS", "Gryphonworks,moonlanding")]);
    let register = |password: &str| {
        let body = json!({"email": "ada@example.com", "password": password});
        server.post("/auth/register").json(&body).send()
    };
    for weak in ["", "aV3ry0ddOne", "passwordpassword", "gryphonworks", "GRYPHONWORKS"] {
        register(weak).refused_field("password").touches_no_cookie();
    }
    register("aV3ry0ddOne!").expect(202);
    let both = json!({"email": "nobody", "password": "short"});
    let refused = server.post("/auth/register").json(&both).send();
    refused.refused_field("email").refused_field("password");
}

/// Two attempts on one unverified address: the mail of the second activates the second's password.
fn an_abandoned_registration_binds_nobody(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com");
    server.verification("ada@example.com");
    let body = json!({"email": "ada@example.com", "password": OTHER_PASSWORD, "name": "Ada"});
    server.post("/auth/register").json(&body).send().expect(202);
    let tokens = server.mailed("ada@example.com", "verify-email", 2);
    server.post("/auth/verify-email").json(&json!({"token": tokens[1]})).send().expect(200);
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    server.post("/auth/login").json(&body).send().problem(401, "invalid_credentials");
    let session = server.log_in_with("ada@example.com", OTHER_PASSWORD);
    assert_eq!(session.user["name"], "Ada");
}
