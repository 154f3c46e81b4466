//! Guarantee 5: a reset is a barrier. No session from before it lives, no log-in with the old password
//! commits after it, no rehash overwrites the new hash. A change of password is the same barrier.

use std::time::Duration;

use async_trait::async_trait;
use auth_core::{
    BreachCheck, BreachCheckError, BreachPolicy, ChangePasswordError, LogInError, Message, Password,
    PasswordError, RefreshError, ResetPasswordError, Rule, VerifyEmailError,
};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, run_until, text};

const ADA: &str = "ada@example.com";
const THIRD_PASSWORD: &str = "eleven muddy lanterns";

async fn reset(world: &World, token: &str) -> Result<(), ResetPasswordError> {
    world.auth.reset_password(token, Password::new(OTHER_PASSWORD), &client()).await
}

async fn works(world: &World, password: &str) -> bool {
    match world.auth.log_in(ADA, Password::new(password), &client()).await {
        Ok(_) => true,
        Err(LogInError::InvalidCredentials) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn notices(world: &World) -> usize {
    let mails = world.mails(ADA).await;
    mails.iter().filter(|mail| matches!(mail.message, Message::PasswordChanged { .. })).count()
}

#[tokio::test]
async fn no_session_from_before_a_reset_is_accepted() {
    let world = World::with(|policy| policy.live_cache = Duration::from_secs(5));
    let user = world.user(ADA).await;
    let consumed = world.log_in(ADA).await;
    let rotated = world.auth.refresh(&text(&consumed), &client()).await.unwrap();
    let other_device = world.log_in(ADA).await;
    for tokens in [&rotated, &other_device] {
        assert!(world.lives(tokens).await);
    }
    let claims = world.claims(&rotated);
    reset(&world, &world.reset_token(ADA).await).await.unwrap();
    for tokens in [&consumed, &rotated, &other_device] {
        assert!(!world.lives(tokens).await);
        let refreshed = world.auth.refresh(&text(tokens), &client()).await;
        assert!(matches!(refreshed, Err(RefreshError::InvalidToken)));
    }
    let (old, new) = (Password::new(OTHER_PASSWORD), Password::new(THIRD_PASSWORD));
    let changed = world.auth.change_password(&claims, old, new, &client()).await;
    assert!(matches!(changed, Err(ChangePasswordError::SessionEnded)));
    assert_eq!(world.auth.sessions(user.id).await.unwrap().len(), 0, "and it logged nobody in");
    assert_eq!(world.events.count("authn_token_reuse"), 0, "an ended session's token is not reuse");
    assert!(works(&world, OTHER_PASSWORD).await && !works(&world, PASSWORD).await);
}

#[tokio::test]
async fn a_log_in_overtaken_by_a_reset_gets_no_session() {
    for at in ["insert_session", "find_sessions_by_user"] {
        let world = World::with(|policy| policy.refresh.max_sessions_per_user = 1.try_into().unwrap());
        world.user(ADA).await;
        let token = world.reset_token(ADA).await;
        let auth = world.auth.clone();
        let log_in = async move { auth.log_in(ADA, Password::new(PASSWORD), &client()).await };
        let log_in = world.hold_before(at, log_in).await;
        reset(&world, &token).await.unwrap();
        let newer = world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
        world.store.release();
        let stale = log_in.await.unwrap().unwrap();
        assert!(!world.lives(&stale).await, "held before {at}");
        assert!(world.auth.refresh(&text(&stale), &client()).await.is_err());
        assert!(world.lives(&newer).await, "held before {at}");
    }
}

#[tokio::test]
async fn a_refresh_in_flight_during_a_reset_is_dead_on_arrival() {
    for at in ["find_session_and_user", "rotate"] {
        let world = World::new();
        world.user(ADA).await;
        let parent = world.log_in(ADA).await;
        let token = world.reset_token(ADA).await;
        let (auth, parent) = (world.auth.clone(), text(&parent));
        let refresh = world.hold_before(at, async move { auth.refresh(&parent, &client()).await }).await;
        reset(&world, &token).await.unwrap();
        world.store.release();
        match refresh.await.unwrap() {
            Ok(child) => assert!(!world.lives(&child).await),
            Err(error) => assert!(matches!(error, RefreshError::InvalidToken)),
        }
        assert_eq!(world.events.count("authn_token_reuse"), 0);
    }
}

/// The replay was decided before the reset; its kill must not reach what began after it.
#[tokio::test]
async fn a_replay_overtaken_by_a_reset_ends_no_newer_session() {
    for at in ["insert_intent", "advance_epoch"] {
        let world = World::new();
        world.user(ADA).await;
        let stolen = world.log_in(ADA).await;
        world.auth.refresh(&text(&stolen), &client()).await.unwrap();
        let token = world.reset_token(ADA).await;
        let (auth, stolen) = (world.auth.clone(), text(&stolen));
        let replay = world.hold_before(at, async move { auth.refresh(&stolen, &client()).await }).await;
        reset(&world, &token).await.unwrap();
        let newer = world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
        world.store.release();
        assert!(matches!(replay.await.unwrap(), Err(RefreshError::InvalidToken)));
        assert!(world.lives(&newer).await, "held before {at}");
    }
}

#[tokio::test]
async fn no_rehash_overwrites_the_password_of_a_reset() {
    let world = World::new();
    let upgraded = world.process_with(world.mailbox.clone(), |policy| policy.hashing.memory_kib = 128);
    let user = world.user(ADA).await;
    let token = world.reset_token(ADA).await;
    let auth = upgraded.auth.clone();
    let log_in = async move { auth.log_in(ADA, Password::new(PASSWORD), &client()).await };
    let log_in = world.hold_before("rehash_password", log_in).await;
    reset(&world, &token).await.unwrap();
    let set = world.auth.user(user.id).await.unwrap().password_hash.unwrap();
    world.store.release();
    if let Ok(stale) = log_in.await.unwrap() {
        assert!(!world.lives(&stale).await);
    }
    let kept = world.auth.user(user.id).await.unwrap().password_hash.unwrap();
    assert_eq!(kept.expose(), set.expose());
    assert!(works(&world, OTHER_PASSWORD).await && !works(&world, PASSWORD).await);
    // Without a reset in between, the same log-in does upgrade the hash.
    upgraded.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    let kept = world.auth.user(user.id).await.unwrap().password_hash.unwrap();
    assert_ne!(kept.expose(), set.expose());
}

#[tokio::test]
async fn of_a_reset_and_a_change_in_flight_the_second_to_write_loses() {
    for reset_is_late in [false, true] {
        let world = World::new();
        world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        let token = world.reset_token(ADA).await;
        let (auth, claims) = (world.auth.clone(), world.claims(&tokens));
        let change = async move {
            let (old, new) = (Password::new(PASSWORD), Password::new(THIRD_PASSWORD));
            auth.change_password(&claims, old, new, &client()).await
        };
        let (late, winner, loser) = if reset_is_late {
            let world = world.clone();
            let held = {
                let w = world.clone();
                async move { reset(&w, &token).await.is_ok() }
            };
            let held = world.hold_before("set_password", held).await;
            change.await.unwrap();
            (held, THIRD_PASSWORD, OTHER_PASSWORD)
        } else {
            let held = world.hold_before("set_password", async move { change.await.is_ok() }).await;
            reset(&world, &token).await.unwrap();
            (held, OTHER_PASSWORD, THIRD_PASSWORD)
        };
        world.store.release();
        assert!(!late.await.unwrap(), "the late write lost");
        assert!(works(&world, winner).await && !works(&world, loser).await);
    }
}

/// The address is contested: the attacker's attempt waits in a mailed link when its owner resets.
#[tokio::test]
async fn a_verification_in_flight_during_a_reset_activates_nothing() {
    let world = World::new();
    world.register(ADA, PASSWORD).await;
    world.verification_token(ADA).await;
    world.register(ADA, THIRD_PASSWORD).await;
    let rival = world.verification_token(ADA).await;
    let token = world.reset_token(ADA).await;
    let auth = world.auth.clone();
    let verify = async move { auth.verify_email(&rival, None, &client()).await };
    let verify = world.hold_before("verify_email", verify).await;
    reset(&world, &token).await.unwrap();
    world.store.release();
    assert!(matches!(verify.await.unwrap(), Err(VerifyEmailError::InvalidToken)));
    assert!(works(&world, OTHER_PASSWORD).await);
    assert!(!works(&world, PASSWORD).await && !works(&world, THIRD_PASSWORD).await);
}

#[tokio::test]
async fn a_reset_verifies_the_address_and_ends_all_other_links() {
    let world = World::with(|policy| policy.limits.register_mailbox = None);
    world.register(ADA, PASSWORD).await;
    let first = world.verification_token(ADA).await;
    world.register(ADA, THIRD_PASSWORD).await;
    let rival = world.verification_token(ADA).await;
    assert_ne!(first, rival);
    let (other_reset, token) = (world.reset_token(ADA).await, world.reset_token(ADA).await);
    reset(&world, &token).await.unwrap();
    let tokens = world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    assert!(tokens.user.email_verified() && tokens.user.contested_at.is_none());
    for link in [&first, &rival] {
        let verified = world.auth.verify_email(link, None, &client()).await;
        assert!(matches!(verified, Err(VerifyEmailError::InvalidToken)));
    }
    for link in [&other_reset, &token] {
        assert!(matches!(reset(&world, link).await, Err(ResetPasswordError::InvalidToken)));
    }
    assert!(world.lives(&tokens).await);
    assert_eq!(notices(&world).await, 1);
}

/// Knows that one password was breached, or is down.
#[derive(Debug)]
struct Breaches(bool);

const BREACHED: &str = "violet tractors hum softly";

#[async_trait]
impl BreachCheck for Breaches {
    async fn suffixes(&self, prefix: &str) -> Result<String, BreachCheckError> {
        match (self.0, prefix) {
            (true, "1BCE4") => Ok("AA4EF65A5CF4D75BD9DF2C2A7C5FBD133D2:7".to_owned()),
            (true, _) => Ok(String::new()),
            (false, _) => Err(BreachCheckError::new("down")),
        }
    }
}

#[tokio::test]
async fn a_refused_new_password_does_not_spend_the_link() {
    let world = World::built(
        |policy| {
            policy.password.site_words = vec!["acme".to_owned()];
            policy.limits.reset_client = None;
        },
        |builder| builder.breach_check(Breaches(true)),
    );
    world.user("lovelace@example.com").await;
    let token = world.reset_token("lovelace@example.com").await;
    let too_long = "x".repeat(1025);
    for refused in ["short", "password1", "Acme-2024!", "lovelace1815", BREACHED, &too_long] {
        let answer = world.auth.reset_password(&token, Password::new(refused), &client()).await;
        assert!(matches!(answer, Err(ResetPasswordError::Password(_))), "{refused}: {answer:?}");
    }
    let answer = world.auth.reset_password(&token, Password::new(BREACHED), &client()).await;
    assert!(matches!(answer, Err(ResetPasswordError::Password(PasswordError::Breached))));
    reset(&world, &token).await.unwrap();
}

#[tokio::test]
async fn a_required_breach_check_that_is_down_spends_no_link() {
    let world = World::built(
        |policy| policy.password.breach = BreachPolicy::FailClosed,
        |builder| builder.breach_check(Breaches(false)),
    );
    let healthy = world.another_process();
    healthy.user(ADA).await;
    let token = healthy.reset_token(ADA).await;
    assert!(matches!(reset(&world, &token).await, Err(ResetPasswordError::Failed(_))));
    assert!(works(&world, PASSWORD).await);
    reset(&healthy, &token).await.unwrap();
}

#[tokio::test]
async fn a_reset_or_change_without_its_notice_changes_nothing() {
    let world = World::new();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let token = world.reset_token(ADA).await;
    world.store.fail_method("insert_intent", Fault::ErrorBefore);
    assert!(matches!(reset(&world, &token).await, Err(ResetPasswordError::Failed(_))));
    let (old, new) = (Password::new(PASSWORD), Password::new(THIRD_PASSWORD));
    let changed = world.auth.change_password(&world.claims(&tokens), old, new, &client()).await;
    assert!(matches!(changed, Err(ChangePasswordError::Failed(_))));
    assert!(!world.store.calls().contains(&"set_password"));
    world.store.reset();
    assert!(world.lives(&tokens).await && works(&world, PASSWORD).await);
    reset(&world, &token).await.unwrap();
}

/// If a reset ends at any of its calls, it took place whole or not at all, and in the
/// second case the link still works.
#[tokio::test]
async fn a_crash_leaves_a_reset_whole_or_repeatable() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfterCommit, Fault::Panic, Fault::Hang] {
        for call in 0.. {
            let world = World::new();
            world.user(ADA).await;
            world.wait(60);
            let tokens = world.log_in(ADA).await;
            let token = world.reset_token(ADA).await;
            world.store.reset();
            world.store.fail_call(call, fault);
            let work = {
                let (w, token) = (world.clone(), token.clone());
                async move { reset(&w, &token).await }
            };
            let work = tokio::spawn(work);
            // A hanging call is a client that goes away: its flow is dropped there.
            let hangs = || fault == Fault::Hang && world.store.calls().len() > call;
            run_until("it has died", || work.is_finished() || hangs()).await;
            work.abort();
            let answer = work.await;
            let calls = world.store.calls();
            if calls.len() <= call {
                break;
            }
            world.store.reset();
            let (old, new) = (works(&world, PASSWORD).await, works(&world, OTHER_PASSWORD).await);
            assert!(old != new, "one password works: {fault:?} at {call} of {calls:?}");
            assert_eq!(world.lives(&tokens).await, old, "{fault:?} at {call} of {calls:?}");
            assert_eq!(notices(&world).await, usize::from(new), "{fault:?} at {call} of {calls:?}");
            assert!(!matches!(answer, Ok(Ok(()))) || new, "success was success was reported too early");
            assert_eq!(reset(&world, &token).await.is_ok(), old, "{fault:?} at {call} of {calls:?}");
            assert!(works(&world, OTHER_PASSWORD).await && !works(&world, PASSWORD).await);
        }
    }
}

