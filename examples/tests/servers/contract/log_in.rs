//! `POST /auth/login`.

use serde_json::json;

use crate::answer::CookieChange;
use crate::fixture::{OTHER_PASSWORD, PASSWORD};
use crate::server::Program;
use crate::shapes;

contract!(
    a_known_device_logs_in_while_others_may_not,
    the_right_password_gives_a_session_and_a_cookie,
    over_https_the_cookie_is_bound_to_the_host,
    each_log_in_begins_a_new_session,
    a_planted_cookie_is_never_adopted,
    unverified_is_said_only_after_the_right_password,
    wrong_passwords_and_unknown_addresses_are_answered_alike,
    no_session_outlives_its_absolute_end,
);

fn the_right_password_gives_a_session_and_a_cookie(program: Program) {
    let server = program.start();
    server.user("ada@example.com");
    let body = json!({"email": " Ada@EXAMPLE.com\t", "password": PASSWORD});
    let answer = server.post("/auth/login").json(&body).send().expect(200);
    shapes::session(&answer.json(), 900);
    let user = &answer.json()["user"];
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!((&user["email_verified"], &user["name"]), (&json!(true), &json!(null)));
    let CookieChange::Set { max_age, .. } = answer.cookie() else { panic!("no cookie") };
    assert!((604_790..=604_800).contains(&max_age), "{max_age}");
}

/// Over both stacks and each store: the whole way of a device token.
fn a_known_device_logs_in_while_others_may_not(program: Program) {
    let server = program.start_with(&[("RATE_LIMIT_STORE", "memory")]);
    server.user("ada@example.com");
    let log_in = |password: &str, device: &str| {
        let body = json!({"email": "ada@example.com", "password": password});
        server.post("/auth/login").header("Cookie", format!("device={device}")).json(&body).send()
    };
    let device = log_in(PASSWORD, "").expect(200).device().unwrap().to_owned();
    for _ in 0..5 {
        assert_eq!(log_in(OTHER_PASSWORD, "").problem(401, "invalid_credentials").device(), None);
    }
    log_in(PASSWORD, "").problem(429, "rate_limited");
    log_in(PASSWORD, &device).expect(200);
    for _ in 0..10 {
        log_in(OTHER_PASSWORD, &device).problem(401, "invalid_credentials");
    }
    log_in(PASSWORD, &device).problem(429, "rate_limited");
}

fn over_https_the_cookie_is_bound_to_the_host(program: Program) {
    let server =
        program.start_with(&[("PUBLIC_URL", "https://auth.example.test"), ("DEV_MAILBOX", "public")]);
    let session = server.session("ada@example.com");
    let renewed = server.refresh(&session);
    assert!(server.lives(&renewed));
    // The cookie of plain http is none here.
    let line = format!("refresh={}", renewed.refresh);
    server
        .get("/auth/me")
        .header("Cookie", line)
        .send()
        .problem(401, "invalid_refresh_token")
        .clears_cookie();
    server.post("/auth/logout").cookie(&renewed.refresh).send().expect(204).clears_cookie();
    server.is_dead(&renewed);
}

fn each_log_in_begins_a_new_session(program: Program) {
    let server = program.start();
    let first = server.session("ada@example.com");
    let second = server.log_in("ada@example.com");
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(first.access, second.access);
    assert!(server.lives(&first) && server.lives(&second));
    // A log-in in the browser of the first session takes its place, once it succeeded.
    let log_in = |password| {
        let body = json!({"email": "ada@example.com", "password": password});
        server.post("/auth/login").cookie(&first.refresh).json(&body).send()
    };
    log_in("not the password").problem(401, "invalid_credentials").touches_no_cookie();
    assert!(server.lives(&first));
    assert_ne!(log_in(PASSWORD).expect(200).new_cookie(), first.refresh);
    server.is_dead(&first);
    assert!(server.lives(&second));
}

/// A log-in takes nothing from the cookie that the browser already has, be it a neighbour's invention or an
/// attacker's own live session; a live one ends, since the browser has another one in its place.
fn a_planted_cookie_is_never_adopted(program: Program) {
    let server = program.start();
    let attackers = server.session("eve@example.com");
    server.user("ada@example.com");
    for planted in [attackers.refresh.as_str(), "planted", ""] {
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let answer = server.post("/auth/login").cookie(planted).json(&body).send().expect(200);
        assert_eq!(answer.json()["user"]["email"], "ada@example.com");
        let own = answer.new_cookie();
        assert_ne!(own, planted);
        assert_ne!(own.split('.').next(), attackers.refresh.split('.').next(), "another session");
        let me = server.get("/auth/me").cookie(&own).send().expect(200).json();
        assert_eq!(me["user"]["email"], "ada@example.com");
    }
    server.is_dead(&attackers);
}

fn unverified_is_said_only_after_the_right_password(program: Program) {
    let server = program.start();
    server.unverified("ada@example.com");
    let log_in = |password: &str| {
        let body = json!({"email": "ada@example.com", "password": password});
        server.post("/auth/login").json(&body).send().touches_no_cookie()
    };
    log_in(PASSWORD).problem(403, "email_not_verified");
    log_in(OTHER_PASSWORD).problem(401, "invalid_credentials");
}

fn wrong_passwords_and_unknown_addresses_are_answered_alike(program: Program) {
    let server = program.start();
    server.user("ada@example.com").unverified("waiting@example.com");
    let log_in = |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        let answer = server.post("/auth/login").json(&body).send().touches_no_cookie();
        answer.problem(401, "invalid_credentials").likeness()
    };
    let wrong = log_in("ada@example.com", OTHER_PASSWORD);
    assert_eq!(log_in("unknown@example.com", OTHER_PASSWORD), wrong);
    assert_eq!(log_in("waiting@example.com", OTHER_PASSWORD), wrong);
    let (long, longer) = ("x".repeat(1024), "x".repeat(1025));
    for password in ["", "short", " ", "\u{0}", long.as_str(), longer.as_str()] {
        assert_eq!(log_in("ada@example.com", password), wrong, "{} bytes", password.len());
        assert_eq!(log_in("unknown@example.com", password), wrong, "{} bytes", password.len());
    }
}

/// Idle and absolute lifetime, the cookie's and the access token's own: the smallest decides.
fn no_session_outlives_its_absolute_end(program: Program) {
    let server =
        program.start_with(&[("ACCESS_TOKEN_EXP", "8s"), ("REFRESH_TOKEN_EXP", "6s"), ("SESSION_EXP", "8s")]);
    let first = server.session("ada@example.com");
    std::thread::sleep(std::time::Duration::from_secs(3));
    let answer = server.post("/auth/refresh").cookie(&first.refresh).send().expect(200);
    let CookieChange::Set { max_age, value } = answer.cookie() else { panic!("no cookie") };
    assert!(max_age <= 5, "{max_age}");
    let expires_in = answer.json()["expires_in"].as_u64().unwrap();
    assert!(expires_in <= 5, "{expires_in}");
    std::thread::sleep(std::time::Duration::from_millis(5200));
    server.post("/auth/refresh").cookie(&value).send().problem(401, "invalid_refresh_token").clears_cookie();
    let access = answer.json()["access_token"].as_str().unwrap().to_owned();
    server.get("/users/me").bearer(&access).send().problem(401, "invalid_access_token");
}
