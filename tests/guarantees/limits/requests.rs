//! Guarantee 11, beyond logging in: the limits of all other operations.

use std::time::Duration;

use auth_core::{
    Auth, ChangeEmailError, ChangePasswordError, ConfirmEmailError, ForgotPasswordError, LogOutError,
    LoggedOut, Password, RefreshError, RefreshPolicy, RegisterError, ResendVerificationError,
    ResetPasswordError, Rule, VerifyEmailError,
};
use auth_tests::{PASSWORD, World, client, race, text};

use super::{ADA, HOUR, Let, QUARTER, STORM, at, hashes, storm};

macro_rules! limited {
    ($error:ident, $call:expr, $through:pat) => {
        match $call.await {
            $through => Let::Through,
            Err($error::RateLimited(limited)) => Let::Limited(limited.retry_after),
            answer => panic!("{answer:?}"),
        }
    };
}

/// The limits per client that are no log-in: exact at once, and one more after the stated wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_client_limit_grants_its_count_to_concurrent_requests() {
    let here = || at("192.0.2.1");
    macro_rules! exact {
        ($count:expr, $window:expr, $error:ident, $through:pat, |$auth:ident, $index:ident| $call:expr) => {{
            let world = World::new();
            let request = |$auth: Auth, $index: usize| async move { limited!($error, $call, $through) };
            let (through, waits) = storm(&world, $count + STORM, request).await;
            assert_eq!(through, $count, stringify!($call));
            assert_eq!(waits, vec![$window / u32::try_from($count).unwrap(); STORM], stringify!($call));
            world.clock.advance($window / u32::try_from($count).unwrap());
            assert_eq!(storm(&world, 20, request).await.0, 1, stringify!($call));
        }};
    }
    let minute = Duration::from_mins(1);
    let (address, fine) = (|n| format!("user{n}@example.com"), || Password::new(PASSWORD));
    exact!(5, HOUR, RegisterError, Ok(()), |a, n| a.register(&address(n), fine(), None, &here()));
    exact!(10, HOUR, ResendVerificationError, Ok(()), |a, n| a.resend_verification(&address(n), &here()));
    exact!(10, HOUR, ForgotPasswordError, Ok(()), |a, n| a.forgot_password(&address(n), &here()));
    exact!(10, QUARTER, VerifyEmailError, Err(VerifyEmailError::InvalidToken), |a, _n| a.verify_email(
        "wrong",
        None,
        &here()
    ));
    exact!(10, QUARTER, ResetPasswordError, Err(ResetPasswordError::InvalidToken), |a, _n| a.reset_password(
        "wrong",
        fine(),
        &here()
    ));
    exact!(10, QUARTER, ConfirmEmailError, Err(ConfirmEmailError::InvalidToken), |a, _n| a
        .confirm_email("wrong", &here()));
    exact!(300, minute, RefreshError, Err(RefreshError::InvalidToken), |a, _n| a.refresh("wrong", &here()));
    exact!(300, minute, RefreshError, Err(RefreshError::InvalidToken), |a, _n| a.restore("wrong", &here()));
    exact!(60, minute, LogOutError, Ok(LoggedOut::NothingToEnd), |a, _n| a.log_out("wrong", &here()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refused_registration_costs_no_hash_and_writes_nothing() {
    let world = World::new();
    let (through, _) = storm(&world, STORM, |auth, index| async move {
        let (address, here) = (format!("user{index}@example.com"), at("192.0.2.1"));
        limited!(RegisterError, auth.register(&address, Password::new(PASSWORD), None, &here), Ok(()))
    })
    .await;
    assert_eq!((through, hashes(&world)), (5, 5));
    assert_eq!(world.store.calls().len(), 15, "three writes each");
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 5);
}

/// 60/min per session for requests with its token, from all addresses together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_is_refreshed_and_restored_sixty_times_a_minute() {
    let world = World::with(|policy| policy.refresh = RefreshPolicy::browser());
    world.user(ADA).await;
    let token = text(&world.log_in(ADA).await);
    let refreshed = storm(&world, STORM, |auth, _| {
        let token = token.clone();
        async move { limited!(RefreshError, auth.refresh(&token, &client()), Ok(_)) }
    });
    assert_eq!(refreshed.await, (60, vec![Duration::from_secs(1); 140]));
    let restored = storm(&world, STORM, |auth, _| {
        let token = token.clone();
        async move { limited!(RefreshError, auth.restore(&token, &client()), Ok(_)) }
    });
    assert_eq!(restored.await, (60, vec![Duration::from_secs(1); 140]));
}

#[tokio::test]
async fn a_forged_token_does_not_consume_the_sessions_limit() {
    let world = World::with(|policy| policy.refresh = RefreshPolicy::browser());
    world.user(ADA).await;
    let token = text(&world.log_in(ADA).await);
    let forged = format!("{}.{}", token.split('.').next().unwrap(), "A".repeat(43));
    for _ in 0..100 {
        assert!(matches!(world.auth.refresh(&forged, &client()).await, Err(RefreshError::InvalidToken)));
        assert!(matches!(world.auth.restore(&forged, &client()).await, Err(RefreshError::InvalidToken)));
    }
    for _ in 0..60 {
        world.auth.refresh(&token, &client()).await.unwrap();
        world.auth.restore(&token, &client()).await.unwrap();
    }
}

