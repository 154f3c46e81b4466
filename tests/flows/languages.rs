//! The languages of mails: those of the client that asks for one, and nobody's else.

use auth_core::{Client, Languages, MailKind, Password};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, text};

const ADA: &str = "ada@example.com";

/// The languages of the newest mail of this kind.
async fn languages(world: &World, address: &str, kind: MailKind) -> Option<String> {
    let mails = world.mails(address).await;
    let mail = mails.iter().rev().find(|mail| mail.message.kind() == kind);
    mail.unwrap_or_else(|| panic!("no {kind:?}")).languages.as_ref().map(Languages::to_string)
}

fn speaking(header: &str) -> Client {
    client().with_languages(Languages::from_accept_language(header).unwrap())
}

#[tokio::test]
async fn a_mail_that_a_client_asks_for_has_its_languages() {
    let world = World::new();
    let german = speaking("de-AT,de;q=0.9");
    world.auth.register(ADA, Password::new(PASSWORD), None, &german).await.unwrap();
    assert_eq!(languages(&world, ADA, MailKind::VerifyEmail).await.as_deref(), Some("de-AT,de"));
    world.auth.resend_verification(ADA, &speaking("fr")).await.unwrap();
    assert_eq!(languages(&world, ADA, MailKind::VerifyEmail).await.as_deref(), Some("fr"));
    let link = world.verification_token(ADA).await;
    world.auth.verify_email(&link, None, &german).await.unwrap();
    world.auth.forgot_password(ADA, &german).await.unwrap();
    assert_eq!(languages(&world, ADA, MailKind::ResetPassword).await.as_deref(), Some("de-AT,de"));
    let claims = world.claims(&world.log_in(ADA).await);
    world.auth.change_email(&claims, "new@example.com", Password::new(PASSWORD), &german).await.unwrap();
    let kept = languages(&world, "new@example.com", MailKind::ConfirmEmail).await;
    assert_eq!(kept.as_deref(), Some("de-AT,de"));
}

/// An intruder must not choose a language that the owner of the account cannot read.
#[tokio::test]
async fn a_notice_has_the_language_of_the_service() {
    let world = World::new();
    world.user(ADA).await;
    let intruder = speaking("fr");
    world.wait(7_200);
    let tokens = world.auth.log_in(ADA, Password::new(PASSWORD), &intruder).await.unwrap();
    world.auth.refresh(&text(&tokens), &intruder).await.unwrap();
    world.auth.refresh(&text(&tokens), &intruder).await.unwrap_err();
    let again = world.auth.log_in(ADA, Password::new(PASSWORD), &intruder).await.unwrap();
    let (current, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
    let changed = world.auth.change_password(&world.claims(&again), current, new, &intruder).await.unwrap();
    for kind in [MailKind::UnknownDevice, MailKind::SessionsEnded, MailKind::PasswordChanged] {
        assert_eq!(languages(&world, ADA, kind).await, None, "{kind:?}");
    }
    world.auth.delete_account(&world.claims(&changed), &intruder).await.unwrap();
    assert_eq!(languages(&world, ADA, MailKind::AccountDeleted).await, None);
}

#[tokio::test]
async fn what_the_service_asks_for_has_no_language_of_a_client() {
    let world = World::new();
    let user = world.auth.invite_user(ADA, None).await.unwrap();
    assert_eq!(languages(&world, ADA, MailKind::Invitation).await, None);
    world.auth.send_reset_link(user.id).await.unwrap();
    assert_eq!(languages(&world, ADA, MailKind::ResetPassword).await, None);
}
