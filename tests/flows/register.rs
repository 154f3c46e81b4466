//! Registering and verifying: above all, that nobody who registers first owns somebody else's account
//! ("Pre-hijacking attacks", Sudhodanan and Paverd, 2022).

use std::time::Duration;

use auth_core::{
    Email, EmailError, LogInError, Message, NameError, Password, PasswordError, RegisterError, User,
    VerificationProof, VerifyEmailError,
};
use auth_testkit::Fault;
use auth_tests::{PASSWORD, World, client, race};

const ADA: &str = "ada@example.com";
/// What somebody else typed who does not read Ada's mail.
const RIVAL: &str = "mallory was here first";

/// Registers and takes the link out of the mail that this attempt caused.
async fn attempt(world: &World, address: &str, password: &str, name: Option<&str>) -> String {
    world.mailbox.take();
    world.auth.register(address, Password::new(password), name, &client()).await.unwrap();
    world.verification_token(address).await
}

async fn verify(world: &World, link: &str) -> Result<(), VerifyEmailError> {
    world.auth.verify_email(link, None, &client()).await
}

async fn row(world: &World, address: &str) -> Option<User> {
    world.store.inner().find_by_email(&Email::parse(address).unwrap()).await.unwrap()
}

fn kinds(world: &World) -> Vec<&'static str> {
    let kind = |message: &Message| match message {
        Message::VerifyEmail { .. } => "verify",
        Message::ResetPassword { .. } => "reset",
        Message::AlreadyRegistered { .. } => "already",
        _ => "other",
    };
    world.mailbox.mails().iter().map(|mail| kind(&mail.message)).collect()
}

#[tokio::test]
async fn an_unverified_user_logs_in_only_after_opening_the_link() {
    let world = World::new();
    let link = attempt(&world, ADA, PASSWORD, None).await;
    let early = world.auth.log_in(ADA, Password::new(PASSWORD), &client()).await;
    assert!(matches!(early, Err(LogInError::EmailNotVerified)));
    assert!(!world.logs_in(ADA, RIVAL).await, "only the right password learns that");
    verify(&world, &link).await.unwrap();
    assert!(world.logs_in(ADA, PASSWORD).await);
}

#[tokio::test]
async fn a_lost_answer_of_the_database_hides_no_verification() {
    for contested in [false, true] {
        let world = World::new();
        if contested {
            attempt(&world, ADA, RIVAL, None).await;
        }
        let link = attempt(&world, ADA, PASSWORD, None).await;
        world.store.fail_method("verify_email", Fault::ErrorBefore);
        assert!(matches!(verify(&world, &link).await, Err(VerifyEmailError::Failed(_))));
        world.store.fail_method("verify_email", Fault::ErrorAfterCommit);
        verify(&world, &link).await.unwrap();
        world.store.reset();
        assert!(world.logs_in(ADA, PASSWORD).await, "contested: {contested}");
    }
}

#[tokio::test]
async fn the_owner_registering_second_gets_in_and_the_first_does_not() {
    let world = World::new();
    let rivals = attempt(&world, ADA, RIVAL, Some("Mallory")).await;
    let own = attempt(&world, ADA, PASSWORD, Some("Ada")).await;
    assert!(row(&world, ADA).await.unwrap().contested_at.is_some());
    verify(&world, &own).await.unwrap();
    assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVAL).await);
    assert!(matches!(verify(&world, &rivals).await, Err(VerifyEmailError::InvalidToken)));
    let user = row(&world, ADA).await.unwrap();
    assert_eq!(user.name.unwrap().as_str(), "Ada");
    assert!(user.contested_at.is_none());
}

#[tokio::test]
async fn the_owner_registering_first_gets_in_and_the_second_does_not() {
    let world = World::new();
    let own = attempt(&world, ADA, PASSWORD, Some("Ada")).await;
    let rivals = attempt(&world, ADA, RIVAL, Some("Mallory")).await;
    verify(&world, &own).await.unwrap();
    assert!(matches!(verify(&world, &rivals).await, Err(VerifyEmailError::InvalidToken)));
    assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVAL).await);
    assert_eq!(row(&world, ADA).await.unwrap().name.unwrap().as_str(), "Ada");
}

/// A name that this attempt left out is not filled by a rival's.
#[tokio::test]
async fn an_attempt_without_a_name_leaves_none_of_a_rivals() {
    let world = World::new();
    attempt(&world, ADA, RIVAL, Some("Mallory")).await;
    let own = attempt(&world, ADA, PASSWORD, None).await;
    verify(&world, &own).await.unwrap();
    assert!(row(&world, ADA).await.unwrap().name.is_none());
}

