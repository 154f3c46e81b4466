//! What a service does to its users: disable, enable, delete; and what races that.

use std::time::Duration;

use auth_core::{
    AuthenticateError, LiveCheck, Password, RefreshError, SessionTokens, User, UserError, UserId,
};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, race, text};

const ADA: &str = "ada@example.com";

async fn resets(world: &World, link: &str) -> bool {
    world.auth.reset_password(link, Password::new(OTHER_PASSWORD), &client()).await.is_ok()
}

#[tokio::test]
async fn a_disabled_user_has_no_access_and_logs_in_after_enabling() {
    let world = World::new();
    let user = world.user(ADA).await;
    let (tokens, link) = (world.log_in(ADA).await, world.reset_token(ADA).await);
    world.auth.disable_user(user.id).await.unwrap();
    assert!(
        !world.lives(&tokens).await && !world.logs_in(ADA, PASSWORD).await && !resets(&world, &link).await
    );
    let claims = world.claims(&tokens);
    let (current, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
    assert!(world.auth.change_password(&claims, current, new, &client()).await.is_err());
    world.auth.enable_user(user.id).await.unwrap();
    assert!(!world.lives(&tokens).await && !resets(&world, &link).await, "nothing that ended comes back");
    assert!(world.logs_in(ADA, PASSWORD).await);
    assert_eq!((world.events.count("user_disabled"), world.events.count("user_enabled")), (1, 1));
}

#[tokio::test]
async fn disabling_twice_is_no_error_and_ends_no_more_than_once() {
    let world = World::new();
    let user = world.user(ADA).await;
    for _ in 0..3 {
        world.auth.disable_user(user.id).await.unwrap();
        world.auth.disable_user(user.id).await.unwrap();
        assert!(!world.logs_in(ADA, PASSWORD).await);
        world.auth.enable_user(user.id).await.unwrap();
        let tokens = world.log_in(ADA).await;
        world.auth.enable_user(user.id).await.unwrap();
        assert!(world.lives(&tokens).await, "enabling an enabled user ends no session");
    }
}

#[tokio::test]
async fn a_deleted_user_has_no_access_and_the_address_is_free() {
    let world = World::new();
    let user = world.user(ADA).await;
    let (tokens, link) = (world.log_in(ADA).await, world.reset_token(ADA).await);
    world.auth.delete_user(user.id).await.unwrap();
    assert!(matches!(world.auth.user(user.id).await, Err(UserError::NotFound)));
    assert!(matches!(world.auth.sessions(user.id).await, Err(UserError::NotFound)));
    assert!(!world.logs_in(ADA, PASSWORD).await && !resets(&world, &link).await);
    assert!(matches!(world.auth.refresh(&text(&tokens), &client()).await, Err(RefreshError::InvalidToken)));
    for check in [LiveCheck::UserAndSession, LiveCheck::User, LiveCheck::CachedUser] {
        let refused = world.auth.authenticate_live(tokens.access_token.expose(), check).await;
        assert!(matches!(refused, Err(AuthenticateError::InvalidToken)), "{check:?}");
    }
    assert!(matches!(world.auth.delete_user(user.id).await, Err(UserError::NotFound)));

    let second = world.user(ADA).await;
    assert_ne!(second.id, user.id, "no id is used twice");
    assert!(
        world.logs_in(ADA, PASSWORD).await && !resets(&world, &link).await,
        "an old link is for the old account"
    );
    assert!(world.auth.refresh(&text(&tokens), &client()).await.is_err());
    let refused = world.auth.authenticate_live(tokens.access_token.expose(), LiveCheck::User).await;
    assert!(refused.is_err());
}

/// The user is deleted first: sessions that cannot be deleted afterwards are invalid anyway.
#[tokio::test]
async fn deleting_needs_no_session_to_be_deleted() {
    let world = World::new();
    let user = world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    world.store.fail_method("find_sessions_by_user", Fault::ErrorBefore);
    world.auth.delete_user(user.id).await.unwrap();
    world.store.reset();
    assert!(world.auth.refresh(&text(&tokens), &client()).await.is_err());
    assert_eq!(world.events.count("best_effort_failed"), 1);
    world.wait(8 * 24 * 60 * 60);
    assert_eq!(world.auth.clean_up().await.unwrap().sessions, 1, "cleaned up later");
}

/// A registration that became a dead letter has the address and a password hash.
#[tokio::test]
async fn a_deleted_user_leaves_no_dead_letter() {
    let world = World::new();
    for address in [ADA, "eve@example.com"] {
        world.register(address, PASSWORD).await;
        world.auth.forgot_password(address, &client()).await.unwrap();
    }
    world.wait(60 * 60);
    world.auth.deliver_due_mails().await.unwrap();
    let letters = || async { world.auth.dead_letters(10).await.unwrap() };
    assert_eq!(letters().await.len(), 4, "their links expired before they were sent");
    let ada = world.auth.find_user(ADA).await.unwrap();
    world.store.fail_method("remove_dead_letter", Fault::ErrorBefore);
    assert!(
        matches!(world.auth.delete_user(ada.id).await, Err(UserError::Failed(_))),
        "nothing is left behind"
    );
    world.store.reset();
    world.auth.delete_user(ada.id).await.unwrap();
    let left = letters().await;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|letter| letter.intent.email.address() == "eve@example.com"), "{left:?}");

    // Nor does a mail that was still waiting, and came too late after the deletion.
    world.register("late@example.com", PASSWORD).await;
    let late = world.auth.find_user("late@example.com").await.unwrap();
    world.auth.delete_user(late.id).await.unwrap();
    world.wait(60 * 60);
    world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(letters().await.len(), 2);
}

