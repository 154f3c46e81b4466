//! How limits are shown that a request was not counted against.

use std::time::Duration;

use auth_core::{
    ChangePasswordError, Client, Email, LogInError, MAX_EMAIL_BYTES, Password, RateLimits, Rule,
};
use auth_tests::{OTHER_PASSWORD, World};

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

/// One client of whom limits are counted.
fn from_here() -> Client {
    Client::new(Some([192, 0, 2, 7].into()), None)
}

async fn fail(world: &World, client: &Client) {
    let answer = world.auth.log_in(ADA, Password::new("not the password"), client).await;
    assert!(matches!(answer, Err(LogInError::InvalidCredentials)));
}

/// What a client is shown: names, places left, and when all are.
fn shown(client: &Client) -> Vec<(&'static str, u32, Duration)> {
    client.limits().into_iter().map(|status| (status.name, status.remaining, status.reset_after)).collect()
}

#[tokio::test]
async fn looking_at_limits_shows_those_of_the_names_and_counts_nothing() {
    let world = limited();
    fail(&world, &from_here()).await;
    fail(&world, &from_here()).await;
    for _ in 0..2 {
        let client = from_here();
        world.auth.look_at_limits(&["log_in_account", "log_in_client", "resend_client"], None, &client).await;
        // Neither the account's, nor one that was not asked for, nor one that the policy does not have.
        assert_eq!(shown(&client), [("log_in_client", 8, 2 * MINUTE)]);
    }
    let untouched = from_here();
    world.auth.look_at_limits(&["refresh_client"], None, &untouched).await;
    assert_eq!(shown(&untouched), [("refresh_client", 20, Duration::ZERO)]);
}

#[tokio::test]
async fn a_limit_that_is_used_up_is_shown_so() {
    let world = limited();
    for _ in 0..10 {
        fail(&world, &from_here()).await;
    }
    let client = from_here();
    world.auth.look_at_limits(&["log_in_client"], None, &client).await;
    assert_eq!(shown(&client), [("log_in_client", 0, MINUTE)]);
}

#[tokio::test]
async fn what_a_flow_counted_is_not_looked_at_again() {
    let world = limited();
    let client = from_here();
    fail(&world, &client).await;
    world.clock.advance(MINUTE);
    let counted = shown(&client);
    assert_eq!(counted, [("log_in_client", 9, MINUTE), ("log_in_account", 19, MINUTE)]);
    world.auth.look_at_limits(&["log_in_client", "refresh_client"], None, &client).await;
    assert_eq!(shown(&client), [&counted[..], &[("refresh_client", 20, Duration::ZERO)]].concat());
}

#[tokio::test]
async fn the_limit_on_password_changes_is_shown_to_who_has_the_claims() {
    let world = limited();
    world.user(ADA).await;
    let claims = world.claims(&world.log_in(ADA).await);
    let (wrong, new) = (Password::new("not the password"), Password::new(OTHER_PASSWORD));
    let change = world.auth.change_password(&claims, wrong, new, &from_here()).await;
    assert!(matches!(change, Err(ChangePasswordError::WrongPassword)), "{change:?}");
    fail(&world, &from_here()).await;

    let names = ["change_password", "log_in_client"];
    let (known, stranger) = (from_here(), from_here());
    world.auth.look_at_limits(&names, Some(&claims), &known).await;
    world.auth.look_at_limits(&names, None, &stranger).await;
    assert_eq!(shown(&stranger), [("log_in_client", 9, MINUTE)]);
    assert_eq!(shown(&known), [("log_in_client", 9, MINUTE), ("change_password", 3, MINUTE)]);
}

/// Whether a failed log-in with this text is still let through, of a world that lets one through for each account.
async fn is_judged(world: &World, text: &str) -> bool {
    match world.auth.log_in(text, Password::new("not the password"), &from_here()).await {
        Err(LogInError::InvalidCredentials) => true,
        Err(LogInError::RateLimited { .. }) => false,
        answer => panic!("{answer:?}"),
    }
}

/// However long a text is, it is counted by one byte more than the longest address has: nobody uses up the tries of an
/// account with a text that only begins with its address.
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