#[tokio::test]
async fn a_reset_ends_the_consecutive_failures() {
    let world = World::with(|policy| {
        policy.limits.log_in_account = None;
        let then_every = Duration::from_mins(15);
        policy.limits.log_in_consecutive_failures =
            Some(Rule::ConsecutiveFailures { failures: 3, then_every });
    });
    world.user(ADA).await;
    let token = world.reset_token(ADA).await;
    for _ in 0..3 {
        assert!(!works(&world, "a wrong password").await);
    }
    let limited = world.auth.log_in(ADA, Password::new(PASSWORD), &client()).await;
    assert!(matches!(limited, Err(LogInError::RateLimited(_))));
    reset(&world, &token).await.unwrap();
    assert!(works(&world, OTHER_PASSWORD).await);
}

#[tokio::test]
async fn the_link_of_a_disabled_user_is_dead_and_stays_dead() {
    let world = World::new();
    let user = world.user(ADA).await;
    let (early, late) = (world.reset_token(ADA).await, world.reset_token(ADA).await);
    let work = {
        let w = world.clone();
        async move { reset(&w, &late).await }
    };
    let in_flight = world.hold_before("set_password", work).await;
    world.auth.disable_user(user.id).await.unwrap();
    world.store.release();
    assert!(matches!(in_flight.await.unwrap(), Err(ResetPasswordError::InvalidToken)));
    assert!(matches!(reset(&world, &early).await, Err(ResetPasswordError::InvalidToken)));
    world.auth.enable_user(user.id).await.unwrap();
    assert!(matches!(reset(&world, &early).await, Err(ResetPasswordError::InvalidToken)));
    assert!(works(&world, PASSWORD).await);
}

