//! Guarantee 8: every mail request is sent at least once, with one link, or ends visibly
//! dead-lettered. Which mails are requested and what becomes of them; `delivery.rs` proves the worker.

use std::time::Duration;

use auth_core::{Clock, Delivered, EventKind, Mail, MailErrorKind, Message, Password, RegisterError, User};
use auth_testkit::Fault;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, run_until, text};

const ADA: &str = "ada@example.com";
/// As stored, and as others may write it.
const STORED: &str = "Ada.L@example.com";
const WRITTEN: &str = "aDA.l@EXAMPLE.com";
/// The password of a second registration of the stored address.
const OLD: &str = "old@example.com";

fn world() -> World {
    World::with(|policy| policy.limits = auth_core::RateLimits::none())
}

fn kind(mail: &Mail) -> &'static str {
    match mail.message {
        Message::VerifyEmail { .. } => "verify",
        Message::ResetPassword { .. } => "reset",
        Message::AlreadyRegistered { .. } => "already registered",
        Message::PasswordChanged { .. } => "password changed",
        Message::SessionsEnded { .. } => "sessions ended",
        Message::ConfirmEmail { .. } => "confirm",
        Message::EmailChanged { .. } => "email changed",
        Message::UnknownDevice { .. } => "unknown device",
        Message::AccountDeleted { .. } => "account deleted",
        _ => "unknown",
    }
}

fn link(mail: &Mail) -> Option<String> {
    mail.message.token().map(|token| token.expose().to_string())
}

/// What makes the library enqueue a mail, by the mail it leads to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    Register,
    RegisterTaken,
    Resend,
    ResendContested,
    Forgot,
    Change,
    Reset,
    Reuse,
    ChangeEmail,
    ChangeEmailTaken,
}

const CAUSES: [(Cause, &str); 10] = [
    (Cause::Register, "verify"),
    (Cause::RegisterTaken, "already registered"),
    (Cause::Resend, "verify"),
    (Cause::ResendContested, "reset"),
    (Cause::Forgot, "reset"),
    (Cause::Change, "password changed"),
    (Cause::Reset, "password changed"),
    (Cause::Reuse, "sessions ended"),
    (Cause::ChangeEmail, "confirm"),
    (Cause::ChangeEmailTaken, "already registered"),
];

/// Sets up what a cause needs, delivers its mails and empties the mailbox; then lets the
/// cause happen.
async fn enqueue(world: &World, cause: Cause) {
    match cause {
        Cause::Register | Cause::ChangeEmail => {}
        Cause::Resend => world.register(STORED, PASSWORD).await,
        Cause::ResendContested => {
            world.register(STORED, PASSWORD).await;
            world.register(WRITTEN, OTHER_PASSWORD).await;
        }
        _ => drop(world.user(STORED).await),
    }
    if matches!(cause, Cause::ChangeEmail | Cause::ChangeEmailTaken) {
        world.user(OLD).await;
    }
    world.wait(60);
    let token = if cause == Cause::Reset { Some(world.reset_token(WRITTEN).await) } else { None };
    world.auth.deliver_due_mails().await.unwrap();
    world.mailbox.take();
    match cause {
        Cause::Register => world.register(STORED, PASSWORD).await,
        Cause::RegisterTaken => world.register(WRITTEN, OTHER_PASSWORD).await,
        Cause::Resend | Cause::ResendContested => {
            world.auth.resend_verification(WRITTEN, &client()).await.unwrap();
        }
        Cause::Forgot => world.auth.forgot_password(WRITTEN, &client()).await.unwrap(),
        Cause::Change => {
            let claims = world.claims(&world.log_in(WRITTEN).await);
            let (old, new) = (Password::new(PASSWORD), Password::new(OTHER_PASSWORD));
            world.auth.change_password(&claims, old, new, &client()).await.unwrap();
        }
        Cause::Reset => {
            let password = Password::new(OTHER_PASSWORD);
            world.auth.reset_password(&token.unwrap(), password, &client()).await.unwrap();
        }
        Cause::ChangeEmail | Cause::ChangeEmailTaken => {
            let claims = world.claims(&world.log_in(OLD).await);
            // A free address is mailed to as it was asked for.
            let wanted = if cause == Cause::ChangeEmail { STORED } else { WRITTEN };
            world.auth.change_email(&claims, wanted, Password::new(PASSWORD), &client()).await.unwrap();
        }
        Cause::Reuse => {
            let stolen = text(&world.log_in(WRITTEN).await);
            world.auth.refresh(&stolen, &client()).await.unwrap();
            world.auth.refresh(&stolen, &client()).await.unwrap_err();
        }
    }
}

