//! A challenge is asked for once half of a limit is used up.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use auth_core::{
    Challenge, ChallengeError, ChallengeRequest, Client, Failure, ForgotPasswordError, Limit, LogInError,
    Password,
};
use auth_tests::{PASSWORD, World};

const ADA: &str = "ada@example.com";

/// Accepts each solution once, and counts how often it was asked.
#[derive(Debug, Clone, Default)]
struct Riddle {
    asked: Arc<AtomicU32>,
    used: Arc<Mutex<HashSet<String>>>,
}

#[async_trait]
impl Challenge for Riddle {
    async fn is_solved(&self, request: &ChallengeRequest<'_>) -> Result<bool, ChallengeError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.ip, here().ip());
        let half_used = [Limit::ForgotClient, Limit::LogInAccount, Limit::LogInClient];
        assert!(half_used.contains(&request.limit), "{:?}", request.limit);
        if request.response == Some("down") {
            return Err(ChallengeError::new("its service is down"));
        }
        let solution = request.response.filter(|response| response.starts_with("solved"));
        Ok(solution.is_some_and(|solution| self.used.lock().unwrap().insert(solution.to_owned())))
    }
}

fn here() -> Client {
    Client::new("192.0.2.1".parse().ok(), None)
}

fn with(response: &str) -> Client {
    here().with_challenge_response(response)
}

fn world() -> (World, Riddle) {
    let riddle = Riddle::default();
    (World::built(|_| {}, |builder| builder.challenge(riddle.clone())), riddle)
}

#[tokio::test]
async fn half_of_a_limit_is_free_of_challenges() {
    let (world, riddle) = world();
    let ask = |client: Client| {
        let auth = world.auth.clone();
        async move { auth.forgot_password(ADA, &client).await }
    };
    for _ in 0..5 {
        ask(here()).await.unwrap();
    }
    assert_eq!(riddle.asked.load(Ordering::SeqCst), 0);
    // A request without a solution is not counted, so it takes nothing from one with a solution.
    for unsolved in [here(), with(&"x".repeat(9_000))] {
        for _ in 0..5 {
            let Err(ForgotPasswordError::RateLimited(limited)) = ask(unsolved.clone()).await else {
                panic!()
            };
            assert!(limited.needs_challenge);
        }
    }
    let failed = ask(with("down")).await;
    assert!(matches!(failed, Err(ForgotPasswordError::Failed(Failure::Challenge(_)))), "{failed:?}");
    for nth in 0..4 {
        ask(with(&format!("solved {nth}"))).await.unwrap();
    }
    let Err(ForgotPasswordError::RateLimited(limited)) = ask(with("guessed")).await else { panic!() };
    assert!(limited.needs_challenge, "a wrong solution is counted");
    let Err(ForgotPasswordError::RateLimited(limited)) = ask(with("solved again")).await else { panic!() };
    assert!(!limited.needs_challenge, "a solution opens no limit that is used up");
    assert!(world.events.count("excess_rate_limit_exceeded") > 10);
}

#[tokio::test]
async fn a_log_in_asks_after_failures_and_not_after_successes() {
    let (world, riddle) = world();
    world.user(ADA).await;
    let log_in = |password: &str, client: Client| {
        let (auth, password) = (world.auth.clone(), Password::new(password));
        async move { auth.log_in(ADA, password, &client).await }
    };
    for _ in 0..10 {
        log_in(PASSWORD, here()).await.unwrap();
    }
    for _ in 0..3 {
        assert!(matches!(log_in("wrong", here()).await, Err(LogInError::InvalidCredentials)));
    }
    assert_eq!(riddle.asked.load(Ordering::SeqCst), 0);
    let hashes = world.auth.hashing().stats().hashes;
    let Err(LogInError::RateLimited(limited)) = log_in(PASSWORD, here()).await else { panic!() };
    assert!(limited.needs_challenge);
    assert_eq!(world.auth.hashing().stats().hashes, hashes, "asked before the work");
    log_in(PASSWORD, with("solved")).await.unwrap();
}

/// A solution works once, and one request is asked for one.
#[tokio::test]
async fn one_solution_is_enough_where_two_limits_are_half_used() {
    let riddle = Riddle::default();
    let world = World::built(
        |policy| policy.limits.log_in_client = policy.limits.log_in_account,
        |builder| builder.challenge(riddle.clone()),
    );
    world.user(ADA).await;
    for _ in 0..3 {
        world.auth.log_in(ADA, Password::new("wrong"), &here()).await.unwrap_err();
    }
    world.auth.log_in(ADA, Password::new(PASSWORD), &with("solved")).await.unwrap();
    assert_eq!(riddle.asked.load(Ordering::SeqCst), 1);
    let again = world.auth.log_in(ADA, Password::new(PASSWORD), &with("solved")).await;
    assert!(matches!(again, Err(LogInError::RateLimited(limited)) if limited.needs_challenge));
}
