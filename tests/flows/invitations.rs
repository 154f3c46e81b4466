//! Users that an administrator invites: no password until the mailed link sets one.

use auth_core::{CreateUserError, Email, Message, Password, ResetPasswordError};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client};

const ADA: &str = "ada@example.com";
const DAY: u64 = 24 * 60 * 60;

/// The tokens of all invitations that were mailed.
async fn invitations(world: &World) -> Vec<String> {
    let mails = world.mails(ADA).await;
    let token = |message: &Message| match message {
        Message::Invitation { token, .. } => Some(token.expose().to_string()),
        _ => None,
    };
    mails.iter().filter_map(|mail| token(&mail.message)).collect()
}

async fn accept(world: &World, token: &str, password: &str) -> Result<(), ResetPasswordError> {
    world.auth.reset_password(token, Password::new(password), &client()).await
}

#[tokio::test]
async fn an_invited_user_chooses_a_password_by_the_link() {
    let world = World::new();
    let user = world.auth.invite_user(ADA, Some("Ada")).await.unwrap();
    assert!(user.email_verified() && user.password_hash.is_none());
    for guess in ["", PASSWORD] {
        assert!(!world.logs_in(ADA, guess).await, "there is no password");
    }
    let [token] = &invitations(&world).await[..] else { panic!("one invitation") };
    let mail = world.mailbox.mails_to(&Email::parse(ADA).unwrap()).pop().unwrap();
    assert_eq!(mail.name.unwrap().as_str(), "Ada");
    world.wait(7 * DAY - 1);
    let weak = accept(&world, token, "password").await;
    assert!(matches!(weak, Err(ResetPasswordError::Password(_))), "and the link stays good");
    accept(&world, token, PASSWORD).await.unwrap();
    assert!(world.logs_in(ADA, PASSWORD).await);
    let is_notice = |mail: &auth_core::Mail| matches!(mail.message, Message::PasswordChanged { .. });
    assert!(!world.mails(ADA).await.iter().any(is_notice), "nobody changed anything");
    assert_eq!(world.auth.user(user.id).await.unwrap().name.unwrap().as_str(), "Ada");
    assert!(matches!(accept(&world, token, OTHER_PASSWORD).await, Err(ResetPasswordError::InvalidToken)));
}

#[tokio::test]
async fn an_invitation_ends_after_seven_days_or_with_a_password() {
    let world = World::new();
    world.auth.invite_user(ADA, None).await.unwrap();
    let token = invitations(&world).await.remove(0);
    world.wait(7 * DAY);
    assert!(matches!(accept(&world, &token, PASSWORD).await, Err(ResetPasswordError::InvalidToken)));
    // Who comes late asks for a reset, as everybody does.
    let reset = world.reset_token(ADA).await;
    accept(&world, &reset, PASSWORD).await.unwrap();

    let world = World::new();
    world.auth.invite_user(ADA, None).await.unwrap();
    let (token, reset) = (invitations(&world).await.remove(0), world.reset_token(ADA).await);
    accept(&world, &reset, PASSWORD).await.unwrap();
    assert!(matches!(accept(&world, &token, OTHER_PASSWORD).await, Err(ResetPasswordError::InvalidToken)));
    assert!(world.logs_in(ADA, PASSWORD).await);
}

/// The mail server was down meanwhile.
#[tokio::test]
async fn an_invitation_of_another_epoch_is_not_mailed() {
    let world = World::new();
    let user = world.auth.invite_user(ADA, None).await.unwrap();
    world.auth.disable_user(user.id).await.unwrap();
    world.auth.enable_user(user.id).await.unwrap();
    assert!(invitations(&world).await.is_empty());
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0);
}

#[tokio::test]
async fn inviting_a_taken_address_is_refused_and_mails_nothing() {
    let world = World::new();
    world.user(ADA).await;
    let refused = world.auth.invite_user("ADA@example.com", None).await;
    assert!(matches!(refused, Err(CreateUserError::EmailTaken)));
    for (email, name) in [("nobody", None), (ADA, Some("a\nb"))] {
        let refused = world.auth.invite_user(email, name).await;
        assert!(matches!(refused, Err(CreateUserError::Invalid(_))), "{email}");
    }
    world.wait(301);
    assert!(invitations(&world).await.is_empty());
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0);
    assert!(world.logs_in(ADA, PASSWORD).await);
}

#[tokio::test]
async fn inviting_replaces_a_user_who_never_verified() {
    let world = World::new();
    world.register(ADA, "a rival chose this one").await;
    let link = world.verification_token(ADA).await;
    let user = world.auth.invite_user(ADA, None).await.unwrap();
    assert!(world.auth.verify_email(&link, None, &client()).await.is_err());
    assert!(!world.logs_in(ADA, "a rival chose this one").await);
    let [token] = &invitations(&world).await[..] else { panic!("one invitation") };
    accept(&world, token, PASSWORD).await.unwrap();
    assert_eq!(world.auth.find_user(ADA).await.unwrap().id, user.id);
}
