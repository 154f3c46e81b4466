//! Creating users and starting resets on the service's own word.

use auth_core::{Client, CreateUserError, Password, PasswordError, User, UserError, UserId};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, race};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
/// The password of an earlier registration of the address.
const RIVALS: &str = "a rival chose this one";

async fn create(world: &World, address: &str) -> Result<User, CreateUserError> {
    world.auth.create_user(address, Password::new(PASSWORD), Some("Ada")).await
}

#[tokio::test]
async fn a_created_user_logs_in_at_once_and_gets_no_mail() {
    let world = World::new();
    let user = create(&world, "Ada@Example.com").await.unwrap();
    assert!(user.email_verified());
    assert!(world.logs_in(ADA, PASSWORD).await);
    assert!(world.mails(ADA).await.is_empty());
    assert_eq!(world.events.count("user_created"), 1);
    assert_eq!(world.auth.find_user("ADA@example.com").await.unwrap().id, user.id);
    for nobody in [BOB, "no address", ""] {
        assert!(matches!(world.auth.find_user(nobody).await, Err(UserError::NotFound)));
    }
}

#[tokio::test]
async fn creating_a_user_refuses_a_verified_or_disabled_address() {
    let world = World::new();
    let user = world.user(ADA).await;
    let taken = world.auth.create_user(ADA, Password::new(OTHER_PASSWORD), None).await;
    assert!(matches!(taken, Err(CreateUserError::EmailTaken)));
    assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, OTHER_PASSWORD).await);
    assert_eq!(world.auth.user(user.id).await.unwrap().epoch, user.epoch);
    world.register(BOB, PASSWORD).await;
    let banned = world.auth.find_user(BOB).await.unwrap();
    world.auth.disable_user(banned.id).await.unwrap();
    assert!(matches!(create(&world, BOB).await, Err(CreateUserError::EmailTaken)));
}

/// Whether the row is still there or was cleaned up makes no difference (guarantee 14).
#[tokio::test]
async fn creating_a_user_takes_over_an_unverified_row_and_its_links() {
    for (days, cleaned) in [(0, false), (40, false), (40, true)] {
        let world = World::new();
        world.register(ADA, RIVALS).await;
        let link = world.verification_token(ADA).await;
        world.wait(days * 24 * 60 * 60);
        if cleaned {
            assert_eq!(world.auth.clean_up().await.unwrap().unverified_users, 1);
        }
        let user = create(&world, ADA).await.unwrap();
        assert!(user.email_verified() && user.name.is_some(), "{days} {cleaned}");
        world.auth.verify_email(&link, None, &client()).await.unwrap_err();
        assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVALS).await, "{days} {cleaned}");
        assert_eq!(world.auth.clean_up().await.unwrap().unverified_users, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_create_one_address_at_once_one_succeeds() {
    for registered in [false, true] {
        let world = World::new();
        if registered {
            world.register(ADA, RIVALS).await;
        }
        let outcomes = race(16, |index| {
            let auth = world.auth.clone();
            let password = format!("the password of number {index}");
            async move { auth.create_user(ADA, Password::new(&*password), None).await.map(|_| password) }
        })
        .await;
        let (created, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!((created.len(), refused.len()), (1, 15));
        for refusal in refused {
            assert!(matches!(refusal, Err(CreateUserError::EmailTaken)));
        }
        let winner = created.into_iter().next().unwrap().unwrap();
        assert!(world.logs_in(ADA, &winner).await, "the password of the one that succeeded works");
    }
}

#[tokio::test]
async fn a_lost_answer_of_the_database_hides_no_user_that_was_created() {
    for (registered, method) in [(false, "insert_user"), (true, "verify_email")] {
        let world = World::new();
        if registered {
            world.register(ADA, RIVALS).await;
        }
        world.store.fail_method(method, Fault::ErrorBefore);
        assert!(matches!(create(&world, ADA).await, Err(CreateUserError::Failed(_))), "{method}");
        world.store.fail_method(method, Fault::ErrorAfterCommit);
        create(&world, ADA).await.unwrap();
        world.store.reset();
        assert!(world.logs_in(ADA, PASSWORD).await, "{method}");
    }
}

#[tokio::test]
async fn creating_a_user_refuses_what_registration_refuses() {
    let world = World::new();
    let refused = world.auth.create_user("nobody", Password::new("short"), Some("\u{7}")).await;
    let Err(CreateUserError::Invalid(invalid)) = refused else { panic!("accepted") };
    assert!(invalid.email.is_some() && invalid.name.is_some());
    assert!(matches!(invalid.password, Some(PasswordError::TooShort { .. })));
}

#[tokio::test]
async fn an_administrators_reset_link_is_not_counted_and_works() {
    let world = World::new();
    let user = world.user(ADA).await;
    let mut link = String::new();
    for _ in 0..6 {
        world.auth.send_reset_link(user.id).await.unwrap();
        link = world.reset_token(ADA).await;
    }
    assert!(world.logs_in(ADA, PASSWORD).await, "nothing has changed yet");
    world.auth.reset_password(&link, Password::new(OTHER_PASSWORD), &Client::unknown()).await.unwrap();
    assert!(world.logs_in(ADA, OTHER_PASSWORD).await);
}

#[tokio::test]
async fn a_link_for_an_unknown_or_disabled_user_is_an_error() {
    let world = World::new();
    let nobody = world.auth.send_reset_link(UserId::from_bytes([9; 16])).await;
    assert!(matches!(nobody, Err(UserError::NotFound)));
    let user = world.user(ADA).await;
    world.auth.disable_user(user.id).await.unwrap();
    assert!(matches!(world.auth.send_reset_link(user.id).await, Err(UserError::Disabled)));
    world.register(BOB, PASSWORD).await;
    let bob = world.auth.find_user(BOB).await.unwrap();
    world.wait(40 * 24 * 60 * 60);
    assert!(matches!(world.auth.send_reset_link(bob.id).await, Err(UserError::NotFound)), "is_abandoned");
}