/// Else anybody could have a text of their choice mailed to anybody.
#[tokio::test]
async fn a_mail_to_an_unverified_address_has_no_name() {
    let world = World::new();
    for (password, name) in
        [(RIVAL, Some("Mallory says visit evil.example")), (PASSWORD, Some("Ada")), (RIVAL, None)]
    {
        attempt(&world, ADA, password, name).await;
        assert_eq!(world.mailbox.mails().len(), 1);
        assert!(world.mailbox.mails()[0].name.is_none());
    }
}

/// The stated limit, and the policy that closes it.
#[tokio::test]
async fn the_policy_decides_whether_a_link_needs_its_password() {
    for first in [RIVAL, PASSWORD] {
        let second = if first == RIVAL { PASSWORD } else { RIVAL };
        let world = World::new();
        let (one, other) =
            (attempt(&world, ADA, first, None).await, attempt(&world, ADA, second, None).await);
        let rivals = if first == RIVAL { one } else { other };
        verify(&world, &rivals).await.unwrap();
        assert!(world.logs_in(ADA, RIVAL).await, "the stated limit");

        let world = World::with(|policy| {
            policy.links.verification_proof = VerificationProof::LinkAndPassword;
        });
        let (one, other) =
            (attempt(&world, ADA, first, None).await, attempt(&world, ADA, second, None).await);
        let (rivals, own) = if first == RIVAL { (one, other) } else { (other, one) };
        let with = |password: &str| Some(Password::new(password));
        let refused = world.auth.verify_email(&rivals, with(PASSWORD), &client()).await;
        assert!(matches!(refused, Err(VerifyEmailError::WrongPassword)));
        assert!(matches!(verify(&world, &rivals).await, Err(VerifyEmailError::PasswordRequired)));
        let refused = world.auth.verify_email(&own, with(RIVAL), &client()).await;
        assert!(matches!(refused, Err(VerifyEmailError::WrongPassword)), "a rival with a stolen link");
        world.auth.verify_email(&own, with(PASSWORD), &client()).await.unwrap();
        assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVAL).await);
    }
}

#[tokio::test]
async fn a_resent_link_verifies_an_uncontested_address() {
    let world = World::new();
    let first = attempt(&world, ADA, PASSWORD, None).await;
    world.mailbox.take();
    world.auth.resend_verification(ADA, &client()).await.unwrap();
    let second = world.verification_token(ADA).await;
    assert_ne!(first, second);
    verify(&world, &second).await.unwrap();
    assert!(matches!(verify(&world, &first).await, Err(VerifyEmailError::InvalidToken)), "verified already");
    assert!(world.logs_in(ADA, PASSWORD).await);
}

/// For a contested address, the row's password may belong to anyone: the mailbox owner sets a new one.
#[tokio::test]
async fn a_link_resent_for_a_contested_address_resets_the_password() {
    for (first, second) in [(RIVAL, PASSWORD), (PASSWORD, RIVAL)] {
        let world = World::new();
        let links = [attempt(&world, ADA, first, None).await, attempt(&world, ADA, second, None).await];
        world.mailbox.take();
        world.auth.resend_verification(ADA, &client()).await.unwrap();
        world.auth.deliver_due_mails().await.unwrap();
        assert_eq!(kinds(&world), ["reset"]);
        let reset = match &world.mailbox.mails()[0].message {
            Message::ResetPassword { token, .. } => token.expose().to_string(),
            message => panic!("{message:?}"),
        };
        world.auth.reset_password(&reset, Password::new("a third fine passphrase"), &client()).await.unwrap();
        for link in &links {
            assert!(matches!(verify(&world, link).await, Err(VerifyEmailError::InvalidToken)));
        }
        assert!(!world.logs_in(ADA, RIVAL).await && !world.logs_in(ADA, PASSWORD).await);
        assert!(world.logs_in(ADA, "a third fine passphrase").await);
        let user = row(&world, ADA).await.unwrap();
        assert!(user.email_verified() && user.contested_at.is_none());
    }
}

#[tokio::test]
async fn a_reset_verifies_the_address_and_ends_registration_links() {
    let world = World::new();
    let rivals = attempt(&world, ADA, RIVAL, None).await;
    let reset = world.reset_token(ADA).await;
    world.auth.reset_password(&reset, Password::new(PASSWORD), &client()).await.unwrap();
    assert!(verify(&world, &rivals).await.is_err());
    assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVAL).await);
}

