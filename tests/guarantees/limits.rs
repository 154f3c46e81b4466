//! Guarantee 11: limits hold under concurrency; an unknown account costs the same bucket.
mod requests;

use std::sync::Arc;
use std::time::Duration;

use auth_core::{
    Auth, ChangePasswordError, Client, Failure, ForgotPasswordError, InProcessLimiter, Limit, LimitStatus,
    LogInError, Password, RefreshError, RegisterError, ResendVerificationError, ResetPasswordError,
    VerifyEmailError,
};
use auth_testkit::{FakeClock, Fault, Faulty};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, race, text};

const ADA: &str = "ada@example.com";
const QUARTER: Duration = Duration::from_mins(15);
const HOUR: Duration = Duration::from_hours(1);
/// More at once than any limit but those of refresh and restore allows.
const STORM: usize = 200;

fn at(ip: &str) -> Client {
    Client::new(Some(ip.parse().unwrap()), None)
}

fn wrong() -> Password {
    Password::new("not the right password")
}

fn hashes(world: &World) -> u64 {
    world.auth.hashing().stats().hashes
}

/// What became of a request, as far as its limit is concerned.
#[derive(Debug, PartialEq, Eq)]
enum Let {
    Through,
    Limited(Duration),
}

/// Sends `count` requests at once and says how many were let through, and after what time the
/// refused ones may come again.
async fn storm<F, Fut>(world: &World, count: usize, request: F) -> (usize, Vec<Duration>)
where
    F: Fn(Auth, usize) -> Fut + Send + Sync,
    Fut: Future<Output = Let> + Send + 'static,
{
    let answers = race(count, |index| request(world.auth.clone(), index)).await;
    let waits: Vec<_> = answers
        .iter()
        .filter_map(|answer| match answer {
            Let::Through => None,
            Let::Limited(wait) => Some(*wait),
        })
        .collect();
    (count - waits.len(), waits)
}

async fn try_log_in(auth: &Auth, address: &str, password: Password, client: &Client) -> Let {
    match auth.log_in(address, password, client).await {
        Err(LogInError::RateLimited(limited)) => Let::Limited(limited.retry_after),
        Ok(_) | Err(LogInError::InvalidCredentials | LogInError::EmailNotVerified) => Let::Through,
        Err(error) => panic!("{error:?}"),
    }
}

async fn fail(world: &World, address: &str, client: &Client) -> Let {
    try_log_in(&world.auth, address, wrong(), client).await
}

/// 5 failures / 15 min per account and address, whatever the account is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_concurrent_guesses_cost_five_hashes() {
    let world = World::new();
    world.user(ADA).await;
    for (nth, account) in [ADA, "nobody@example.com", "no address"].into_iter().enumerate() {
        let before = hashes(&world);
        let (through, waits) = storm(&world, STORM, move |auth, _| async move {
            try_log_in(&auth, account, wrong(), &at(&format!("192.0.2.{nth}"))).await
        })
        .await;
        assert_eq!((through, hashes(&world) - before), (5, 5), "{account}");
        assert_eq!(waits, vec![QUARTER / 5; 195], "{account}");
    }
}

/// Which spelling was typed makes no difference to what is counted.
#[tokio::test]
async fn spellings_of_one_address_share_its_bucket() {
    let world = World::new();
    for spelling in
        ["ada@example.com", "ADA@example.com", " ada@EXAMPLE.com ", "ada@example.com\n", "Ada@example.com"]
    {
        assert_eq!(fail(&world, spelling, &at("192.0.2.1")).await, Let::Through);
    }
    assert_eq!(fail(&world, "aDa@example.com", &at("192.0.2.1")).await, Let::Limited(QUARTER / 5));
}

/// 50 failures / 15 min per address of the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_guesses_at_as_many_accounts_are_fifty_hashes() {
    let world = World::new();
    let before = hashes(&world);
    let (through, waits) = storm(&world, STORM, |auth, index| async move {
        try_log_in(&auth, &format!("user{index}@example.com"), wrong(), &at("192.0.2.1")).await
    })
    .await;
    assert_eq!((through, hashes(&world) - before), (50, 50));
    assert_eq!(waits, vec![QUARTER / 50; 150]);
}

