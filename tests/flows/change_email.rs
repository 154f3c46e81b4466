//! Changing the address: what it requires, who gets which mail, and what it ends.

use auth_core::store::{GuardedWrite, UserStore};
use auth_core::{
    ChangeEmailError, ConfirmEmailError, Email, EmailError, Mail, Message, Name, Password, SessionTokens,
    User, UserStatus,
};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, text};

const ADA: &str = "ada@example.com";
const NEW: &str = "Countess@example.org";
const DAY: u64 = 24 * 60 * 60;

fn world() -> World {
    World::with(|policy| {
        policy.limits = auth_core::RateLimits::none();
        policy.live_cache = std::time::Duration::from_secs(5);
    })
}

async fn change(
    world: &World,
    tokens: &SessionTokens,
    new: &str,
    password: &str,
) -> Result<(), ChangeEmailError> {
    world.auth.change_email(&world.claims(tokens), new, Password::new(password), &client()).await
}

async fn confirm(world: &World, token: &str) -> Result<(), ConfirmEmailError> {
    world.auth.confirm_email(token, &client()).await
}

async fn stored(world: &World, address: &str) -> Option<User> {
    world.store.inner().find_by_email(&Email::parse(address).unwrap()).await.unwrap()
}

fn is_notice(mail: &Mail) -> bool {
    matches!(mail.message, Message::EmailChanged { .. })
}

/// Delivers until notices without a change are dropped, and returns who got notices.
async fn notified(world: &World) -> Vec<String> {
    for _ in 0..4 {
        world.auth.deliver_due_mails().await.unwrap();
        world.wait(151);
    }
    let mut to: Vec<String> = world
        .mailbox
        .mails()
        .iter()
        .filter(|mail| is_notice(mail))
        .map(|mail| mail.to.address().to_owned())
        .collect();
    to.sort();
    to
}

#[tokio::test]
async fn confirming_replaces_the_address_and_notifies_both() {
    let world = world();
    let user = world.user(ADA).await;
    let (mine, other_device) = (world.log_in(ADA).await, world.log_in(ADA).await);
    let (reset, elsewhere) =
        (world.reset_token(ADA).await, world.confirmation_token(&mine, "b@example.com").await);
    let token = world.confirmation_token(&mine, NEW).await;
    world.wait(60);
    // A user who was accepted a moment ago is cached for 5 s.
    assert!(world.lives(&mine).await && world.logs_in(ADA, PASSWORD).await, "asking changes nothing");
    confirm(&world, &token).await.unwrap();
    let changed = world.auth.user(user.id).await.unwrap();
    assert_eq!((changed.email.address(), changed.epoch), (NEW, user.epoch.next()));
    assert!(changed.email_verified_at > user.email_verified_at, "the new mailbox was proven now");
    assert_eq!(changed.password_hash.unwrap().expose(), user.password_hash.unwrap().expose());
    for tokens in [&mine, &other_device] {
        assert!(!world.lives(tokens).await, "every session ends, the asking one too");
    }
    assert!(!world.logs_in(ADA, PASSWORD).await && world.logs_in(NEW, PASSWORD).await);
    let late = world.auth.reset_password(&reset, Password::new(OTHER_PASSWORD), &client()).await;
    assert!(late.is_err(), "a link mailed to the old address is dead");
    assert!(matches!(confirm(&world, &elsewhere).await, Err(ConfirmEmailError::InvalidToken)));
    assert!(matches!(confirm(&world, &token).await, Err(ConfirmEmailError::InvalidToken)), "works once");
    assert_eq!(notified(&world).await, [NEW, ADA]);
    for mail in world.mailbox.mails().iter().filter(|mail| is_notice(mail)) {
        let Message::EmailChanged { new_email, at } = &mail.message else { panic!() };
        assert_eq!((new_email.address(), Some(*at)), (NEW, changed.email_verified_at));
        assert!(mail.message.token().is_none(), "no link that acts");
    }
    assert_eq!((world.events.count("email_change_requested"), world.events.count("email_changed")), (2, 1));
    world.user(ADA).await;
    assert!(world.logs_in(ADA, PASSWORD).await, "the old address is free");
}

