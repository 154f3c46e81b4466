//! Rate limits in headers, and whose address they count.

use std::time::Duration;

use auth_axum::ProxyHeader;
use auth_core::{RateLimits, Rule};
use auth_testkit::Fault;
use serde_json::{Value, json};

use crate::support::{ADA, Answer, OTHER_PASSWORD, PASSWORD, World, from_peer, post};

fn both(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

#[tokio::test]
async fn every_limited_route_tells_its_policy_and_how_it_stands() {
    let world = World::new();
    let session = world.user_and_session().await;
    let wrong = json!({"email": "bob@example.com", "password": PASSWORD});
    let change = json!({"current_password": OTHER_PASSWORD, "new_password": "another fine password"});
    let rubbish = json!({"token": "t", "password": PASSWORD});
    let address = json!({"email": ADA});
    let register = json!({"email": ADA, "password": PASSWORD});
    let cases = [
        (
            "/auth/login",
            wrong,
            "\"log_in_client\";q=50;w=900, \"log_in_account\";q=5;w=900",
            "\"log_in_client\";r=49;t=18, \"log_in_account\";r=4;t=180",
        ),
        ("/auth/register", register, "\"register_client\";q=5;w=3600", "\"register_client\";r=4;t=720"),
        (
            "/auth/forgot-password",
            address.clone(),
            "\"forgot_client\";q=10;w=3600",
            "\"forgot_client\";r=9;t=360",
        ),
        (
            "/auth/resend-verification",
            address,
            "\"resend_client\";q=10;w=3600",
            "\"resend_client\";r=9;t=360",
        ),
        ("/auth/verify-email", rubbish.clone(), "\"verify_client\";q=10;w=900", "\"verify_client\";r=9;t=90"),
        ("/auth/reset-password", rubbish, "\"reset_client\";q=10;w=900", "\"reset_client\";r=9;t=90"),
        (
            "/auth/email/confirm",
            json!({"token": "x"}),
            "\"confirm_email_client\";q=10;w=900",
            "\"confirm_email_client\";r=9;t=90",
        ),
        (
            "/users/me/email",
            json!({"new_email": "new@example.com", "current_password": "wrong password"}),
            "\"change_email_client\";q=10;w=3600, \"change_password\";q=5;w=900",
            "\"change_email_client\";r=9;t=360, \"change_password\";r=4;t=180",
        ),
        ("/users/me/password", change, "\"change_password\";q=5;w=900", "\"change_password\";r=3;t=360"),
    ];
    for (path, body, policy, status) in cases {
        let request = post(path, &body.to_string(), &session.bearer());
        // An address of its own, so that nothing but this request was counted.
        let answer = world.send(from_peer(request, "192.0.2.77")).await;
        assert_eq!(both(&answer), (Some(policy), Some(status)), "{path}");
    }
    let answer = world.bare("POST", "/auth/refresh", &session.cookie()).await;
    let policy = "\"refresh_client\";q=300;w=60, \"refresh_session\";q=60;w=60";
    let status = "\"refresh_client\";r=299;t=1, \"refresh_session\";r=59;t=1";
    assert_eq!(both(&answer), (Some(policy), Some(status)));
    let answer = world.get("/auth/me", &answer.logged_in().cookie()).await;
    let policy = "\"restore_client\";q=300;w=60, \"restore_session\";q=60;w=60";
    let status = "\"restore_client\";r=299;t=1, \"restore_session\";r=59;t=1";
    assert_eq!(both(&answer), (Some(policy), Some(status)));
    // Without a token it is a try, too.
    let answer = world.get("/auth/me", &[]).await;
    assert_eq!(answer.header("ratelimit"), Some("\"restore_client\";r=298;t=1"));
}

#[tokio::test]
async fn a_request_refused_before_it_is_counted_has_the_policy_alone() {
    let world = World::new();
    let session = world.user_and_session().await;
    let malformed = json!({"x": 1});
    for path in [
        "/auth/login",
        "/auth/register",
        "/auth/forgot-password",
        "/auth/resend-verification",
        "/auth/verify-email",
        "/auth/reset-password",
        "/auth/refresh",
        "/users/me/password",
    ] {
        for _ in 0..3 {
            let answer = world.post(path, malformed.clone(), &session.bearer()).await;
            answer.is_problem(400, "malformed_request");
            let (policy, status) = both(&answer);
            assert!(policy.is_some(), "{path}");
            assert_eq!(status, None, "{path}");
        }
    }
    // All of the quota is left for the first request that counts.
    let answer = world.post("/auth/register", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    assert_eq!(answer.header("ratelimit"), Some("\"register_client\";r=4;t=720"));
}

#[tokio::test]
async fn unlimited_routes_and_switched_off_limits_tell_nothing() {
    let world = World::with(|policy| policy.limits = RateLimits::none(), |config| config);
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    assert_eq!(both(&answer), (None, None));
    let world = World::new();
    for (method, path) in [("POST", "/auth/logout"), ("GET", "/users/me"), ("GET", "//health")] {
        assert_eq!(both(&world.bare(method, path, &[]).await), (None, None), "{path}");
    }
}

#[tokio::test]
async fn a_used_up_limit_is_429_with_the_time_to_wait_rounded_up() {
    let world = World::new();
    world.user(ADA).await;
    let wrong = json!({"email": ADA, "password": OTHER_PASSWORD});
    for left in (0..5).rev() {
        let answer = world.post("/auth/login", wrong.clone(), &[]).await;
        answer.is_problem(401, "invalid_credentials");
        assert!(answer.header("ratelimit").unwrap().contains(&format!("\"log_in_account\";r={left};")));
    }
    world.clock.advance(Duration::from_millis(500));
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    answer.is_problem(429, "rate_limited");
    assert_eq!(answer.header("retry-after"), Some("180"));
    assert!(answer.header("ratelimit").unwrap().contains("\"log_in_account\";r=0;t=180"));
    assert!(answer.header("ratelimit-policy").is_some());
    world.clock.advance(Duration::from_mins(3));
    world.log_in().await;
}

#[tokio::test]
async fn a_log_in_that_succeeds_or_is_unverified_costs_no_place() {
    let world = World::new();
    world.user(ADA).await;
    for _ in 0..8 {
        world.log_in().await;
    }
    world.post("/auth/register", json!({"email": "bob@example.com", "password": PASSWORD}), &[]).await;
    for _ in 0..8 {
        let body = json!({"email": "bob@example.com", "password": PASSWORD});
        world.post("/auth/login", body, &[]).await.is_problem(403, "email_not_verified");
    }
}

#[tokio::test]
async fn retry_after_is_never_less_than_a_second() {
    let world = World::with(
        |policy| {
            let window = Duration::from_secs(1);
            policy.limits.verify_client = Some(Rule::Quota { count: 10, window });
        },
        |config| config,
    );
    let mut last = None;
    for _ in 0..11 {
        last = Some(world.post("/auth/verify-email", json!({"token": "t"}), &[]).await);
    }
    let last = last.unwrap();
    last.is_problem(429, "rate_limited");
    assert_eq!(last.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_full_hashing_queue_is_busy() {
    let world = World::with(
        |policy| {
            policy.hashing.threads = 1;
            policy.hashing.queue = 1;
            policy.hashing.memory_kib = 19_456;
            policy.hashing.iterations = 8;
        },
        |config| config,
    );
    let mut tries = tokio::task::JoinSet::new();
    for index in 0..8 {
        let world = world.clone();
        tries.spawn(async move {
            let body = json!({"email": format!("u{index}@example.com"), "password": PASSWORD});
            world.post("/auth/login", body, &[]).await
        });
    }
    let answers = tries.join_all().await;
    let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!busy.is_empty());
    for answer in busy {
        answer.is_problem(503, "busy");
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
}

/// The address that a session was begun from, as its owner sees it.
async fn seen(world: &World, peer: &str, headers: &[(&str, &str)]) -> Value {
    let log_in = json!({"email": ADA, "password": PASSWORD}).to_string();
    let session = world.send(from_peer(post("/auth/login", &log_in, headers), peer)).await.logged_in();
    let list = world.get("/users/me/sessions", &session.bearer()).await.json();
    let list = list["sessions"].as_array().unwrap().clone();
    list.into_iter().find(|entry| entry["current"] == true).unwrap()["ip"].clone()
}

#[tokio::test]
async fn without_trusted_proxies_the_peer_is_the_client_whatever_it_says() {
    let world = World::new();
    world.user(ADA).await;
    let headers = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=203.0.113.1")];
    assert_eq!(seen(&world, "198.51.100.7", &headers).await, "198.51.100.7");
    assert_eq!(seen(&world, "::ffff:198.51.100.7", &headers).await, "198.51.100.7");
}

#[tokio::test]
async fn behind_trusted_proxies_the_right_most_untrusted_hop_is() {
    let world = World::with(|_| {}, |config| config.trust_proxy("10.0.0.0/8").trust_proxy("::1"));
    world.user(ADA).await;
    let xff = |value| [("x-forwarded-for", value), ("forwarded", "for=203.0.113.99")];
    for peer in ["10.1.2.3", "::1"] {
        let hops = "203.0.113.1, 198.51.100.1, 10.9.9.9";
        assert_eq!(seen(&world, peer, &xff(hops)).await, "198.51.100.1");
        assert_eq!(seen(&world, peer, &xff("203.0.113.1, rubbish, 10.9.9.9")).await, "10.9.9.9");
    }
    assert_eq!(seen(&world, "198.51.100.7", &xff("203.0.113.1")).await, "198.51.100.7");
}

#[tokio::test]
async fn the_other_header_is_read_where_it_is_configured() {
    let world =
        World::with(|_| {}, |config| config.trust_proxy("10.0.0.0/8").proxy_header(ProxyHeader::Forwarded));
    world.user(ADA).await;
    let headers = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=\"[2001:db8::1]:80\";proto=https")];
    assert_eq!(seen(&world, "10.1.2.3", &headers).await, "2001:db8::1");
}

#[tokio::test]
async fn one_ipv6_network_shares_its_limits() {
    let world = World::new();
    let attempt = async |peer: &str| {
        let body = json!({"token": "t"}).to_string();
        world.send(from_peer(post("/auth/verify-email", &body, &[]), peer)).await
    };
    for index in 0..10 {
        attempt(&format!("2001:db8::{index}")).await.is_problem(400, "invalid_token");
    }
    attempt("2001:db8::ffff").await.is_problem(429, "rate_limited");
    attempt("2001:db8:0:1::1").await.is_problem(400, "invalid_token");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_is_503_in_time() {
    let world = World::new();
    world.store.fail_method("find_by_email", Fault::Hang);
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    answer.is_problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert!(answer.header("ratelimit-policy").is_some());
}