/// Log-ins that did not count as failures give their places back, also the 403 of an unverified address.
#[tokio::test]
async fn a_right_password_costs_nothing_verified_or_not() {
    let world = World::with(|policy| policy.limits.log_in_success = None);
    world.user(ADA).await;
    world.register("new@example.com", PASSWORD).await;
    for address in [ADA, "new@example.com"] {
        for _ in 0..120 {
            let answer = world.auth.log_in(address, Password::new(PASSWORD), &at("192.0.2.1")).await;
            assert!(matches!(answer, Ok(_) | Err(LogInError::EmailNotVerified)), "{answer:?}");
        }
    }
}

/// The lesson of allauth 65.8: a good log-in must not clear what others failed at.
#[tokio::test]
async fn a_successful_log_in_releases_only_its_own_permit() {
    let world = World::with(|policy| policy.limits.log_in_success = None);
    world.user(ADA).await;
    world.user("eve@example.com").await;
    let here = at("192.0.2.1");
    for round in 0..5 {
        assert_eq!(fail(&world, ADA, &here).await, Let::Through, "{round}");
        world.auth.log_in("eve@example.com", Password::new(PASSWORD), &here).await.unwrap();
    }
    assert_eq!(fail(&world, ADA, &here).await, Let::Limited(QUARTER / 5), "eve reset ada's");

    let there = at("192.0.2.2");
    for _ in 0..4 {
        assert_eq!(fail(&world, ADA, &there).await, Let::Through);
    }
    world.auth.log_in(ADA, Password::new(PASSWORD), &there).await.unwrap();
    assert_eq!(fail(&world, ADA, &there).await, Let::Through);
    assert_eq!(fail(&world, ADA, &there).await, Let::Limited(QUARTER / 5), "ada reset her own");

    let other = at("192.0.2.3");
    for index in 0..50 {
        assert_eq!(fail(&world, &format!("user{index}@example.com"), &other).await, Let::Through);
        if index < 49 {
            world.auth.log_in("eve@example.com", Password::new(PASSWORD), &other).await.unwrap();
        }
    }
    assert_eq!(fail(&world, "user99@example.com", &other).await, Let::Limited(QUARTER / 50));
}

/// IPv6 counts by /64, IPv4 written as IPv6 as IPv4, and all clients without an address share one bucket.
#[tokio::test]
async fn a_network_is_one_client_and_so_are_all_without_an_address() {
    let pairs = [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("192.0.2.7", "::ffff:192.0.2.7", true),
        ("192.0.2.7", "192.0.2.8", false),
        ("::1", "127.0.0.1", false),
    ];
    for (one, other, same) in pairs {
        let world = World::new();
        for _ in 0..5 {
            assert_eq!(fail(&world, ADA, &at(one)).await, Let::Through);
        }
        assert_eq!(fail(&world, ADA, &at(other)).await != Let::Through, same, "{one} {other}");
    }
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(fail(&world, ADA, &Client::unknown()).await, Let::Through);
    }
    assert_eq!(fail(&world, ADA, &Client::new(None, Some("another"))).await, Let::Limited(QUARTER / 5));
    assert_eq!(fail(&world, ADA, &at("0.0.0.0")).await, Let::Through);
}

/// A customer with a /48 has 65,536 networks of 64 bits.
#[tokio::test]
async fn an_ipv6_48_has_four_times_what_a_client_has() {
    let world = World::new();
    let in_48 = |subnet: usize| at(&format!("2001:db8:7:{subnet:x}::1"));
    for nth in 0..200 {
        let account = format!("user{nth}@example.com");
        assert_eq!(fail(&world, &account, &in_48(nth)).await, Let::Through, "{nth}");
    }
    assert_eq!(fail(&world, "other@example.com", &in_48(999)).await, Let::Limited(QUARTER / 200));
    assert_eq!(fail(&world, "other@example.com", &at("2001:db8:8::1")).await, Let::Through);

    let register = |client: Client, nth: usize| {
        let auth = world.auth.clone();
        async move {
            auth.register(&format!("new{nth}@example.com"), Password::new(PASSWORD), None, &client).await
        }
    };
    for nth in 0..20 {
        register(in_48(nth), nth).await.unwrap();
    }
    assert!(matches!(register(in_48(999), 20).await, Err(RegisterError::RateLimited(_))));
    // Registrations count an IPv4 /24 as well, and log-ins do not.
    for nth in 0..20 {
        register(at(&format!("203.0.113.{nth}")), 100 + nth).await.unwrap();
    }
    assert!(matches!(register(at("203.0.113.99"), 120).await, Err(RegisterError::RateLimited(_))));
    for nth in 0..250 {
        let client = at(&format!("198.51.100.{nth}"));
        assert_eq!(fail(&world, &format!("v4-{nth}@example.com"), &client).await, Let::Through, "{nth}");
    }
}