#[tokio::test]
async fn a_refused_change_of_address_sends_no_mail() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    world.store.reset();
    for own in [ADA, "ADA@example.com", " ada@EXAMPLE.com "] {
        assert!(
            matches!(change(&world, &tokens, own, PASSWORD).await, Err(ChangeEmailError::Unchanged)),
            "{own}"
        );
    }
    let no_address = change(&world, &tokens, "nobody", PASSWORD).await;
    assert!(matches!(no_address, Err(ChangeEmailError::Email(EmailError::Malformed))));
    assert!(matches!(
        change(&world, &tokens, NEW, OTHER_PASSWORD).await,
        Err(ChangeEmailError::WrongPassword)
    ));
    assert_eq!(world.events.count("email_change_failed"), 1);
    assert!(world.store.calls().iter().all(|call| call.starts_with("find")), "{:?}", world.store.calls());
    assert!(world.lives(&tokens).await);
    world.auth.log_out(&text(&tokens), &client()).await.unwrap();
    assert!(matches!(change(&world, &tokens, NEW, PASSWORD).await, Err(ChangeEmailError::SessionEnded)));
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0);
}

/// The owner of a taken address gets a notice, the user who wants it does not; a disabled owner gets none.
#[tokio::test]
async fn a_taken_address_gets_a_mail_and_no_link() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let owner = world.user(NEW).await;
    for (address, mails) in [(NEW, 1), ("disabled", 0)] {
        let address = if address == "disabled" {
            world.auth.disable_user(owner.id).await.unwrap();
            NEW
        } else {
            address
        };
        world.mailbox.take();
        change(&world, &tokens, &address.to_uppercase(), PASSWORD).await.unwrap();
        world.auth.deliver_due_mails().await.unwrap();
        let arrived = world.mailbox.take();
        assert_eq!(arrived.len(), mails, "{address}");
        for mail in arrived {
            assert!(matches!(mail.message, Message::AlreadyRegistered { .. }), "{mail:?}");
            assert_eq!(mail.to.address(), address, "at the stored address");
        }
    }
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0);
    assert!(world.lives(&tokens).await);
}

#[tokio::test]
async fn an_address_taken_since_the_mail_leaves_the_link_valid() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let token = world.confirmation_token(&tokens, NEW).await;
    world.mailbox.take();
    let owner = world.user(NEW).await;
    world.store.reset();
    for _ in 0..2 {
        assert!(matches!(confirm(&world, &token).await, Err(ConfirmEmailError::Taken)));
    }
    assert!(
        !world.store.calls().contains(&"delete_unverified"),
        "the owner of the address is not unverified"
    );
    assert_eq!(world.events.count("email_taken"), 2);
    assert!(
        world.lives(&tokens).await
            && world.logs_in(ADA, PASSWORD).await
            && world.logs_in(NEW, PASSWORD).await
    );
    world.auth.delete_user(owner.id).await.unwrap();
    confirm(&world, &token).await.unwrap();
    assert_eq!(world.auth.user(tokens.user.id).await.unwrap().email.address(), NEW);
    assert_eq!(notified(&world).await, [NEW, NEW, NEW, ADA, ADA, ADA], "mails enqueued before name it too");
}

/// A user that the next clean-up may delete is treated as absent, whether or not it ran.
#[tokio::test]
async fn the_address_of_an_abandoned_registration_is_free() {
    for cleans_up in [false, true] {
        let world = world();
        world.user(ADA).await;
        world.register(NEW, OTHER_PASSWORD).await;
        world.register("other@example.com", OTHER_PASSWORD).await;
        world.wait(7 * DAY + 1);
        if cleans_up {
            assert_eq!(world.auth.clean_up().await.unwrap().unverified_users, 2);
        }
        let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
        confirm(&world, &token).await.unwrap();
        assert!(world.logs_in(NEW, PASSWORD).await, "clean-up {cleans_up}");
    }
}

/// A registration that was never verified keeps nobody from an address; a disabled user keeps the address.
#[tokio::test]
async fn an_unverified_holder_gives_way_and_a_disabled_one_stays() {
    for disabled in [false, true] {
        let world = world();
        world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        let token = world.confirmation_token(&tokens, NEW).await;
        world.register(NEW, OTHER_PASSWORD).await;
        let holder = stored(&world, NEW).await.unwrap().id;
        if disabled {
            world.auth.disable_user(holder).await.unwrap();
            assert!(matches!(confirm(&world, &token).await, Err(ConfirmEmailError::Taken)));
            assert!(world.lives(&tokens).await);
        } else {
            confirm(&world, &token).await.unwrap();
            assert!(world.auth.user(holder).await.is_err(), "the holder is deleted");
            assert_eq!(world.events.count("user_deleted"), 1);
        }
        let owner = if disabled { holder } else { tokens.user.id };
        assert_eq!(stored(&world, NEW).await.unwrap().id, owner);
    }
}