/// Whether the link of a mail does what the mail says; mails without a link are always good.
async fn works(world: &World, mail: &Mail) -> bool {
    match &mail.message {
        Message::VerifyEmail { token, .. } => {
            world.auth.verify_email(&token.expose(), None, &client()).await.is_ok()
        }
        Message::ResetPassword { token, .. } => {
            let password = Password::new(OTHER_PASSWORD);
            world.auth.reset_password(&token.expose(), password, &client()).await.is_ok()
        }
        Message::ConfirmEmail { token, .. } => {
            world.auth.confirm_email(&token.expose(), &client()).await.is_ok()
        }
        _ => true,
    }
}

async fn assert_settled(world: &World) {
    let stats = world.auth.outbox_stats().await.unwrap();
    assert_eq!((stats.queued, stats.dead), (0, 0));
}

#[tokio::test]
async fn each_accepted_request_sends_one_mail_to_the_stored_address() {
    for (cause, expected) in CAUSES {
        let world = world();
        enqueue(&world, cause).await;
        let delivered = world.auth.deliver_due_mails().await.unwrap();
        assert_eq!(delivered, Delivered { sent: 1, ..Delivered::default() }, "{cause:?}");
        let [mail] = &world.mailbox.mails()[..] else { panic!("{cause:?}") };
        assert_eq!((kind(mail), mail.to.address()), (expected, STORED), "{cause:?}");
        assert!(works(&world, mail).await, "{cause:?}");
        world.auth.deliver_due_mails().await.unwrap();
        assert_settled(&world).await;
    }
}

#[tokio::test]
async fn intents_that_need_no_mail_are_dropped_in_one_pass() {
    let world = world();
    let verified = world.user(ADA).await;
    let disabled = world.user("eve@example.com").await;
    world.auth.disable_user(disabled.id).await.unwrap();
    world.mailbox.take();
    for address in ["nobody@example.com", "eve@example.com"] {
        world.auth.forgot_password(address, &client()).await.unwrap();
        world.auth.resend_verification(address, &client()).await.unwrap();
    }
    world.auth.resend_verification(verified.email.address(), &client()).await.unwrap();
    world.register("eve@example.com", PASSWORD).await;
    let delivered = world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(delivered, Delivered { dropped: 6, ..Delivered::default() });
    assert_eq!(world.mailbox.mails().len(), 0);
    assert_settled(&world).await;
}

