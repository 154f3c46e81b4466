//! What users do to their own account: change the name, delete it.

use std::time::Duration;

use auth_core::{
    AccessClaims, ChangeNameError, DeleteAccountError, Email, LogInError, Mail, MailError, MailErrorKind,
    Mailer, Message, NameError, Password, RefreshError, UserError,
};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, race, text};

const ADA: &str = "ada@example.com";

async fn notices(world: &World) -> Vec<Mail> {
    let mut mails = world.mails(ADA).await;
    mails.retain(|mail| matches!(mail.message, Message::AccountDeleted { .. }));
    mails
}

async fn claims(world: &World) -> AccessClaims {
    world.claims(&world.log_in(ADA).await)
}

async fn is_there(world: &World) -> bool {
    match world.auth.find_user(ADA).await {
        Ok(_) => true,
        Err(UserError::NotFound) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_name_is_changed_and_removed_and_ends_no_session() {
    let world = World::new();
    let user = world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let claims = world.claims(&tokens);
    for (given, stored) in [
        (Some("  Ada Lovelace "), Some("Ada Lovelace")),
        (Some(" \t"), None),
        (Some("Ada"), Some("Ada")),
        (None, None),
    ] {
        let changed = world.auth.change_name(&claims, given, &client()).await.unwrap();
        let found = world.auth.user(user.id).await.unwrap();
        for user in [changed, found] {
            assert_eq!(user.name.as_ref().map(auth_core::Name::as_str), stored);
            assert_eq!((user.epoch, user.email.address()), (tokens.user.epoch, ADA));
        }
        assert!(world.lives(&tokens).await);
    }
    assert_eq!(world.events.count("name_changed"), 4);
    let long = "x".repeat(101);
    for (name, expected) in [(&*long, NameError::TooLong), ("Ada\nBcc: x", NameError::ControlCharacter)] {
        let refused = world.auth.change_name(&claims, Some(name), &client()).await;
        assert!(matches!(refused, Err(ChangeNameError::Name(error)) if error == expected), "{refused:?}");
    }
    world.auth.log_out(&text(&tokens), &client()).await.unwrap();
    let late = world.auth.change_name(&claims, Some("Eve"), &client()).await;
    assert!(matches!(late, Err(ChangeNameError::SessionEnded)));
    assert!(world.auth.user(user.id).await.unwrap().name.is_none());
}

/// A log-out everywhere that is faster than the write.
#[tokio::test]
async fn a_name_of_an_ended_session_is_not_written() {
    let world = World::new();
    let user = world.user(ADA).await;
    let (auth, claims) = (world.auth.clone(), claims(&world).await);
    let late = world
        .hold_before("set_name", async move { auth.change_name(&claims, Some("Eve"), &client()).await })
        .await;
    world.auth.log_out_everywhere(user.id, &client()).await.unwrap();
    world.store.release();
    assert!(matches!(late.await.unwrap(), Err(ChangeNameError::SessionEnded)));
    assert!(world.auth.user(user.id).await.unwrap().name.is_none());
}

#[tokio::test]
async fn an_account_is_deleted_with_what_belongs_to_it() {
    let world = World::new();
    let user = world.user(ADA).await;
    let (tokens, other, reset) =
        (world.log_in(ADA).await, world.log_in(ADA).await, world.reset_token(ADA).await);
    world.auth.delete_account(&world.claims(&tokens), &client()).await.unwrap();
    assert!(!is_there(&world).await);
    assert!(
        world.store.inner().find_sessions_by_user(user.id).await.unwrap().is_empty(),
        "no session is left"
    );
    for tokens in [&tokens, &other] {
        let refused = world.auth.refresh(&text(tokens), &client()).await;
        assert!(matches!(refused, Err(RefreshError::InvalidToken)));
    }
    let refused = world.auth.log_in(ADA, Password::new(PASSWORD), &client()).await;
    assert!(matches!(refused, Err(LogInError::InvalidCredentials)));
    world.auth.reset_password(&reset, Password::new(OTHER_PASSWORD), &client()).await.unwrap_err();
    assert_eq!(world.events.count("user_deleted"), 1);
    let [notice] = &notices(&world).await[..] else { panic!("one notice") };
    assert!(notice.name.is_none());
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0);
    // The address is free, and the new account has nothing of the old one.
    assert_ne!(world.user(ADA).await.id, user.id);
}

#[tokio::test]
async fn deleting_takes_a_log_in_of_the_last_ten_minutes() {
    let world = World::new();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let claims_of_then = world.claims(&tokens);
    world.wait(600);
    let renewed = world.auth.refresh(&text(&tokens), &client()).await.unwrap();
    for claims in [&claims_of_then, &world.claims(&renewed)] {
        let refused = world.auth.delete_account(claims, &client()).await;
        let Err(DeleteAccountError::ReauthenticationRequired { max_age }) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(max_age, Duration::from_mins(10));
    }
    // The record is older than what the claims say.
    let mut forged = claims_of_then;
    forged.authenticated_at = world.auth.now();
    let refused = world.auth.delete_account(&forged, &client()).await;
    assert!(matches!(refused, Err(DeleteAccountError::ReauthenticationRequired { .. })), "{refused:?}");
    assert!(is_there(&world).await && notices(&world).await.is_empty());
    world.auth.delete_account(&claims(&world).await, &client()).await.unwrap();
    assert!(!is_there(&world).await);
}

/// A thief with a session begins to delete; the owner's reset is faster.
#[tokio::test]
async fn a_session_that_a_reset_ended_deletes_nobody() {
    let world = World::new();
    world.user(ADA).await;
    let reset = world.reset_token(ADA).await;
    let (auth, stolen) = (world.auth.clone(), claims(&world).await);
    let late =
        world.hold_before("delete", async move { auth.delete_account(&stolen, &client()).await }).await;
    world.auth.reset_password(&reset, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    world.store.release();
    assert!(matches!(late.await.unwrap(), Err(DeleteAccountError::SessionEnded)));
    world.store.reset();
    world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    assert!(notices(&world).await.is_empty(), "who is still there gets no notice");
    world.wait(301);
    assert!(notices(&world).await.is_empty());
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0, "it is dropped");
}

#[tokio::test]
async fn a_deletion_that_fails_can_be_repeated() {
    let world = World::new();
    world.user(ADA).await;
    let claims = claims(&world).await;
    for (method, fault) in [
        ("find_session_and_user", Fault::ErrorBefore),
        ("insert_intent", Fault::ErrorBefore),
        ("delete", Fault::ErrorBefore),
    ] {
        world.store.fail_method(method, fault);
        let failed = world.auth.delete_account(&claims, &client()).await;
        world.store.reset();
        assert!(matches!(failed, Err(DeleteAccountError::Failed(_))), "{method}: {failed:?}");
        assert!(is_there(&world).await, "{method}");
    }
    // Written, but the answer is lost: a read shows it.
    world.store.fail_method("delete", Fault::ErrorAfterCommit);
    world.auth.delete_account(&claims, &client()).await.unwrap();
    world.store.reset();
    assert!(!is_there(&world).await);
    assert_eq!(notices(&world).await.len(), 1, "one notice for all attempts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_deletions_at_once_one_deletes() {
    for _ in 0..10 {
        let world = World::new();
        world.user(ADA).await;
        let claims = claims(&world).await;
        let outcomes = race(4, |_| {
            let (auth, claims) = (world.auth.clone(), claims.clone());
            async move { auth.delete_account(&claims, &client()).await }
        })
        .await;
        let ended = |outcome: &Result<(), DeleteAccountError>| {
            matches!(outcome, Err(DeleteAccountError::SessionEnded))
        };
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| ended(outcome)).count(), 3, "{outcomes:?}");
        assert_eq!(world.events.count("user_deleted"), 1);
        assert_eq!(notices(&world).await.len(), 1);
    }
}

/// Refuses every mail for good.
#[derive(Debug)]
struct Refusing;

#[async_trait::async_trait]
impl Mailer for Refusing {
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        Err(MailError::new(MailErrorKind::Permanent, "no such mailbox"))
    }
}

#[tokio::test]
async fn a_refused_notice_leaves_no_address_in_a_dead_letter() {
    let world = World::new();
    world.user(ADA).await;
    let refusing = world.process_with(Refusing, |_| {});
    refusing.auth.delete_account(&claims(&world).await, &client()).await.unwrap();
    assert_eq!(refusing.auth.deliver_due_mails().await.unwrap().dropped, 1);
    assert!(world.auth.dead_letters(10).await.unwrap().is_empty());
    assert!(
        world
            .mailbox
            .mails_to(&Email::parse(ADA).unwrap())
            .iter()
            .all(|mail| { !matches!(mail.message, Message::AccountDeleted { .. }) })
    );
}
