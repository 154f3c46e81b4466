//! Rate limits in headers, and the client address that they count by.

use std::time::Duration;

use auth_core::{RateLimits, Rule};
use auth_http::ProxyHeader;
use auth_testkit::Fault;
use auth_tests::Route;
use serde_json::{Value, json};

use crate::stack::Stack;
use crate::support::{ADA, Answer, OTHER_PASSWORD, PASSWORD, World, from_peer, post, routes};

contract!(
    every_limited_route_reports_its_policy_and_what_is_left,
    a_request_refused_before_it_is_counted_has_the_policy_alone,
    unlimited_routes_and_disabled_limits_report_nothing,
    a_used_up_limit_is_429_with_the_time_to_wait_rounded_up,
    a_right_password_counts_against_no_log_in_limit,
    retry_after_is_never_less_than_a_second,
    a_full_hashing_queue_is_busy,
    without_trusted_proxies_the_peer_is_the_client,
    behind_proxies_the_right_most_untrusted_hop_is_the_client,
    the_configured_proxy_header_is_read,
    one_ipv6_network_shares_its_limits;
    paused: a_hanging_store_is_503_in_time,
);

fn both(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

async fn every_limited_route_reports_its_policy_and_what_is_left(stack: Stack) {
    let world = World::new(stack);
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
            "\"log_in_account\";q=5;w=900, \"log_in_client\";q=50;w=900, \"log_in_device\";q=10;w=900",
            "\"log_in_account\";r=4;t=180, \"log_in_client\";r=49;t=18",
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
            "\"change_email_client\";q=10;w=3600, \"change_password\";q=5;w=900, \"log_in_device\";q=10;w=900",
            "\"change_email_client\";r=9;t=360, \"change_password\";r=4;t=180",
        ),
        (
            "/users/me/password",
            change,
            "\"change_password\";q=5;w=900, \"log_in_device\";q=10;w=900",
            "\"change_password\";r=3;t=360",
        ),
    ];
    for (path, body, policy, status) in cases {
        let request = post(path, &body.to_string(), &session.bearer());
        // From another address, so that this request alone was counted.
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
    // A missing token counts as a try.
    let answer = world.get("/auth/me", &[]).await;
    assert_eq!(answer.header("ratelimit"), Some("\"restore_client\";r=298;t=1"));
}

