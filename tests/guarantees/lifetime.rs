//! Guarantee 7: nothing lives past its absolute expiry.

use std::time::Duration;

use auth_core::{
    Auth, Clock, KeyRing, LiveCheck, MailErrorKind, Message, Password, RefreshError, RefreshPolicy,
    ResetPasswordError, RootSecret, SessionTokens, SigningKey, VerifyEmailError, VerifyingKey,
};
use auth_tests::{OTHER_PASSWORD, PASSWORD, SECRET, World, client, text};
use chrono::{DateTime, Datelike as _, SubsecRound, TimeDelta, Utc};

const ADA: &str = "ada@example.com";
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MICRO: TimeDelta = TimeDelta::microseconds(1);

fn unlimited(policy: &mut auth_core::Policy) {
    policy.limits = auth_core::RateLimits::none();
}

fn world() -> World {
    World::with(unlimited)
}

async fn refresh(world: &World, token: &str) -> Result<SessionTokens, RefreshError> {
    world.auth.refresh(token, &client()).await
}

/// At this time the session lives, as far as refresh tokens are concerned.
async fn assert_lives_until(world: &World, tokens: &SessionTokens, end: DateTime<Utc>) {
    world.clock.set(end - MICRO);
    world.auth.restore(&text(tokens), &client()).await.unwrap();
    assert_eq!(world.auth.sessions(tokens.user.id).await.unwrap().len(), 1);
    world.clock.set(end);
    for _ in 0..2 {
        assert!(matches!(refresh(world, &text(tokens)).await, Err(RefreshError::InvalidToken)));
        assert!(world.auth.restore(&text(tokens), &client()).await.is_err());
        assert_eq!(world.auth.sessions(tokens.user.id).await.unwrap().len(), 0);
        world.wait(1);
    }
}

#[tokio::test]
async fn only_a_rotation_extends_an_idle_session() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    assert_eq!(tokens.refresh_expires_in, 7 * DAY);
    assert_eq!(tokens.session.idle_expires_at, world.clock.now() + 7 * DAY);
    for _ in 0..6 {
        world.clock.advance(DAY);
        world.auth.restore(&text(&tokens), &client()).await.unwrap();
        let access = world.auth.restore(&text(&tokens), &client()).await.unwrap().access_token;
        world.auth.authenticate_live(access.expose(), LiveCheck::UserAndSession).await.unwrap();
    }
    assert_lives_until(&world, &tokens, tokens.session.idle_expires_at).await;
    // A refresh at the last moment lives, and begins another week.
    let tokens = world.log_in(ADA).await;
    world.clock.set(tokens.session.idle_expires_at - MICRO);
    let child = refresh(&world, &text(&tokens)).await.unwrap();
    assert_lives_until(&world, &child, tokens.session.idle_expires_at - MICRO + 7 * DAY).await;
}

