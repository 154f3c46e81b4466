//! What the limits of a request show, and what a log-in is counted by.

use std::time::Duration;

use auth_core::{
    ChangePasswordError, Client, Email, Limit, LimitStatus, LogInError, MAX_EMAIL_BYTES, Password,
    RateLimits, Rule,
};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World};

const ADA: &str = "ada@example.com";
const MINUTE: Duration = Duration::from_mins(1);

/// As many a minute each as its window has minutes.
const fn one_a_minute(count: u32) -> Rule {
    Rule::Quota { count, window: Duration::from_mins(count as u64) }
}

fn limited() -> World {
    World::with(|policy| {
        policy.limits = RateLimits::none();
        policy.limits.log_in_account = Some(one_a_minute(20));
        policy.limits.log_in_client = Some(one_a_minute(10));
        policy.limits.refresh_client = Some(one_a_minute(20));
        policy.limits.change_password = Some(one_a_minute(4));
    })
}

/// One client, whose requests are counted.
fn from_here() -> Client {
    Client::new(Some([192, 0, 2, 7].into()), None)
}

/// Fails to log in; returns the limits shown, the permits left and when all are free again.
async fn fail(world: &World) -> Vec<(Limit, u32, Duration)> {
    let client = from_here();
    let log_in = world.auth.log_in(ADA, Password::new("not the password"), &client);
    let (outcome, limits) = log_in.with_limits().await;
    assert!(matches!(outcome, Err(LogInError::InvalidCredentials)));
    shown(&limits)
}

fn shown(limits: &[LimitStatus]) -> Vec<(Limit, u32, Duration)> {
    limits.iter().map(|status| (status.limit, status.remaining, status.reset_after)).collect()
}

#[tokio::test]
async fn a_log_in_shows_the_limits_it_was_counted_against() {
    let world = limited();
    let first = [(Limit::LogInAccount, 19, MINUTE), (Limit::LogInClient, 9, MINUTE)];
    assert_eq!(fail(&world).await, first);
    world.clock.advance(MINUTE);
    assert_eq!(fail(&world).await, first);
    assert_eq!(
        fail(&world).await,
        [(Limit::LogInAccount, 18, 2 * MINUTE), (Limit::LogInClient, 8, 2 * MINUTE)]
    );
}

#[tokio::test]
async fn a_used_up_limit_is_shown_with_the_time_to_wait() {
    let world = limited();
    for _ in 0..10 {
        fail(&world).await;
    }
    let client = from_here();
    let refused = world.auth.log_in(ADA, Password::new("not the password"), &client);
    let (outcome, limits) = refused.with_limits().await;
    assert!(matches!(outcome, Err(LogInError::RateLimited(limited)) if limited.retry_after == MINUTE));
    let shown = shown(&limits);
    assert_eq!(shown, [(Limit::LogInAccount, 9, 11 * MINUTE), (Limit::LogInClient, 0, MINUTE)]);
}

#[tokio::test]
async fn a_request_refused_before_it_is_counted_shows_no_limit() {
    let world = limited();
    let client = from_here();
    let (outcome, limits) = world.auth.forgot_password("no address", &client).with_limits().await;
    assert!(outcome.is_err());
    assert_eq!(limits, []);
}

#[tokio::test]
async fn a_wrong_current_password_shows_the_limit_of_its_session() {
    let world = limited();
    world.user(ADA).await;
    let claims = world.claims(&world.log_in(ADA).await);
    let (wrong, new) = (Password::new("not the password"), Password::new(OTHER_PASSWORD));
    let client = from_here();
    let change = world.auth.change_password(&claims, wrong, new, &client);
    let (outcome, limits) = change.with_limits().await;
    assert!(matches!(outcome, Err(ChangePasswordError::WrongPassword)), "{outcome:?}");
    assert_eq!(shown(&limits), [(Limit::ChangePassword, 3, MINUTE)]);
}

#[tokio::test]
async fn a_released_permit_is_shown_as_free() {
    let world = limited();
    world.user(ADA).await;
    let client = from_here();
    let log_in = world.auth.log_in(ADA, Password::new(PASSWORD), &client);
    let (outcome, limits) = log_in.with_limits().await;
    assert!(outcome.is_ok());
    assert_eq!(
        shown(&limits),
        [(Limit::LogInAccount, 20, Duration::ZERO), (Limit::LogInClient, 10, Duration::ZERO)]
    );
}

/// Whether a failed log-in with this text is still let through, of a world that lets one through for each
/// account.
async fn is_judged(world: &World, text: &str) -> bool {
    match world.auth.log_in(text, Password::new("not the password"), &from_here()).await {
        Err(LogInError::InvalidCredentials) => true,
        Err(LogInError::RateLimited(_)) => false,
        answer => panic!("{answer:?}"),
    }
}

/// However long a text is, it is counted by one byte more than the longest address has: nobody uses up the
/// tries of an account with a text that only begins with its address.
#[tokio::test]
async fn a_text_that_is_no_address_is_counted_as_no_address() {
    let world = World::with(|policy| {
        policy.limits = RateLimits::none();
        policy.limits.log_in_account = Some(one_a_minute(1));
    });
    let [local, b, c, d] = [("a", 64), ("b", 63), ("c", 63), ("d", 57)].map(|(of, times)| of.repeat(times));
    let longest = format!("{local}@{b}.{c}.{d}.com");
    assert_eq!(Email::parse(&longest).unwrap().canonical().len(), MAX_EMAIL_BYTES);
    let almost = "e".repeat(MAX_EMAIL_BYTES - 1);
    for apart in [format!("{longest}x"), longest, format!("{almost}1"), format!("{almost}2")] {
        assert!(is_judged(&world, &apart).await, "{apart}");
    }
    assert!(!is_judged(&world, &format!("{almost}2")).await, "the same again");
    assert!(is_judged(&world, &format!("{almost}31")).await);
    assert!(!is_judged(&world, &format!("{almost}312")).await, "what comes after is cut off");
}