/// A later registration changes nothing about a verified account, and its owner gets a notice.
#[tokio::test]
async fn registering_a_verified_address_only_notifies_its_owner() {
    let world = World::new();
    let user = world.user(ADA).await;
    world.mailbox.take();
    for _ in 0..2 {
        world.auth.register(ADA, Password::new(RIVAL), Some("Mallory"), &client()).await.unwrap();
    }
    world.auth.resend_verification(ADA, &client()).await.unwrap();
    world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(kinds(&world), ["already", "already"]);
    let now = row(&world, ADA).await.unwrap();
    assert_eq!((now.id, now.epoch, now.name), (user.id, user.epoch, None));
    assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVAL).await);
}

#[tokio::test]
async fn a_disabled_account_gets_no_mail_and_stays_disabled() {
    let world = World::new();
    let user = world.user(ADA).await;
    world.auth.disable_user(user.id).await.unwrap();
    world.mailbox.take();
    world.register(ADA, RIVAL).await;
    world.auth.resend_verification(ADA, &client()).await.unwrap();
    world.auth.forgot_password(ADA, &client()).await.unwrap();
    world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(kinds(&world), Vec::<&str>::new());
    assert!(!world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVAL).await);
}

/// Thirty-two attempts at once: one row, and the password of the used link and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_attempts_at_once_the_one_whose_link_is_used_wins() {
    let world = World::with(|policy| policy.limits.register_mailbox = None);
    let password = |index| format!("{index} blue herons on the lake");
    race(32, |index| {
        let auth = world.auth.clone();
        async move { auth.register(ADA, Password::new(password(index)), None, &client()).await.unwrap() }
    })
    .await;
    assert_eq!(world.events.count("user_created"), 1);
    let mails = world.mails(ADA).await;
    let links: Vec<String> = mails
        .iter()
        .filter_map(|mail| match &mail.message {
            Message::VerifyEmail { token, .. } => Some(token.expose().to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(links.len(), 32);
    verify(&world, &links[17]).await.unwrap();
    let mut working = 0;
    for index in 0..32 {
        working += usize::from(world.logs_in(ADA, &password(index)).await);
    }
    assert_eq!(working, 1);
    for link in &links {
        assert!(verify(&world, link).await.is_err());
    }
}

/// One mailbox, one account, one spelling that is mailed: the one its owner registered.
#[tokio::test]
async fn spellings_of_one_address_are_one_account() {
    let world = World::new();
    let stored = "Ada.Lovelace@xn--bcher-kva.example";
    let spellings = [
        "ada.lovelace@bücher.example",
        "ADA.LOVELACE@BÜCHER.EXAMPLE",
        " Ada.Lovelace@Bücher.example\n",
        "ada.lovelace@xn--bcher-kva.example",
        "ada.lovelace@XN--BCHER-KVA.example",
        "ada.lovelace@bu\u{308}cher.example",
        "ada.lovelace@ｂücher.example",
    ];
    let link = attempt(&world, "Ada.Lovelace@Bücher.example", PASSWORD, None).await;
    verify(&world, &link).await.unwrap();
    for (nth, spelling) in spellings.into_iter().enumerate() {
        if nth.is_multiple_of(3) {
            world.wait(60 * 60);
        }
        world.auth.log_in(spelling, Password::new(PASSWORD), &client()).await.unwrap();
        world.auth.deliver_due_mails().await.unwrap();
        world.mailbox.take();
        world.register(spelling, RIVAL).await;
        world.auth.forgot_password(spelling, &client()).await.unwrap();
        world.auth.deliver_due_mails().await.unwrap();
        let mut said = kinds(&world);
        said.sort_unstable();
        assert_eq!(said, ["already", "reset"], "{spelling}");
        assert!(world.mailbox.mails().iter().all(|mail| mail.to.address() == stored), "{spelling}");
    }
    assert_eq!(world.events.count("user_created"), 1);
}

/// Look-alikes are other mailboxes, and get nothing of Ada's.
#[tokio::test]
async fn look_alikes_of_an_address_are_strangers() {
    let world = World::new();
    world.user("ada@example.com").await;
    world.mailbox.take();
    for other in [
        "a.da@example.com",
        "ada+tag@example.com",
        "ada@еxample.com",
        "ada@example.com.evil.example",
        "ada@exampIe.co",
        "ada@example.co",
        "ada@ex-ample.com",
    ] {
        assert!(world.auth.log_in(other, Password::new(PASSWORD), &client()).await.is_err(), "{other}");
        world.auth.forgot_password(other, &client()).await.unwrap();
    }
    for malformed in ["ada@example.com,eve@example.com", "ada@example.com eve@example.com", "аda@example.com"]
    {
        assert!(world.auth.forgot_password(malformed, &client()).await.is_err(), "{malformed}");
    }
    world.auth.deliver_due_mails().await.unwrap();
    assert!(world.mailbox.mails().is_empty());
}

#[tokio::test]
async fn all_invalid_fields_are_named_at_once() {
    let world = World::new();
    let cases = [
        ("no address", "short", Some("a\nb"), [true, true, true]),
        ("no address", PASSWORD, None, [true, false, false]),
        (ADA, "short", Some("Ada"), [false, true, false]),
        (ADA, PASSWORD, Some("a\u{202e}b"), [false, false, true]),
        ("", "", Some(" \n"), [true, true, false]),
    ];
    for (email, password, name, wrong) in cases {
        let refused = world.auth.register(email, Password::new(password), name, &client()).await;
        let Err(RegisterError::Invalid(invalid)) = refused else { panic!("{refused:?}") };
        let found = [invalid.email.is_some(), invalid.password.is_some(), invalid.name.is_some()];
        assert_eq!(found, wrong, "{invalid}");
    }
    let refused = world.auth.register("a@", Password::new("1234567"), Some("a\tb"), &client()).await;
    let Err(RegisterError::Invalid(invalid)) = refused else { panic!("{refused:?}") };
    assert_eq!(invalid.email, Some(EmailError::Domain));
    assert_eq!(invalid.password, Some(PasswordError::TooShort { min: 8 }));
    assert_eq!(invalid.name, Some(NameError::ControlCharacter));
    let all = format!(
        "{}; {}; {}",
        EmailError::Domain,
        PasswordError::TooShort { min: 8 },
        NameError::ControlCharacter
    );
    assert_eq!(invalid.to_string(), all);
    assert!(world.store.calls().is_empty());
}

/// An address that nobody verified in time is free again, and links from before are dead.
#[tokio::test]
async fn an_abandoned_registration_makes_room_for_a_new_one() {
    let world = World::new();
    let old = attempt(&world, ADA, RIVAL, None).await;
    let abandoned = row(&world, ADA).await.unwrap().id;
    world.wait(8 * 24 * 60 * 60);
    assert_eq!(world.auth.clean_up().await.unwrap().unverified_users, 1);
    let own = attempt(&world, ADA, PASSWORD, None).await;
    assert!(verify(&world, &old).await.is_err());
    verify(&world, &own).await.unwrap();
    assert_ne!(row(&world, ADA).await.unwrap().id, abandoned);
    assert!(world.logs_in(ADA, PASSWORD).await && !world.logs_in(ADA, RIVAL).await);
}

/// Clean-up may delete who never verified after seven days. Nothing depends on whether it has: the link
/// ends before, and from then on there is no such account.
#[tokio::test]
async fn neither_link_nor_account_outlives_an_abandoned_registration() {
    let world = World::new();
    world.register(ADA, PASSWORD).await;
    // Ten minutes before the seven days end.
    world.clock.advance(Duration::from_mins(7 * 24 * 60 - 10));
    world.auth.resend_verification(ADA, &client()).await.unwrap();
    let link = world.verification_token(ADA).await;
    let unverified = world.auth.log_in(ADA, Password::new(PASSWORD), &client()).await;
    assert!(matches!(unverified, Err(LogInError::EmailNotVerified)));
    // The link would be good for 30 minutes, but its user is kept for 10 more.
    world.clock.advance(Duration::from_mins(10) + Duration::from_micros(1));
    let late = world.auth.verify_email(&link, None, &client()).await;
    assert!(matches!(late, Err(VerifyEmailError::InvalidToken)));
    let absent = world.auth.log_in(ADA, Password::new(PASSWORD), &client()).await;
    assert!(matches!(absent, Err(LogInError::InvalidCredentials)));
    world.mailbox.take();
    world.auth.forgot_password(ADA, &client()).await.unwrap();
    assert_eq!(world.mails(ADA).await.len(), 0);
    world.register(ADA, PASSWORD).await;
    let link = world.verification_token(ADA).await;
    world.auth.verify_email(&link, None, &client()).await.unwrap();
}