async fn a_request_refused_before_it_is_counted_has_the_policy_alone(stack: Stack) {
    let world = World::new(stack);
    let session = world.user_and_session().await;
    let headers = [("authorization", session.bearer.as_str()), ("x-token-transport", "body")];
    let limited: Vec<Route> =
        routes().into_iter().filter(|route| route.limited && route.has_body()).collect();
    assert!(limited.len() >= 11, "{limited:?}");
    for route in limited {
        for _ in 0..3 {
            let answer = world.call(&route, Some(&json!({"x": 1})), &headers).await;
            answer.is_problem(400, "malformed_request");
            let (policy, status) = both(&answer);
            assert!(policy.is_some(), "{route:?}");
            assert_eq!(status, None, "{route:?}");
        }
    }
    // All of the quota is left for the first request that counts.
    let answer = world.post("/auth/register", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    assert_eq!(answer.header("ratelimit"), Some("\"register_client\";r=4;t=720"));
}

async fn unlimited_routes_and_disabled_limits_report_nothing(stack: Stack) {
    let world = World::with(stack, |policy| policy.limits = RateLimits::none(), |config| config);
    for route in routes() {
        assert_eq!(both(&world.call(&route, route.body(&[]).as_ref(), &[]).await), (None, None), "{route:?}");
    }
    let world = World::new(stack);
    let unlimited: Vec<Route> = routes().into_iter().filter(|route| !route.limited).collect();
    assert!(unlimited.len() >= 8, "{unlimited:?}");
    for route in unlimited {
        assert_eq!(both(&world.call(&route, None, &[]).await), (None, None), "{route:?}");
    }
}

async fn a_used_up_limit_is_429_with_the_time_to_wait_rounded_up(stack: Stack) {
    let world = World::new(stack);
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

async fn a_right_password_counts_against_no_log_in_limit(stack: Stack) {
    let world = World::new(stack);
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

async fn retry_after_is_never_less_than_a_second(stack: Stack) {
    let world = World::with(
        stack,
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

async fn a_full_hashing_queue_is_busy(stack: Stack) {
    let world = World::with(
        stack,
        |policy| {
            policy.hashing.threads = 1;
            policy.hashing.queue = 1;
            policy.hashing.memory_kib = 19_456;
            policy.hashing.iterations = 8;
        },
        |config| config,
    );
    let tries = (0..8).map(|index| {
        let body = json!({"email": format!("u{index}@example.com"), "password": PASSWORD});
        world.post("/auth/login", body, &[])
    });
    let answers = futures_util::future::join_all(tries).await;
    let busy: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!busy.is_empty());
    for answer in busy {
        answer.is_problem(503, "busy");
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
}

/// Returns the address of a new session, as its owner sees it.
async fn seen(world: &World, peer: &str, headers: &[(&str, &str)]) -> Value {
    let log_in = json!({"email": ADA, "password": PASSWORD}).to_string();
    let session = world.send(from_peer(post("/auth/login", &log_in, headers), peer)).await.logged_in();
    let list = world.get("/users/me/sessions", &session.bearer()).await.json();
    let list = list["sessions"].as_array().unwrap().clone();
    list.into_iter().find(|entry| entry["current"] == true).unwrap()["ip"].clone()
}

async fn without_trusted_proxies_the_peer_is_the_client(stack: Stack) {
    let world = World::new(stack);
    world.user(ADA).await;
    let headers = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=203.0.113.1")];
    assert_eq!(seen(&world, "198.51.100.7", &headers).await, "198.51.100.7");
    assert_eq!(seen(&world, "::ffff:198.51.100.7", &headers).await, "198.51.100.7");
}

async fn behind_proxies_the_right_most_untrusted_hop_is_the_client(stack: Stack) {
    let world = World::with(stack, |_| {}, |config| config.trust_proxy("10.0.0.0/8").trust_proxy("::1"));
    world.user(ADA).await;
    let xff = |value| [("x-forwarded-for", value), ("forwarded", "for=203.0.113.99")];
    for peer in ["10.1.2.3", "::1"] {
        let hops = "203.0.113.1, 198.51.100.1, 10.9.9.9";
        assert_eq!(seen(&world, peer, &xff(hops)).await, "198.51.100.1");
        assert_eq!(seen(&world, peer, &xff("203.0.113.1, rubbish, 10.9.9.9")).await, "10.9.9.9");
    }
    assert_eq!(seen(&world, "198.51.100.7", &xff("203.0.113.1")).await, "198.51.100.7");
}

async fn the_configured_proxy_header_is_read(stack: Stack) {
    let world = World::with(
        stack,
        |_| {},
        |config| config.trust_proxy("10.0.0.0/8").proxy_header(ProxyHeader::Forwarded),
    );
    world.user(ADA).await;
    let headers = [("x-forwarded-for", "203.0.113.1"), ("forwarded", "for=\"[2001:db8::1]:80\";proto=https")];
    assert_eq!(seen(&world, "10.1.2.3", &headers).await, "2001:db8::1");
}

async fn one_ipv6_network_shares_its_limits(stack: Stack) {
    let world = World::new(stack);
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

async fn a_hanging_store_is_503_in_time(stack: Stack) {
    let world = World::new(stack);
    world.store.fail_method("find_by_email", Fault::Hang);
    let answer = world.post("/auth/login", json!({"email": ADA, "password": PASSWORD}), &[]).await;
    answer.is_problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    assert!(answer.header("ratelimit-policy").is_some());
}
