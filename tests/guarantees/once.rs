//! Guarantee 4: a one-time token works at most once, over all processes and crashes.

use auth_core::{Message, Password, ResetPasswordError, VerifyEmailError};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, World, client, race};

const ADA: &str = "ada@example.com";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_concurrent_verifications_one_succeeds() {
    let world = World::new();
    let other = world.another_process();
    world.register(ADA, OTHER_PASSWORD).await;
    let token = world.verification_token(ADA).await;
    world.store.fail_method("verify_email", Fault::Meet(64));
    let answers = race(64, |index| {
        let auth = if index % 2 == 0 { world.auth.clone() } else { other.auth.clone() };
        let token = token.clone();
        async move { auth.verify_email(&token, None, &client()).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(VerifyEmailError::InvalidToken))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_concurrent_resets_one_succeeds_and_its_password_works() {
    let world = World::new();
    let other = world.another_process();
    world.user(ADA).await;
    let token = world.reset_token(ADA).await;
    world.store.fail_method("set_password", Fault::Meet(32));
    let answers = race(32, |index| {
        let auth = if index % 2 == 0 { world.auth.clone() } else { other.auth.clone() };
        let token = token.clone();
        async move { (index, auth.reset_password(&token, nth_password(index), &client()).await) }
    })
    .await;
    world.store.reset();
    let winners: Vec<usize> =
        answers.iter().filter(|(_, answer)| answer.is_ok()).map(|(index, _)| *index).collect();
    let [winner] = winners[..] else { panic!("{} winners", winners.len()) };
    for index in 0..32 {
        let logged_in = world.auth.log_in(ADA, nth_password(index), &client()).await;
        assert_eq!(logged_in.is_ok(), index == winner);
    }
}

fn nth_password(index: usize) -> Password {
    Password::new(format!("{index} blue herons on the lake"))
}

#[tokio::test]
async fn a_crash_before_marking_a_link_spent_does_not_revive_it() {
    let world = World::new();
    world.user(ADA).await;
    let token = world.reset_token(ADA).await;
    world.store.fail_method("spend", Fault::ErrorBefore);
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    world.store.reset();
    let again = world.auth.reset_password(&token, nth_password(1), &client()).await;
    assert!(matches!(again, Err(ResetPasswordError::InvalidToken)));
}

#[tokio::test]
async fn resending_a_mail_does_not_revive_its_used_link() {
    let world = World::new();
    world.user(ADA).await;
    // The mail arrives, but the mailer cannot know; the link is used before the retry.
    world.mailbox.fail_next(1, auth_core::MailErrorKind::Unknown);
    let token = world.reset_token(ADA).await;
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    world.wait(60);
    let mails = world.mails(ADA).await;
    let links = mails.iter().filter(|mail| matches!(mail.message, Message::ResetPassword { .. })).count();
    assert_eq!(links, 1, "a used link is not mailed again");
    let again = world.auth.reset_password(&token, nth_password(1), &client()).await;
    assert!(matches!(again, Err(ResetPasswordError::InvalidToken)));
}

#[tokio::test]
async fn a_reset_with_an_unknown_outcome_works_once() {
    let world = World::new();
    world.user(ADA).await;
    let token = world.reset_token(ADA).await;
    world.store.fail_method("set_password", Fault::ErrorAfterCommit);
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    world.store.reset();
    world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    assert!(world.auth.reset_password(&token, nth_password(1), &client()).await.is_err());
}

#[tokio::test]
async fn using_one_reset_link_kills_the_others() {
    let world = World::new();
    world.user(ADA).await;
    let (first, second) = (world.reset_token(ADA).await, world.reset_token(ADA).await);
    assert_ne!(first, second);
    world.auth.reset_password(&first, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    assert!(world.auth.reset_password(&second, nth_password(1), &client()).await.is_err());
}