/// A user who verifies first has the address: no deletion takes it away again.
#[tokio::test]
async fn a_holder_who_verifies_meanwhile_keeps_the_address() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let token = world.confirmation_token(&tokens, NEW).await;
    world.register(NEW, OTHER_PASSWORD).await;
    let link = world.verification_token(NEW).await;
    let auth = world.auth.clone();
    let confirming =
        world.hold_before("delete_unverified", async move { auth.confirm_email(&token, &client()).await });
    let confirming = confirming.await;
    world.auth.verify_email(&link, None, &client()).await.unwrap();
    world.store.release();
    assert!(matches!(confirming.await.unwrap(), Err(ConfirmEmailError::Taken)));
    assert_ne!(stored(&world, NEW).await.unwrap().id, tokens.user.id);
}

/// A stranger could otherwise have a text of their choice mailed to anybody.
#[tokio::test]
async fn a_mailbox_that_is_not_proven_is_not_called_by_name() {
    let world = world();
    let spam = "Buy now at https://spam.example";
    world.auth.register(ADA, Password::new(PASSWORD), Some(spam), &client()).await.unwrap();
    let token = world.verification_token(ADA).await;
    world.auth.verify_email(&token, None, &client()).await.unwrap();
    let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
    let link = world.mailbox.last_to(&Email::parse(NEW).unwrap()).unwrap();
    assert!(link.name.is_none(), "{link:?}");
    confirm(&world, &token).await.unwrap();
    world.auth.deliver_due_mails().await.unwrap();
    let notices = world.mailbox.mails();
    let named =
        notices.iter().filter(|mail| is_notice(mail)).map(|mail| mail.name.as_ref().map(Name::as_str));
    assert_eq!(named.collect::<Vec<_>>(), [Some(spam), Some(spam)], "both are the user's own");
}

#[tokio::test]
async fn a_disabled_or_deleted_user_confirms_nothing() {
    for deleted in [false, true] {
        let world = world();
        let user = world.user(ADA).await;
        let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
        if deleted {
            world.auth.delete_user(user.id).await.unwrap();
        } else {
            world.auth.disable_user(user.id).await.unwrap();
        }
        assert!(matches!(confirm(&world, &token).await, Err(ConfirmEmailError::InvalidToken)));
        assert!(stored(&world, NEW).await.is_none());
        let kept = stored(&world, ADA).await.map(|user| user.status);
        assert_eq!(kept, (!deleted).then_some(UserStatus::Disabled));
    }
}

/// The write went through and its answer was lost: the stored user shows it.
#[tokio::test]
async fn a_change_with_an_unknown_outcome_is_reported_as_done() {
    let world = world();
    world.user(ADA).await;
    let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
    world.store.fail_method("set_email", Fault::ErrorAfterCommit);
    confirm(&world, &token).await.unwrap();
    world.store.reset();
    assert!(matches!(confirm(&world, &token).await, Err(ConfirmEmailError::InvalidToken)));
    assert_eq!(notified(&world).await, [NEW, ADA]);
}

/// The notice goes to the old address although the row has a third one when it is sent; a rival's address
/// that lost learns nothing of the one that won.
#[tokio::test]
async fn late_notices_reach_the_old_and_the_new_address() {
    let world = world();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let (first, rival) = (
        world.confirmation_token(&tokens, NEW).await,
        world.confirmation_token(&tokens, "rival@example.com").await,
    );
    let auth = world.auth.clone();
    let late =
        world.hold_before("set_email", async move { auth.confirm_email(&rival, &client()).await }).await;
    world.wait(1);
    confirm(&world, &first).await.unwrap();
    world.store.release();
    assert!(matches!(late.await.unwrap(), Err(ConfirmEmailError::InvalidToken)));
    let third = world.confirmation_token(&world.log_in(NEW).await, "third@example.com").await;
    confirm(&world, &third).await.unwrap();
    world.store.reset();
    let notified = notified(&world).await;
    assert!(notified.iter().any(|to| to == ADA) && notified.iter().any(|to| to == NEW), "{notified:?}");
    assert!(notified.iter().any(|to| to == "third@example.com"), "{notified:?}");
    assert!(!notified.iter().any(|to| to == "rival@example.com"), "{notified:?}");
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0, "a notice without a change is dropped");
}

#[tokio::test]
async fn a_deleted_account_gets_no_notice() {
    let world = world();
    let user = world.user(ADA).await;
    let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
    world.store.fail_method("set_email", Fault::ErrorBefore);
    assert!(matches!(confirm(&world, &token).await, Err(ConfirmEmailError::Failed(_))));
    world.store.reset();
    let deleted = UserStore::delete(world.store.inner(), user.id, user.epoch).await.unwrap();
    assert_eq!(deleted, GuardedWrite::Applied);
    assert!(notified(&world).await.is_empty());
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 0);
}