#[tokio::test]
async fn a_lost_answer_of_the_database_hides_no_deletion() {
    let world = World::new();
    let user = world.user(ADA).await;
    world.store.fail_method("delete", Fault::ErrorBefore);
    assert!(matches!(world.auth.delete_user(user.id).await, Err(UserError::Failed(_))));
    world.store.fail_method("delete", Fault::ErrorAfterCommit);
    world.auth.delete_user(user.id).await.unwrap();
    assert_eq!(world.events.count("user_deleted"), 1);
}

#[tokio::test]
async fn an_unknown_user_id_is_reported_as_not_found() {
    let world = World::new();
    let nobody = UserId::from_bytes([9; 16]);
    assert!(matches!(world.auth.user(nobody).await, Err(UserError::NotFound)));
    assert!(matches!(world.auth.disable_user(nobody).await, Err(UserError::NotFound)));
    assert!(matches!(world.auth.enable_user(nobody).await, Err(UserError::NotFound)));
    assert!(matches!(world.auth.delete_user(nobody).await, Err(UserError::NotFound)));
    assert!(world.events.kinds().iter().all(|kind| kind.name() == "sys_startup"));
}

#[tokio::test]
async fn changing_a_password_returns_the_updated_user() {
    let world = World::new();
    let user = world.user(ADA).await;
    let claims = world.claims(&world.log_in(ADA).await);
    world.wait(60);
    let (current, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
    let granted = world.auth.change_password(&claims, current, new, &client()).await.unwrap().user;
    let stored = world.auth.user(user.id).await.unwrap();
    let hash = |user: &User| user.password_hash.as_ref().unwrap().expose().to_owned();
    assert_eq!(hash(&granted), hash(&stored));
    assert_ne!(hash(&granted), hash(&user));
    let times = |user: &User| (user.password_changed_at, user.epoch);
    assert_eq!(times(&granted), times(&stored));
    assert_eq!(granted.password_changed_at, user.password_changed_at + Duration::from_mins(1));
}

enum Act {
    Disable,
    Delete,
    LogOutEverywhere,
}

async fn carry_out(world: &World, act: &Act, user: UserId) {
    match act {
        Act::Disable => world.auth.disable_user(user).await.unwrap(),
        Act::Delete => world.auth.delete_user(user).await.unwrap(),
        Act::LogOutEverywhere => world.auth.log_out_everywhere(user, &client()).await.unwrap(),
    }
}

/// Whatever the act overtakes is dead on arrival: at the last moment before a session begins, a
/// refresh token rotates, a password changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn disabling_or_deleting_a_user_stops_flows_in_flight() {
    for act in [Act::Disable, Act::Delete, Act::LogOutEverywhere] {
        for (method, flow) in [("insert_session", 0), ("rotate", 1), ("set_password", 2)] {
            let world = World::new();
            let user = world.user(ADA).await;
            let tokens = world.log_in(ADA).await;
            let (auth, claims) = (world.auth.clone(), world.claims(&tokens));
            let in_flight = async move {
                let (right, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
                match flow {
                    0 => auth.log_in(ADA, right, &client()).await.ok(),
                    1 => auth.refresh(&text(&tokens), &client()).await.ok(),
                    _ => auth.change_password(&claims, right, new, &client()).await.ok(),
                }
            };
            let held = world.hold_before(method, in_flight).await;
            carry_out(&world, &act, user.id).await;
            world.store.release();
            let arrived: Option<SessionTokens> = held.await.unwrap();
            if let Some(tokens) = &arrived {
                assert!(!world.lives(tokens).await, "{method}");
            }
            assert!(arrived.is_none() || flow < 2, "the password was not changed");
            let still = world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await;
            assert!(still.is_err(), "{method}");
        }
    }
}

/// Twelve acts at once on one user: each succeeds, and the last word is a state, not a mixture.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acts_on_one_user_at_once_all_take_place() {
    for _ in 0..10 {
        let world = World::new();
        let user = world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        // Four disable and four log out: all have read the user before anyone writes.
        world.store.fail_method("set_status", Fault::Meet(8));
        world.store.fail_method("advance_epoch", Fault::Meet(8));
        race(12, |index| {
            let (auth, user) = (world.auth.clone(), user.id);
            async move {
                match index % 3 {
                    0 => auth.disable_user(user).await.unwrap(),
                    1 => auth.enable_user(user).await.unwrap(),
                    _ => auth.log_out_everywhere(user, &client()).await.unwrap(),
                }
            }
        })
        .await;
        world.store.reset();
        assert!(!world.lives(&tokens).await);
        let moved = world.auth.user(user.id).await.unwrap().epoch.as_u64() - user.epoch.as_u64();
        assert!((5..=12).contains(&moved), "four log-outs and a disabling at least, each once: {moved}");
        world.auth.enable_user(user.id).await.unwrap();
        assert!(world.logs_in(ADA, PASSWORD).await);
    }
}
