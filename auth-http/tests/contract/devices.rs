//! Known devices: the device token, in its cookie and in bodies.

use serde_json::{Value, json};

use crate::stack::Stack;
use crate::support::{ADA, Answer, OTHER_PASSWORD, PASSWORD, World, keys};

contract!(
    a_log_in_sets_the_device_cookie_and_nothing_else_touches_it,
    a_known_device_logs_in_where_others_have_failed,
    of_two_device_cookies_neither_is_read,
    a_native_client_brings_its_device_token_in_a_header,
);

const BODY: (&str, &str) = ("x-token-transport", "body");

async fn log_in(world: &World, password: &str, headers: &[(&str, &str)]) -> Answer {
    world.post("/auth/login", json!({"email": ADA, "password": password}), headers).await
}

/// The cookie of a request, from that of an answer.
fn pair(answer: &Answer) -> String {
    answer.device_cookie().expect("no device cookie").split(';').next().unwrap().to_owned()
}

/// Uses up the failures of the usual client at this account.
async fn fail_five_times(world: &World) {
    for _ in 0..5 {
        log_in(world, OTHER_PASSWORD, &[]).await.is_problem(401, "invalid_credentials");
    }
    log_in(world, PASSWORD, &[]).await.is_problem(429, "rate_limited");
}

async fn a_log_in_sets_the_device_cookie_and_nothing_else_touches_it(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let first = log_in(&world, PASSWORD, &[]).await;
    let (value, attributes) = first.device_cookie().unwrap().split_once("; ").unwrap();
    assert!(value.starts_with("__Host-device=") && value.len() < 200, "{value}");
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=34560000");
    assert!(!first.text().contains(value.split_once('=').unwrap().1));
    let session = first.logged_in();
    let refreshed = world.bare("POST", "/auth/refresh", &session.cookie()).await;
    let cookie = refreshed.logged_in().cookie;
    let with = [("cookie", cookie.as_str())];
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD});
    for answer in [
        refreshed,
        world.get("/auth/me", &with).await,
        world.post("/users/me/password", change, &session.bearer()).await,
        world.bare("POST", "/auth/logout", &with).await,
        log_in(&world, PASSWORD, &[]).await,
    ] {
        assert_eq!(answer.device_cookie(), None, "{}", answer.text());
    }
    let device = pair(&first);
    let renewed = log_in(&world, OTHER_PASSWORD, &[("cookie", &device)]).await;
    assert_eq!(pair(&renewed), device, "one account, one entry");
    world.post("/auth/register", json!({"email": "new@example.com", "password": PASSWORD}), &[]).await;
    let unverified = json!({"email": "new@example.com", "password": PASSWORD});
    let answer = world.post("/auth/login", unverified, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.device_cookie()), (403, None));
}

async fn a_known_device_logs_in_where_others_have_failed(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let device = pair(&log_in(&world, PASSWORD, &[]).await);
    fail_five_times(&world).await;
    assert_eq!(log_in(&world, PASSWORD, &[("cookie", &device)]).await.status, 200);
    let (start, end) = device.split_at(device.len() - 10);
    let forged = format!("{start}{}{}", if end.starts_with('A') { 'B' } else { 'A' }, &end[1..]);
    for unknown in [forged.as_str(), "__Host-device=", "__Host-device=%00", "device=x"] {
        log_in(&world, PASSWORD, &[("cookie", unknown)]).await.is_problem(429, "rate_limited");
    }
    // Read in the transport of the request alone.
    let token = device.split_once('=').unwrap().1;
    log_in(&world, PASSWORD, &[("x-device-token", token)]).await.is_problem(429, "rate_limited");
    log_in(&world, PASSWORD, &[("cookie", &device), BODY]).await.is_problem(429, "rate_limited");
}

async fn of_two_device_cookies_neither_is_read(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let device = pair(&log_in(&world, PASSWORD, &[]).await);
    fail_five_times(&world).await;
    let two = format!("{device}; __Host-device=planted");
    log_in(&world, PASSWORD, &[("cookie", &two)]).await.is_problem(429, "rate_limited");
    log_in(&world, PASSWORD, &[("cookie", &device), ("cookie", &device)])
        .await
        .is_problem(429, "rate_limited");
}

async fn a_native_client_brings_its_device_token_in_a_header(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let answer = log_in(&world, PASSWORD, &[BODY]).await;
    let body: Value = answer.json();
    let token = body["device_token"].as_str().unwrap();
    fail_five_times(&world).await;
    let known = log_in(&world, PASSWORD, &[BODY, ("x-device-token", token)]).await;
    assert_eq!((known.status.as_u16(), known.device_cookie()), (200, None));
    assert_eq!(known.json()["device_token"], token);
    let refresh = json!({"refresh_token": body["refresh_token"]});
    let refreshed = world.post("/auth/refresh", refresh, &[BODY, ("x-device-token", token)]).await;
    assert!(!keys(&refreshed.json()).contains(&"device_token"));
}