#[tokio::test]
async fn a_failed_mail_is_retried_with_growing_waits_and_one_link() {
    for (cause, _) in CAUSES {
        for failure in [MailErrorKind::Transient, MailErrorKind::Unknown] {
            let world = world();
            enqueue(&world, cause).await;
            world.mailbox.fail_next(6, failure);
            for attempt in 1..=6_u32 {
                let delivered = world.auth.deliver_due_mails().await.unwrap();
                assert_eq!(delivered, Delivered { retried: 1, ..Delivered::default() });
                let Some(EventKind::MailRetried { retry_in, attempt: at, .. }) = world.events.kinds().pop()
                else {
                    panic!("no event")
                };
                let least = Duration::from_secs(1 << (attempt - 1));
                assert!(at == attempt && retry_in >= least && retry_in <= 2 * least, "{retry_in:?}");
                // Stores keep microseconds; so does the time of the next attempt.
                world.clock.advance(retry_in.saturating_sub(Duration::from_micros(1)));
                let early = world.auth.deliver_due_mails().await.unwrap();
                assert_eq!(early, Delivered::default(), "not before its time");
                world.clock.advance(Duration::from_micros(1));
            }
            assert_eq!(world.auth.deliver_due_mails().await.unwrap().sent, 1);
            let mails = world.mailbox.mails();
            let arrived = if failure == MailErrorKind::Unknown { 7 } else { 1 };
            assert_eq!(mails.len(), arrived, "{cause:?}");
            let newest = mails.last().unwrap();
            for mail in &mails {
                assert_eq!((mail.id, link(mail)), (newest.id, link(newest)), "{cause:?}");
            }
            assert!(works(&world, newest).await, "{cause:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_mail_is_a_dead_letter_that_can_be_requeued() {
    for (cause, expected) in CAUSES {
        let world = world();
        enqueue(&world, cause).await;
        world.mailbox.fail_next(1, MailErrorKind::Permanent);
        let delivered = world.auth.deliver_due_mails().await.unwrap();
        assert_eq!(delivered, Delivered { dead_lettered: 1, ..Delivered::default() });
        let [letter] = &world.auth.dead_letters(10).await.unwrap()[..] else { panic!("{cause:?}") };
        assert_eq!(letter.attempts, 1);
        assert!(letter.reason.contains("mailbox") && !letter.reason.contains('@'), "{}", letter.reason);
        assert_eq!(world.events.count("mail_dead_lettered"), 1);
        // However late, it is mailed as if it had just been enqueued.
        world.wait(2 * 24 * 3600);
        assert_eq!(world.auth.deliver_due_mails().await.unwrap(), Delivered::default());
        world.auth.requeue_dead_letter(letter.intent.id).await.unwrap();
        assert_eq!(world.auth.deliver_due_mails().await.unwrap().sent, 1, "{cause:?}");
        let [mail] = &world.mailbox.mails()[..] else { panic!("{cause:?}") };
        assert_eq!((kind(mail), mail.to.address()), (expected, STORED));
        assert_ne!(mail.id, letter.intent.id, "a new link, and a new message");
        assert!(works(&world, mail).await, "{cause:?}");
        assert!(world.auth.requeue_dead_letter(letter.intent.id).await.is_err(), "only once");
    }
}

#[tokio::test]
async fn a_mail_past_its_deadline_is_a_dead_letter_and_never_sent() {
    // The mailer may fail all the time, or no worker run.
    for ((cause, expected), tried) in CAUSES.into_iter().flat_map(|cause| [(cause, true), (cause, false)]) {
        let world = world();
        enqueue(&world, cause).await;
        let minutes = match (cause, expected) {
            (Cause::Register | Cause::RegisterTaken | Cause::ChangeEmail | Cause::ChangeEmailTaken, _) => 30,
            (_, "verify" | "reset") => 15,
            _ => 24 * 60,
        };
        world.mailbox.fail_always(MailErrorKind::Transient);
        let enqueued_at = world.clock.now();
        for _ in 0..if tried { 20 } else { 0 } {
            world.auth.deliver_due_mails().await.unwrap();
            world.clock.set(enqueued_at + Duration::from_mins(minutes) - Duration::from_micros(1));
            assert_eq!(world.auth.dead_letters(10).await.unwrap().len(), 0, "{cause:?} given up too early");
        }
        world.clock.set(enqueued_at + Duration::from_mins(minutes));
        world.mailbox.recover();
        for _ in 0..10 {
            world.auth.deliver_due_mails().await.unwrap();
            world.wait(120);
        }
        assert_eq!(world.mailbox.mails().len(), 0, "{cause:?}");
        let [letter] = &world.auth.dead_letters(10).await.unwrap()[..] else { panic!("{cause:?}") };
        assert_eq!(letter.reason, "not sent within its lifetime", "{cause:?}");
    }
}

/// The old address is no longer the user's when the notice is sent, and may be read by nobody.
#[tokio::test]
async fn both_addresses_get_notices_despite_mailer_failures() {
    for failure in [MailErrorKind::Transient, MailErrorKind::Unknown, MailErrorKind::Permanent] {
        let world = world();
        world.user(OLD).await;
        let token = world.confirmation_token(&world.log_in(OLD).await, STORED).await;
        world.mailbox.take();
        world.auth.confirm_email(&token, &client()).await.unwrap();
        world.mailbox.fail_next(2, failure);
        let delivered = world.auth.deliver_due_mails().await.unwrap();
        world.mailbox.take();
        if failure == MailErrorKind::Permanent {
            assert_eq!(delivered, Delivered { dead_lettered: 2, ..Delivered::default() });
            for letter in world.auth.dead_letters(10).await.unwrap() {
                assert!(!letter.reason.contains('@'), "{}", letter.reason);
                world.auth.requeue_dead_letter(letter.intent.id).await.unwrap();
            }
        } else {
            assert_eq!(delivered, Delivered { retried: 2, ..Delivered::default() });
            world.wait(60);
        }
        assert_eq!(world.auth.deliver_due_mails().await.unwrap().sent, 2, "{failure:?}");
        let mails = world.mailbox.mails();
        assert!(mails.iter().all(|mail| kind(mail) == "email changed"));
        let mut to: Vec<&str> = mails.iter().map(|mail| mail.to.address()).collect();
        to.sort_unstable();
        assert_eq!(to, [STORED, OLD], "{failure:?}");
        assert_settled(&world).await;
    }
}

#[tokio::test]
async fn after_the_last_attempt_a_mail_is_a_dead_letter() {
    let world = World::with(|policy| policy.mail.max_attempts = 3);
    enqueue(&world, Cause::Forgot).await;
    world.mailbox.fail_always(MailErrorKind::Transient);
    let mut dead_lettered = Vec::new();
    for _ in 0..5 {
        dead_lettered.push(world.auth.deliver_due_mails().await.unwrap().dead_lettered);
        world.wait(60);
    }
    assert_eq!(dead_lettered, [0, 0, 1, 0, 0]);
    assert_eq!(world.auth.dead_letters(10).await.unwrap().first().unwrap().attempts, 3);
}

async fn stored(world: &World, address: &str) -> Option<User> {
    let email = auth_core::Email::parse(address).unwrap();
    world.store.inner().find_by_email(&email).await.unwrap()
}

#[tokio::test]
async fn an_orphan_intent_is_dropped_after_the_grace() {
    let world = world();
    world.store.fail_call(1, Fault::ErrorBefore);
    let answer = world.auth.register(ADA, Password::new(PASSWORD), None, &client()).await;
    assert!(matches!(answer, Err(RegisterError::Failed(_))));
    assert!(stored(&world, ADA).await.is_none());
    let mut dropped_after = 0;
    while world.auth.deliver_due_mails().await.unwrap().dropped == 0 {
        assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 1);
        world.wait(1);
        dropped_after += 1;
        assert!(dropped_after <= 600, "it is never dropped");
    }
    assert!(dropped_after >= 300, "{dropped_after} s");
    assert_eq!(world.mailbox.mails().len(), 0);
    assert_settled(&world).await;
}

#[tokio::test]
async fn an_intent_seen_before_its_record_is_mailed_later() {
    let world = world();
    world.store.fail_call(1, Fault::Meet(usize::MAX));
    let auth = world.auth.clone();
    let register = async move { auth.register(ADA, Password::new(PASSWORD), None, &client()).await };
    let register = tokio::spawn(register);
    run_until("the record is written", || {
        assert!(!register.is_finished(), "the record was never written");
        world.store.calls().len() >= 2
    })
    .await;
    for _ in 0..30 {
        let delivered = world.auth.deliver_due_mails().await.unwrap();
        assert_eq!((delivered.sent, delivered.dropped, delivered.dead_lettered), (0, 0, 0));
        world.wait(1);
    }
    world.store.release();
    register.await.unwrap().unwrap();
    world.wait(60);
    let token = world.verification_token(ADA).await;
    world.auth.verify_email(&token, None, &client()).await.unwrap();
    assert_eq!(world.mailbox.mails().len(), 1);
}

/// The rival's request ended between its row that was not written and the mark on the row that was.
#[tokio::test]
async fn the_worker_marks_the_contest_of_a_crashed_registration() {
    let world = world();
    world.register(ADA, PASSWORD).await;
    world.verification_token(ADA).await;
    world.store.fail_method("mark_contested", Fault::ErrorBefore);
    let answer = world.auth.register(ADA, Password::new(OTHER_PASSWORD), None, &client()).await;
    assert!(matches!(answer, Err(RegisterError::Failed(_))));
    world.store.reset();
    assert!(stored(&world, ADA).await.unwrap().contested_at.is_none());
    let token = world.verification_token(ADA).await;
    assert!(stored(&world, ADA).await.unwrap().contested_at.is_some());
    world.auth.verify_email(&token, None, &client()).await.unwrap();
    world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
}

/// However a registration ends, a user that was stored gets a valid link.
#[tokio::test]
async fn a_crashed_registration_leaves_no_user_without_a_mail() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfterCommit, Fault::Panic, Fault::Hang] {
        for call in 0..3 {
            let world = world();
            world.store.fail_call(call, fault);
            let auth = world.auth.clone();
            let work = async move { auth.register(ADA, Password::new(PASSWORD), None, &client()).await };
            let work = tokio::spawn(work);
            let hangs = || fault == Fault::Hang && world.store.calls().len() > call;
            run_until("it has died", || work.is_finished() || hangs()).await;
            work.abort();
            assert!(!matches!(work.await, Ok(Ok(()))), "{fault:?} at {call}");
            world.store.reset();
            let written = stored(&world, ADA).await.is_some();
            for _ in 0..4 {
                world.auth.deliver_due_mails().await.unwrap();
                world.wait(151);
            }
            assert_eq!(world.mailbox.mails().len(), usize::from(written), "{fault:?} at {call}");
            assert_settled(&world).await;
            world.register(ADA, OTHER_PASSWORD).await;
            let token = world.verification_token(ADA).await;
            world.auth.verify_email(&token, None, &client()).await.unwrap();
            world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
        }
    }
}