/// Many providers deliver `ada+tag@` to `ada@`.
#[tokio::test]
async fn tags_of_an_address_share_its_mailbox_limit() {
    let world = World::new();
    let mut mails = 0;
    for nth in 0..10 {
        let address = format!("ada+{nth}@example.com");
        world.register(&address, PASSWORD).await;
        mails += world.mails(&address).await.len();
    }
    assert_eq!(mails, 3);
    world.register("bob+1@example.com", PASSWORD).await;
    assert_eq!(world.mails("bob+1@example.com").await.len(), 1);
}

/// A hundred failures in a row: one attempt per 15 min from all clients, until a success or a reset.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_failures_allow_one_attempt_per_quarter_hour() {
    let world = World::new();
    world.user(ADA).await;
    for _ in 0..100 {
        assert_eq!(fail(&world, ADA, &client()).await, Let::Through);
    }
    let before = hashes(&world);
    let right = || Password::new(PASSWORD);
    assert_eq!(try_log_in(&world.auth, ADA, right(), &client()).await, Let::Limited(QUARTER));
    for _ in 0..30 {
        world.clock.advance(Duration::from_secs(899));
        assert_eq!(
            try_log_in(&world.auth, ADA, right(), &client()).await,
            Let::Limited(Duration::from_secs(1))
        );
        world.wait(1);
        let (through, waits) =
            storm(&world, STORM, |auth, _| async move { try_log_in(&auth, ADA, wrong(), &client()).await })
                .await;
        assert_eq!((through, waits), (1, vec![QUARTER; STORM - 1]));
    }
    assert_eq!(hashes(&world) - before, 30, "refused before hashing");
    world.clock.advance(QUARTER);
    world.log_in(ADA).await;
    for _ in 0..100 {
        assert_eq!(fail(&world, ADA, &client()).await, Let::Through, "the count restarted");
    }
    assert_eq!(fail(&world, ADA, &client()).await, Let::Limited(QUARTER));
}

#[tokio::test]
async fn a_throttled_owner_resets_the_password_and_is_in_at_once() {
    let world = World::new();
    world.user(ADA).await;
    for _ in 0..101 {
        fail(&world, ADA, &client()).await;
    }
    let token = world.reset_token(ADA).await;
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
}

/// A hundred failures of one account throttle no other, known or not.
#[tokio::test]
async fn consecutive_failures_count_for_each_account_alone() {
    let world = World::new();
    for _ in 0..100 {
        assert_eq!(fail(&world, "nobody@example.com", &client()).await, Let::Through);
    }
    assert_eq!(fail(&world, "nobody@example.com", &client()).await, Let::Limited(QUARTER));
    assert_eq!(fail(&world, "nobody2@example.com", &client()).await, Let::Through);
}

/// Wrong current passwords: 5 / 15 min per account and session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_has_five_wrong_current_passwords() {
    let world = World::new();
    world.user(ADA).await;
    let (one, other) = (world.log_in(ADA).await, world.log_in(ADA).await);
    let before = hashes(&world);
    let claims = world.claims(&one);
    let (through, waits) = storm(&world, STORM, |auth, _| {
        let claims = claims.clone();
        async move {
            match auth.change_password(&claims, wrong(), Password::new(OTHER_PASSWORD), &client()).await {
                Err(ChangePasswordError::WrongPassword) => Let::Through,
                Err(ChangePasswordError::RateLimited(limited)) => Let::Limited(limited.retry_after),
                answer => panic!("{answer:?}"),
            }
        }
    })
    .await;
    assert_eq!((through, hashes(&world) - before), (5, 5));
    assert_eq!(waits, vec![QUARTER / 5; 195]);
    let new = || Password::new(OTHER_PASSWORD);
    let refused = world.auth.change_password(&claims, Password::new(PASSWORD), new(), &client()).await;
    assert!(matches!(refused, Err(ChangePasswordError::RateLimited(_))), "the right one too");
    world
        .auth
        .change_password(&world.claims(&other), Password::new(PASSWORD), new(), &client())
        .await
        .unwrap();
}

