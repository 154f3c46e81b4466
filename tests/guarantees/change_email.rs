//! Guarantees 4, 5 and 6 where a user's address changes: a link confirms once, for the one who asked and the
//! one mailbox it went to; of several who want an address one gets it; a reset cancels what waits.

use std::sync::Arc;

use auth_core::store::{OneTimeInsert, TokenStore};
use auth_core::{ConfirmEmailError, Email, IntentId, MailErrorKind, Message, Password};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, race};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chrono::TimeDelta;

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const NEW: &str = "countess@example.org";

fn world() -> World {
    World::with(|policy| policy.limits = auth_core::RateLimits::none())
}

async fn confirm(world: &World, token: &str) -> Result<(), ConfirmEmailError> {
    world.auth.confirm_email(token, &client()).await
}

async fn address(world: &World, user: auth_core::UserId) -> String {
    world.auth.user(user).await.unwrap().email.address().to_owned()
}

async fn reset(world: &World, address: &str) {
    let token = world.reset_token(address).await;
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_concurrent_confirmations_of_one_link_one_succeeds() {
    let world = world();
    let other = world.another_process();
    let user = world.user(ADA).await;
    let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
    world.store.fail_method("set_email", Fault::Meet(64));
    let answers = race(64, |index| {
        let auth = if index % 2 == 0 { world.auth.clone() } else { other.auth.clone() };
        let token = token.clone();
        async move { auth.confirm_email(&token, &client()).await }
    })
    .await;
    world.store.reset();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    assert!(answers.iter().all(|answer| matches!(answer, Ok(()) | Err(ConfirmEmailError::InvalidToken))));
    assert_eq!(world.auth.user(user.id).await.unwrap().epoch, user.epoch.next(), "once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_users_who_confirm_one_address_one_gets_it() {
    let world = world();
    let mut links = Vec::new();
    for number in 0..16 {
        let own = format!("user{number}@example.com");
        let user = world.user(&own).await;
        links.push((user.id, own.clone(), world.confirmation_token(&world.log_in(&own).await, NEW).await));
    }
    world.store.fail_method("set_email", Fault::Meet(16));
    let shared = Arc::new(links.clone());
    let answers = race(16, |index| {
        let (auth, links) = (world.auth.clone(), Arc::clone(&shared));
        async move { auth.confirm_email(&links[index].2, &client()).await }
    })
    .await;
    world.store.reset();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for (answer, (user, own, _)) in answers.iter().zip(&links) {
        match answer {
            Ok(()) => assert_eq!(address(&world, *user).await, NEW),
            Err(ConfirmEmailError::Taken) => assert_eq!(address(&world, *user).await, *own),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Of two links for two addresses of one user the second is dead once the first was confirmed, in
/// whatever order their requests and their writes come.
#[tokio::test]
async fn of_two_new_addresses_of_one_user_the_first_confirmed_stays() {
    for in_flight in [false, true] {
        let world = world();
        let user = world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        let (one, two) =
            (world.confirmation_token(&tokens, NEW).await, world.confirmation_token(&tokens, EVE).await);
        let late = if in_flight {
            let auth = world.auth.clone();
            let held = async move { auth.confirm_email(&one, &client()).await };
            let held = world.hold_before("set_email", held).await;
            confirm(&world, &two).await.unwrap();
            world.store.release();
            held.await.unwrap()
        } else {
            confirm(&world, &two).await.unwrap();
            confirm(&world, &one).await
        };
        assert!(matches!(late, Err(ConfirmEmailError::InvalidToken)));
        assert_eq!(address(&world, user.id).await, EVE);
    }
}

#[tokio::test]
async fn an_address_confirmed_and_registered_at_once_has_one_owner() {
    let world = world();
    let user = world.user(ADA).await;
    let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
    let auth = world.auth.clone();
    let late =
        world.hold_before("set_email", async move { auth.confirm_email(&token, &client()).await }).await;
    world.register(NEW, OTHER_PASSWORD).await;
    let unverified = world.verification_token(NEW).await;
    world.store.release();
    late.await.unwrap().expect("a registration that is not verified gives way");
    world.store.reset();
    assert_eq!(address(&world, user.id).await, NEW);
    assert!(world.auth.verify_email(&unverified, None, &client()).await.is_err());
}

#[tokio::test]
async fn a_crash_after_confirming_does_not_revive_the_link() {
    let world = world();
    world.user(ADA).await;
    let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
    world.store.fail_method("spend", Fault::ErrorBefore);
    confirm(&world, &token).await.unwrap();
    world.store.reset();
    // The user goes back meanwhile: the address of the link is free again.
    let back = world.confirmation_token(&world.log_in(NEW).await, ADA).await;
    confirm(&world, &back).await.unwrap();
    assert!(matches!(confirm(&world, &token).await, Err(ConfirmEmailError::InvalidToken)));
}

/// An attacker who took over an account and waits for a link loses it with the reset: mailed already,
/// enqueued and not mailed, or mailed again after its first attempt seemed to fail.
#[tokio::test]
async fn a_reset_cancels_a_pending_change_of_address() {
    for mailed in ["before", "after", "twice"] {
        let world = world();
        let user = world.user(ADA).await;
        let tokens = world.log_in(ADA).await;
        if mailed == "twice" {
            world.mailbox.fail_next(1, MailErrorKind::Unknown);
        }
        let token = if mailed == "after" {
            let claims = world.claims(&tokens);
            world.store.reset();
            let reset = world.reset_token(ADA).await;
            let right = Password::new(PASSWORD);
            world.auth.change_email(&claims, EVE, right, &client()).await.unwrap();
            let new = Password::new(OTHER_PASSWORD);
            world.auth.reset_password(&reset, new, &client()).await.unwrap();
            None
        } else {
            let token = world.confirmation_token(&tokens, EVE).await;
            reset(&world, ADA).await;
            Some(token)
        };
        world.wait(120);
        let links = world.mails(EVE).await;
        assert_eq!(links.len(), usize::from(token.is_some()), "{mailed}: no link is mailed after a reset");
        if let Some(token) = token {
            assert!(
                matches!(confirm(&world, &token).await, Err(ConfirmEmailError::InvalidToken)),
                "{mailed}"
            );
        }
        assert_eq!(address(&world, user.id).await, ADA);
    }
}

#[tokio::test]
async fn of_a_concurrent_reset_and_change_the_second_write_loses() {
    for reset_is_late in [false, true] {
        let world = world();
        let user = world.user(ADA).await;
        let token = world.confirmation_token(&world.log_in(ADA).await, NEW).await;
        let link = world.reset_token(ADA).await;
        let auth = world.auth.clone();
        let reset =
            async move { auth.reset_password(&link, Password::new(OTHER_PASSWORD), &client()).await.is_ok() };
        let auth = world.auth.clone();
        let confirm = async move { auth.confirm_email(&token, &client()).await.is_ok() };
        let late = if reset_is_late {
            let held = world.hold_before("set_password", reset).await;
            assert!(confirm.await);
            held
        } else {
            let held = world.hold_before("set_email", confirm).await;
            assert!(reset.await);
            held
        };
        world.store.release();
        assert!(!late.await.unwrap(), "the late write lost");
        world.store.reset();
        assert_eq!(address(&world, user.id).await, if reset_is_late { NEW } else { ADA });
        let kept = if reset_is_late { (NEW, PASSWORD) } else { (ADA, OTHER_PASSWORD) };
        assert!(world.auth.log_in(kept.0, Password::new(kept.1), &client()).await.is_ok());
    }
}

/// An attacker who can write to the token table moves the link of a mailbox to another user, or
/// to another address: the digest binds both, and the epoch.
#[tokio::test]
async fn a_link_is_bound_to_its_user_and_its_new_address() {
    for change in ["nothing", "user", "address", "epoch"] {
        let world = world();
        let (victim, eve) = (world.user(ADA).await, world.user(EVE).await);
        let token = world.confirmation_token(&world.log_in(EVE).await, "eve@attacker.example").await;
        let head = BASE64.decode(token.split('.').next().unwrap()).unwrap();
        let id = IntentId::from_bytes(head.get(1..).unwrap().try_into().unwrap());
        let store = world.store.inner();
        let mut kept = store.find_one_time(id).await.unwrap().unwrap();
        assert_eq!((kept.user_id, kept.email.address()), (eve.id, "eve@attacker.example"));
        match change {
            "user" => (kept.user_id, kept.epoch) = (victim.id, victim.epoch),
            "address" => kept.email = Email::parse("ceo@bank.example").unwrap(),
            "epoch" => {
                world.auth.log_out_everywhere(eve.id, &client()).await.unwrap();
                kept.epoch = kept.epoch.next();
            }
            _ => {}
        }
        TokenStore::purge_one_time(store, kept.expires_at, 100).await.unwrap();
        assert_eq!(store.insert_one_time(&kept).await.unwrap(), OneTimeInsert::Inserted);
        assert_eq!(confirm(&world, &token).await.is_ok(), change == "nothing", "{change}");
        assert_eq!(address(&world, victim.id).await, ADA);
    }
}

/// Two requests of one user, one of them for a mailbox of another: each link proves its own alone.
#[tokio::test]
async fn a_link_to_one_mailbox_never_confirms_another() {
    let world = world();
    let user = world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let own = world.confirmation_token(&tokens, "ada@own.example").await;
    world.confirmation_token(&tokens, "ceo@bank.example").await;
    confirm(&world, &own).await.unwrap();
    assert_eq!(address(&world, user.id).await, "ada@own.example");
}

/// What is answered and mailed when a change is asked for, and later confirmed, while somebody else may have
/// the address; with a clean-up before each step, or none at all.
async fn answers(cleans_up: bool, registered: bool, waits: [u64; 2]) -> Vec<String> {
    let world = world();
    world.user(ADA).await;
    if registered {
        world.register(NEW, OTHER_PASSWORD).await;
        world.auth.deliver_due_mails().await.unwrap();
    }
    let mut answers = Vec::new();
    world.wait(waits[0]);
    let tokens = world.log_in(ADA).await;
    for step in 0..5 {
        if cleans_up {
            assert!(world.auth.clean_up().await.unwrap().finished);
        }
        answers.push(match step {
            0 => {
                let right = Password::new(PASSWORD);
                let asked = world.auth.change_email(&world.claims(&tokens), NEW, right, &client()).await;
                let delivered = world.auth.deliver_due_mails().await.unwrap();
                world.wait(waits[1]);
                format!("{asked:?} {delivered:?}")
            }
            1 | 2 => {
                let mails = world.mailbox.mails_to(&Email::parse(NEW).unwrap());
                let token = mails.iter().rev().find_map(|mail| match &mail.message {
                    Message::ConfirmEmail { token, .. } => Some(token.expose().to_string()),
                    _ => None,
                });
                format!("{:?}", confirm(&world, &token.unwrap_or_default()).await)
            }
            3 => format!("{:?}", world.auth.deliver_due_mails().await.unwrap()),
            _ => format!("{:?}", world.auth.log_in(NEW, Password::new(PASSWORD), &client()).await.is_ok()),
        });
    }
    answers
}

/// Guarantee 14 for what a change of address stands on: links, and registrations that nobody verified.
#[tokio::test]
async fn cleaning_up_changes_no_answer_about_a_new_address() {
    let (week, half_an_hour) = (7 * 24 * 60 * 60, 30 * 60);
    let mut confirmed = 0;
    for registered in [false, true] {
        for before in [0, week, week + 1] {
            for after in [0, half_an_hour - 1, half_an_hour, week + 1] {
                let plain = answers(false, registered, [before, after]).await;
                let clean = answers(true, registered, [before, after]).await;
                assert_eq!(clean, plain, "registered {registered}, {before} s and {after} s");
                confirmed += usize::from(plain.last().unwrap() == "true");
            }
        }
    }
    assert_eq!(confirmed, 12, "in time, whether or not somebody registered the address without verifying it");
}

#[tokio::test]
async fn a_link_ends_half_an_hour_after_its_first_sending() {
    for (late, works) in [(TimeDelta::microseconds(1), true), (TimeDelta::zero(), false)] {
        let world = world();
        world.user(ADA).await;
        let claims = world.claims(&world.log_in(ADA).await);
        let right = Password::new(PASSWORD);
        world.auth.change_email(&claims, NEW, right, &client()).await.unwrap();
        world.wait(100);
        world.mailbox.fail_next(3, MailErrorKind::Unknown);
        let first_sent = auth_core::Clock::now(&world.clock);
        for _ in 0..6 {
            world.auth.deliver_due_mails().await.unwrap();
            world.wait(60);
        }
        let mails = world.mailbox.mails_to(&Email::parse(NEW).unwrap());
        assert!(mails.len() > 2, "sent again and again");
        let ends_at = first_sent + TimeDelta::minutes(30);
        let links: Vec<String> = mails
            .iter()
            .map(|mail| {
                let Message::ConfirmEmail { token, expires_at, .. } = &mail.message else { panic!() };
                assert_eq!(*expires_at, ends_at);
                token.expose().to_string()
            })
            .collect();
        assert!(links.windows(2).all(|pair| pair[0] == pair[1]), "one link");
        world.clock.set(ends_at - late);
        assert_eq!(confirm(&world, &links[0]).await.is_ok(), works);
    }
}