#[tokio::test]
async fn hourly_refreshes_end_at_the_absolute_lifetime() {
    for browser in [false, true] {
        let world = World::with(|policy| {
            policy.limits = auth_core::RateLimits::none();
            if browser {
                policy.refresh = RefreshPolicy::browser();
            }
        });
        world.user(ADA).await;
        let (begun, mut tokens) = (world.clock.now(), world.log_in(ADA).await);
        let end = tokens.session.expires_at;
        assert_eq!(end, (begun + 30 * DAY).trunc_subsecs(0));
        let mut refreshed = 0;
        for _ in 0..40 * 24 {
            world.clock.advance(HOUR);
            match refresh(&world, &text(&tokens)).await {
                Ok(child) => {
                    assert!(world.clock.now() < end);
                    assert_eq!(child.session.expires_at, end, "never moves");
                    assert!(child.session.idle_expires_at <= end);
                    assert!(world.claims(&child).expires_at <= end);
                    let left = (end - world.clock.now()).to_std().unwrap();
                    assert_eq!(child.refresh_expires_in, left.min(7 * DAY));
                    (refreshed, tokens) = (refreshed + 1, child);
                }
                Err(RefreshError::InvalidToken) => assert!(world.clock.now() >= end),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(refreshed, 30 * 24 - 1);
        world.clock.set(end - MICRO);
        let last = refresh(&world, &text(&tokens)).await.unwrap();
        assert_lives_until(&world, &last, end).await;
    }
}

/// Within the leeway and the minimum age tokens are answered without a write: not past the end.
#[tokio::test]
async fn neither_leeway_nor_minimum_age_outlives_the_session() {
    for (before_end, rotate) in [(5, false), (5, true), (30, true)] {
        let world = World::with(|policy| policy.refresh = RefreshPolicy::browser());
        world.user(ADA).await;
        let mut parent = world.log_in(ADA).await;
        let end = parent.session.expires_at;
        for _ in 0..5 {
            world.clock.advance(143 * HOUR);
            parent = refresh(&world, &text(&parent)).await.unwrap();
        }
        world.clock.set(end - TimeDelta::seconds(before_end));
        let newest = if rotate { refresh(&world, &text(&parent)).await.unwrap() } else { parent.clone() };
        world.clock.set(end - MICRO);
        let last = refresh(&world, &text(&newest)).await.unwrap();
        assert!(last.session.expires_at == end && world.claims(&last).expires_at <= end);
        world.clock.set(end);
        for tokens in [&parent, &newest] {
            assert!(refresh(&world, &text(tokens)).await.is_err());
        }
        assert_eq!(world.events.count("authn_token_reuse"), 0);
    }
}

#[tokio::test]
async fn an_access_token_never_outlives_its_session() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let (token, claims) = (tokens.access_token.expose(), world.claims(&tokens));
    assert_eq!(claims.expires_at, world.clock.now().trunc_subsecs(0) + Duration::from_mins(15));
    assert_eq!(tokens.expires_in, Duration::from_mins(15));
    world.clock.set(claims.expires_at - MICRO);
    assert!(world.auth.authenticate(token).is_ok());
    world.clock.set(claims.expires_at);
    assert!(world.auth.authenticate(token).is_err());
    for check in [LiveCheck::UserAndSession, LiveCheck::User, LiveCheck::CachedUser] {
        assert!(world.auth.authenticate_live(token, check).await.is_err());
    }
    // Any number of seconds before the end of the session, down to the last microsecond.
    let mut newest = tokens;
    for _ in 0..4 {
        world.clock.advance(6 * DAY);
        newest = refresh(&world, &text(&newest)).await.unwrap();
    }
    let end = newest.session.expires_at;
    for left in [901 * 1_000_000, 900_000_001, 900_000_000, 899_999_999, 1_000_001, 1_000_000, 999_999, 1] {
        world.clock.set(end - TimeDelta::microseconds(left));
        let restored = world.auth.restore(&text(&newest), &client()).await.unwrap();
        newest = refresh(&world, &text(&newest)).await.unwrap();
        for (access, expires_in) in
            [(restored.access_token, restored.expires_in), (newest.access_token.clone(), newest.expires_in)]
        {
            let claims = world.auth.authenticate(access.expose()).unwrap();
            assert!(claims.expires_at <= end, "{left} us before the end");
            assert_eq!(claims.issued_at + expires_in, claims.expires_at);
        }
    }
    world.clock.set(end);
    assert!(world.auth.authenticate(newest.access_token.expose()).is_err());
}

/// An access token of an idle session passes the session check no longer than the session.
#[tokio::test]
async fn the_session_check_refuses_after_the_idle_lifetime() {
    let world = World::with(|policy| policy.refresh.refresh_lifetime = Duration::from_mins(5));
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    world.clock.set(tokens.session.idle_expires_at - MICRO);
    assert!(world.lives(&tokens).await);
    world.clock.set(tokens.session.idle_expires_at);
    let token = tokens.access_token.expose();
    assert!(world.auth.authenticate_live(token, LiveCheck::UserAndSession).await.is_err());
}

#[tokio::test]
async fn resending_a_link_does_not_extend_its_lifetime() {
    for (reset, lifetime) in [(false, Duration::from_mins(30)), (true, Duration::from_mins(15))] {
        for in_time in [true, false] {
            let world = world();
            if reset {
                world.user(ADA).await;
            } else {
                world.register(ADA, OTHER_PASSWORD).await;
            }
            // Enqueued, first sent 100 s later, and the mailer does not know whether it was sent.
            if reset {
                world.auth.forgot_password(ADA, &client()).await.unwrap();
            }
            world.wait(100);
            world.mailbox.fail_next(6, MailErrorKind::Unknown);
            let (first_sent, before) = (world.clock.now(), world.mailbox.mails().len());
            for _ in 0..12 {
                world.auth.deliver_due_mails().await.unwrap();
                world.wait(60);
            }
            let mails = world.mailbox.mails().split_off(before);
            assert!(mails.len() > 2, "sent again and again");
            for mail in &mails {
                let (Message::VerifyEmail { expires_at, .. } | Message::ResetPassword { expires_at, .. }) =
                    mail.message
                else {
                    panic!("no link")
                };
                assert_eq!(expires_at, first_sent + lifetime, "what the mail says");
            }
            let token = if reset { newest_reset(&world) } else { world.verification_token(ADA).await };
            world.clock.set(first_sent + lifetime - if in_time { MICRO } else { TimeDelta::zero() });
            let opened = if reset {
                let answer =
                    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await;
                assert!(matches!(answer, Ok(()) | Err(ResetPasswordError::InvalidToken)));
                answer.is_ok()
            } else {
                let answer = world.auth.verify_email(&token, None, &client()).await;
                assert!(matches!(answer, Ok(()) | Err(VerifyEmailError::InvalidToken)));
                answer.is_ok()
            };
            assert_eq!(opened, in_time);
        }
    }
}

fn newest_reset(world: &World) -> String {
    let mails = world.mailbox.mails();
    let token = mails.iter().rev().find_map(|mail| match &mail.message {
        Message::ResetPassword { token, .. } => Some(token.expose().to_string()),
        _ => None,
    });
    token.unwrap()
}

/// A service with another signer that still accepts the first one's tokens until `retires_at`, and refresh
/// tokens of these previous root secrets.
fn successor(world: &World, root: &str, retires_at: DateTime<Utc>, previous: &[&str]) -> Auth {
    let signer = SigningKey::hs256("y3Tn8Kq5Wz1Rb7Vd9Xm2Lc6Hf4Jp0GsQ").unwrap();
    let old = VerifyingKey::hs256(SECRET).unwrap().until(retires_at);
    Auth::builder(world.store.clone(), world.mailbox.clone())
        .clock(world.clock.clone())
        .root_secret(RootSecret::new(root).unwrap())
        .previous_root_secrets(previous.iter().map(|secret| RootSecret::new(secret).unwrap()))
        .key_ring(KeyRing::new(signer).also_verify(old).unwrap())
        .policy(world.auth.policy().clone())
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_key_counts_until_the_microsecond_of_its_retirement() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let retires_at = world.clock.now() + Duration::from_mins(5);
    let successor = successor(&world, SECRET, retires_at, &[]);
    world.clock.set(retires_at - MICRO);
    assert!(successor.authenticate(tokens.access_token.expose()).is_ok());
    world.clock.set(retires_at);
    assert!(successor.authenticate(tokens.access_token.expose()).is_err());
    assert!(world.auth.authenticate(tokens.access_token.expose()).is_ok(), "the old service still would");
    // The session itself continues, under the new key.
    let renewed = successor.refresh(&text(&tokens), &client()).await.unwrap();
    assert!(successor.authenticate(renewed.access_token.expose()).is_ok());
    assert!(world.auth.authenticate(renewed.access_token.expose()).is_err());
}

const NEW_ROOT: &str = "w5Ys9Gk2Qn7Zb4Tc1Xr8Vd3Lm6Hp0JfA";

/// With the old secret given as a previous one. A process with the new secret and one without it answer a
/// parent with the same child.
#[tokio::test]
async fn a_new_root_secret_ends_neither_sessions_nor_links() {
    let world = world();
    world.user(ADA).await;
    let consumed = world.log_in(ADA).await;
    let newest = refresh(&world, &text(&consumed)).await.unwrap();
    let link = world.reset_token(ADA).await;
    let successor = successor(&world, NEW_ROOT, DateTime::<Utc>::MAX_UTC, &[SECRET]);
    let child = successor.refresh(&text(&newest), &client()).await.unwrap();
    let grandchild = refresh(&world, &text(&child)).await.unwrap();
    successor.refresh(&text(&grandchild), &client()).await.unwrap();
    assert!(world.auth.refresh(&text(&consumed), &client()).await.is_err());
    assert_eq!(world.events.count("authn_token_reuse"), 1, "an old generation is still recognised");
    assert!(successor.refresh(&text(&grandchild), &client()).await.is_err(), "reuse ended the session");
    let other = world.log_in(ADA).await;
    successor.reset_password(&link, Password::new(OTHER_PASSWORD), &client()).await.unwrap_err();
    let link = world.reset_token(ADA).await;
    successor.refresh(&text(&other), &client()).await.unwrap();
    successor.reset_password(&link, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
}

/// Processes are replaced one by one: those that are not replaced yet know the next secret.
#[tokio::test]
async fn a_process_that_knows_the_next_root_secret_accepts_it() {
    let world = world();
    world.user(ADA).await;
    let before = successor(&world, SECRET, DateTime::<Utc>::MAX_UTC, &[NEW_ROOT]);
    let after = successor(&world, NEW_ROOT, DateTime::<Utc>::MAX_UTC, &[SECRET]);
    for (begins, other) in [(&before, &after), (&after, &before)] {
        let mut tokens = begins.log_in(ADA, Password::new(PASSWORD), &client()).await.unwrap();
        for process in [other, begins, other] {
            tokens = process.refresh(&text(&tokens), &client()).await.unwrap();
        }
    }
    assert_eq!(world.events.count("authn_token_reuse"), 0);
}

#[tokio::test]
async fn a_root_secret_that_is_gone_refuses_tokens_and_ends_nothing() {
    let world = world();
    world.user(ADA).await;
    let consumed = world.log_in(ADA).await;
    let newest = refresh(&world, &text(&consumed)).await.unwrap();
    let successor = successor(&world, NEW_ROOT, DateTime::<Utc>::MAX_UTC, &[]);
    for tokens in [&consumed, &newest] {
        assert!(successor.refresh(&text(tokens), &client()).await.is_err());
    }
    assert_eq!(world.events.count("authn_token_reuse"), 0);
    refresh(&world, &text(&newest)).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_goes_back_extends_no_stored_expiry() {
    let world = world();
    world.user(ADA).await;
    let start = world.clock.now();
    let tokens = world.log_in(ADA).await;
    let end = tokens.session.expires_at;
    world.clock.set(end);
    assert!(refresh(&world, &text(&tokens)).await.is_err());
    // Ten years back the session is young again, and rotates; it still ends where it always did.
    world.clock.rewind(3650 * DAY);
    let mut child = refresh(&world, &text(&tokens)).await.unwrap();
    assert_eq!(child.session.expires_at, end);
    assert!(world.auth.authenticate(child.access_token.expose()).is_ok(), "a client is not locked out");
    assert!(world.claims(&child).authenticated_at <= world.clock.now());
    assert!(child.session.idle_expires_at < start);
    world.clock.set(child.session.idle_expires_at - MICRO);
    child = refresh(&world, &text(&child)).await.unwrap();
    world.clock.set(child.session.idle_expires_at);
    assert!(refresh(&world, &text(&child)).await.is_err());
    world.clock.set(end);
    assert!(refresh(&world, &text(&child)).await.is_err());
    let kept = world.store.inner().find_session(tokens.session.id).await.unwrap().unwrap();
    assert_eq!(kept.expires_at, end);
}

#[tokio::test]
async fn no_time_of_the_clock_panics_any_flow() {
    let years = |years: i64| TimeDelta::days(365 * years);
    let start = World::new().clock.now();
    for at in [
        DateTime::<Utc>::MIN_UTC,
        DateTime::<Utc>::UNIX_EPOCH - MICRO,
        DateTime::<Utc>::UNIX_EPOCH,
        start - years(50),
        start + years(100),
        start + years(8000),
        DateTime::<Utc>::MAX_UTC,
    ] {
        // MySQL keeps years of four digits, and refuses others.
        let everywhere = (0..10_000).contains(&at.year());
        let world = if everywhere { world() } else { World::in_memory(unlimited) };
        world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        let link = world.reset_token(ADA).await;
        world.clock.set(at);
        let later = at > start;
        assert_eq!(refresh(&world, &text(&tokens)).await.is_ok(), !later, "{at}");
        assert!(world.auth.authenticate(tokens.access_token.expose()).is_err(), "{at}");
        let _new = world.auth.log_in(ADA, Password::new(PASSWORD), &client()).await;
        world.auth.register("bob@example.com", Password::new(PASSWORD), None, &client()).await.unwrap();
        world.auth.forgot_password(ADA, &client()).await.unwrap();
        world.auth.resend_verification("bob@example.com", &client()).await.unwrap();
        world.auth.deliver_due_mails().await.unwrap();
        let opened = world.auth.reset_password(&link, Password::new(OTHER_PASSWORD), &client()).await;
        assert_eq!(opened.is_ok(), !later, "{at}");
        world.auth.clean_up().await.unwrap();
        let _list = world.auth.sessions(tokens.user.id).await.unwrap();
    }
}