/// A store that fails says nothing of the password: the place is given back.
#[tokio::test]
async fn a_log_in_that_the_store_failed_is_not_counted() {
    let world = World::new();
    world.user(ADA).await;
    let here = at("192.0.2.1");
    for _ in 0..4 {
        assert_eq!(fail(&world, ADA, &here).await, Let::Through);
    }
    for method in ["find_by_email", "insert_session", "find_sessions_by_user"] {
        world.store.fail_method(method, Fault::ErrorBefore);
        for _ in 0..120 {
            let failed = world.auth.log_in(ADA, Password::new(PASSWORD), &here).await;
            assert!(matches!(failed, Err(LogInError::Failed(Failure::Store(_)))), "{method}");
        }
        world.store.reset();
    }
    assert_eq!(fail(&world, ADA, &here).await, Let::Through);
    assert_eq!(fail(&world, ADA, &here).await, Let::Limited(QUARTER / 5));
}

/// A limiter that cannot count lets nobody through.
#[tokio::test]
async fn without_its_limiter_nothing_is_hashed_and_no_session_begins() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfterCommit] {
        let limiter = Faulty::new(InProcessLimiter::new(Arc::new(FakeClock::default())));
        let world = World::built(|_| {}, |builder| builder.rate_limiter(limiter.clone()));
        let user = world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        let (hashed, calls) = (hashes(&world), world.store.calls().len());
        limiter.fail_every_call(fault);
        let (right, new) = (|| Password::new(PASSWORD), || Password::new(OTHER_PASSWORD));
        macro_rules! failed {
            ($error:ident, $call:expr) => {
                assert!(matches!($call.await, Err($error::Failed(Failure::Store(_)))), stringify!($call))
            };
        }
        failed!(LogInError, world.auth.log_in(ADA, right(), &client()));
        failed!(RegisterError, world.auth.register("new@example.com", right(), None, &client()));
        failed!(ForgotPasswordError, world.auth.forgot_password(ADA, &client()));
        failed!(ResendVerificationError, world.auth.resend_verification(ADA, &client()));
        failed!(VerifyEmailError, world.auth.verify_email("wrong", None, &client()));
        failed!(ResetPasswordError, world.auth.reset_password("wrong", new(), &client()));
        failed!(RefreshError, world.auth.refresh(&text(&tokens), &client()));
        failed!(RefreshError, world.auth.restore(&text(&tokens), &client()));
        assert_eq!((hashes(&world), world.store.calls().len()), (hashed, calls), "nothing was done");
        failed!(
            ChangePasswordError,
            world.auth.change_password(&world.claims(&tokens), right(), new(), &client())
        );
        assert_eq!(hashes(&world), hashed);
        limiter.reset();
        assert_eq!(world.auth.sessions(user.id).await.unwrap().len(), 1);
    }
}

/// Response headers are made of this.
#[tokio::test]
async fn the_caller_sees_every_limit_it_was_counted_against() {
    let world = World::new();
    let listed = |limits: &[LimitStatus]| -> Vec<_> {
        limits.iter().map(|l| (l.limit, l.count, l.window, l.remaining, l.reset_after)).collect()
    };
    let wrong = || Password::new("the wrong password");
    for failures in 1..=5 {
        let here = at("192.0.2.1");
        let (outcome, limits) = world.auth.log_in(ADA, wrong(), &here).with_limits().await;
        assert!(matches!(outcome, Err(LogInError::InvalidCredentials)));
        let expected = [
            (Limit::LogInAccount, 5, QUARTER, 5 - failures, QUARTER / 5 * failures),
            (Limit::LogInClient, 50, QUARTER, 50 - failures, QUARTER / 50 * failures),
        ];
        assert_eq!(listed(&limits), expected);
    }
    let here = at("192.0.2.1");
    let (outcome, limits) = world.auth.log_in(ADA, wrong(), &here).with_limits().await;
    assert!(matches!(outcome, Err(LogInError::RateLimited(limited)) if limited.retry_after == QUARTER / 5));
    assert_eq!(listed(&limits).last(), Some(&(Limit::LogInAccount, 5, QUARTER, 0, QUARTER / 5)));
    let asking = at("192.0.2.1");
    let (outcome, limits) = world.auth.forgot_password(ADA, &asking).with_limits().await;
    outcome.unwrap();
    assert_eq!(
        listed(&limits),
        [(Limit::ForgotClient, 10, HOUR, 9, HOUR / 10)],
        "mailbox limits stay silent"
    );
}