/// 10/h per client for requests, 3/h per mailbox for mails; the latter silently.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_of_address_is_limited_per_client_and_mailbox() {
    // Right passwords take a place in this one as long as they are hashed.
    let world = World::with(|policy| policy.limits.change_password = None);
    world.user(ADA).await;
    let claims = world.claims(&world.log_in(ADA).await);
    let before = hashes(&world);
    let asked = storm(&world, STORM, |auth, index| {
        let (claims, address) = (claims.clone(), format!("new{index}@example.com"));
        async move {
            let right = Password::new(PASSWORD);
            limited!(ChangeEmailError, auth.change_email(&claims, &address, right, &at("192.0.2.1")), Ok(()))
        }
    });
    assert_eq!(asked.await, (10, vec![HOUR / 10; 190]));
    assert_eq!(hashes(&world) - before, 10, "refused before hashing");
    assert_eq!(world.auth.deliver_due_mails().await.unwrap().sent, 10);
    let answers = race(20, |_| {
        let (auth, claims) = (world.auth.clone(), claims.clone());
        async move { auth.change_email(&claims, "new@example.com", Password::new(PASSWORD), &client()).await }
    });
    assert!(answers.await.into_iter().all(|answer| answer.is_ok()), "no answer shows it");
    assert_eq!(world.auth.deliver_due_mails().await.unwrap().sent, 3);
}

/// Five tries at the current password, not five for each thing that asks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wrong_current_passwords_share_one_limit_across_operations() {
    let world = World::new();
    world.user(ADA).await;
    let claims = world.claims(&world.log_in(ADA).await);
    let before = hashes(&world);
    let (through, _) = storm(&world, STORM, |auth, index| {
        let claims = claims.clone();
        async move {
            let (wrong, new) = (Password::new("wrong password"), Password::new("another fine one"));
            if index % 2 == 0 {
                limited!(
                    ChangeEmailError,
                    auth.change_email(&claims, "new@example.com", wrong, &client()),
                    Err(ChangeEmailError::WrongPassword)
                )
            } else {
                limited!(
                    ChangePasswordError,
                    auth.change_password(&claims, wrong, new, &client()),
                    Err(ChangePasswordError::WrongPassword)
                )
            }
        }
    })
    .await;
    assert_eq!((through, hashes(&world) - before), (5, 5));
}

/// A right one is no guess: it counts against what it was asked for, and nothing else.
#[tokio::test]
async fn a_correct_password_releases_only_the_password_limit() {
    let world = World::with(|policy| {
        policy.limits.change_password = Some(Rule::Quota { count: 1, window: HOUR });
        policy.limits.change_email_client = Some(Rule::Quota { count: 2, window: HOUR });
    });
    world.user(ADA).await;
    let claims = world.claims(&world.log_in(ADA).await);
    let here = at("192.0.2.1");
    let change = |right| world.auth.change_email(&claims, "new@example.com", right, &here);
    for _ in 0..2 {
        change(Password::new(PASSWORD)).await.unwrap();
    }
    let third = change(Password::new(PASSWORD)).await;
    assert!(
        matches!(third, Err(ChangeEmailError::RateLimited(limited)) if limited.retry_after == HOUR / 2),
        "{third:?}"
    );
}

/// 3 mails/h per mailbox and purpose, silently, for known and unknown mailboxes alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_mailbox_limit_silently_drops_the_fourth_mail_in_an_hour() {
    let world = World::new();
    world.user("taken@example.com").await;
    for address in ["new@example.com", "taken@example.com", "nobody@example.com"] {
        let inserts = ["insert_intent", "insert_user"];
        let inserted =
            |world: &World| world.store.calls().iter().filter(|call| inserts.contains(call)).count();
        macro_rules! silent {
            ($writes:expr, |$auth:ident| $call:expr) => {{
                world.auth.deliver_due_mails().await.unwrap();
                world.store.reset();
                let answers = race(20, |_| {
                    let $auth = world.auth.clone();
                    async move { $call.await.is_ok() }
                });
                assert!(answers.await.into_iter().all(|ok| ok), "{address}");
                assert_eq!(inserted(&world), $writes, "{address}");
            }};
        }
        if address != "nobody@example.com" {
            world.clock.advance(HOUR);
            // An intent and a user for each.
            silent!(6, |auth| auth.register(address, Password::new(PASSWORD), None, &client()));
        }
        silent!(3, |auth| auth.forgot_password(address, &client()));
        silent!(3, |auth| auth.resend_verification(address, &client()));
        world.clock.advance(HOUR / 3);
        silent!(1, |auth| auth.forgot_password(address, &client()));
    }
    let events = world.events.kinds();
    let silenced = |name| events.iter().filter(|kind| format!("{kind:?}").contains(name)).count();
    assert_eq!(silenced("ForgotMailbox"), 3 * (17 + 19), "the operator gets events");
}