#[tokio::test]
async fn a_change_of_password_ends_all_other_sessions_and_links() {
    let world = World::new();
    world.user(ADA).await;
    let consumed = world.log_in(ADA).await;
    let mine = world.auth.refresh(&text(&consumed), &client()).await.unwrap();
    let other_device = world.log_in(ADA).await;
    let link = world.reset_token(ADA).await;
    let claims = world.claims(&mine);
    let change = async |old: &str| {
        world
            .auth
            .change_password(&claims, Password::new(old), Password::new(OTHER_PASSWORD), &client())
            .await
    };
    assert!(matches!(change(THIRD_PASSWORD).await, Err(ChangePasswordError::WrongPassword)));
    assert!(world.lives(&mine).await && world.lives(&other_device).await);
    let new = change(PASSWORD).await.unwrap();
    for tokens in [&consumed, &mine, &other_device] {
        assert!(!world.lives(tokens).await);
        assert!(world.auth.refresh(&text(tokens), &client()).await.is_err());
    }
    assert!(matches!(reset(&world, &link).await, Err(ResetPasswordError::InvalidToken)));
    assert!(matches!(change(OTHER_PASSWORD).await, Err(ChangePasswordError::SessionEnded)));
    assert!(world.lives(&new).await);
    assert_eq!(world.events.count("authn_token_reuse"), 0, "an ended session's token is not reuse");
    assert_eq!(notices(&world).await, 1);
    let user = world.store.inner().find_by_id(new.user.id).await.unwrap().unwrap();
    assert_eq!(user.epoch, new.user.epoch);
    assert!(works(&world, OTHER_PASSWORD).await && !works(&world, PASSWORD).await);
}
