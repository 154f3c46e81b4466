//! Guarantee 8, the worker: leases, several workers, crashes at any call, and the background task.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::{
    Auth, Delivered, EventKind, Mail, MailError, MailErrorKind, Mailbox, Mailer, MemoryStore, Message,
    Password, User,
};
use auth_testkit::{FakeClock, Fault, Faulty, cheap_hashing};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, race, run_until};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const ADA: &str = "ada@example.com";

/// A world whose mails pass a mailer that fails as configured, before the world's own mailbox.
fn world() -> (World, Faulty<Mailbox>) {
    with_faulty_mailer(&World::with(|policy| policy.limits = auth_core::RateLimits::none()))
}

/// For paused time.
fn world_in_memory() -> (World, Faulty<Mailbox>) {
    with_faulty_mailer(&World::in_memory(|policy| policy.limits = auth_core::RateLimits::none()))
}

fn with_faulty_mailer(world: &World) -> (World, Faulty<Mailbox>) {
    let mailer = Faulty::new(world.mailbox.clone());
    (world.process_with(mailer.clone(), |_| {}), mailer)
}

/// Enqueues one mail to each of this number of users.
async fn enqueue(world: &World, count: usize) {
    for index in 0..count {
        world.register(&format!("user{index}@example.com"), PASSWORD).await;
    }
}

/// Starts a pass and drops it, as a killed process would, once the mailer or store was called.
async fn die_at<S: ?Sized + Send + Sync>(world: &World, place: &Faulty<S>, call: usize) {
    let auth = world.auth.clone();
    let pass = tokio::spawn(async move { auth.deliver_due_mails().await });
    run_until("it may die", || place.calls().len() > call || pass.is_finished()).await;
    pass.abort();
    let _killed = pass.await;
}

/// All copies of the mail are one mail with one link, and the link works.
async fn assert_one_mail_that_works(world: &World, mails: &[Mail]) {
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.id).collect();
    assert_eq!(ids.len(), 1, "{mails:?}");
    let token = world.verification_token(ADA).await;
    world.auth.verify_email(&token, None, &client()).await.unwrap();
}

#[tokio::test]
async fn a_killed_workers_lease_is_taken_over_when_it_ends() {
    let (world, mailer) = world();
    world.register(ADA, PASSWORD).await;
    mailer.fail_call(0, Fault::Hang);
    die_at(&world, &mailer, 0).await;
    assert_eq!(world.mailbox.mails().len(), 0);
    let other = world.another_process();
    world.clock.advance(Duration::from_secs(30) - Duration::from_micros(1));
    assert_eq!(other.auth.deliver_due_mails().await.unwrap(), Delivered::default());
    world.clock.advance(Duration::from_micros(1));
    assert_eq!(other.auth.deliver_due_mails().await.unwrap().sent, 1);
    assert_one_mail_that_works(&world, &world.mailbox.mails()).await;
}

#[tokio::test]
async fn a_worker_crash_at_any_call_loses_no_mail() {
    for fault in [Fault::ErrorBefore, Fault::ErrorAfterCommit, Fault::Hang, Fault::Panic] {
        for call in 0..5 {
            for in_mailer in [false, true] {
                let (world, mailer) = world();
                world.register(ADA, PASSWORD).await;
                world.store.reset();
                if in_mailer {
                    mailer.fail_call(call, fault);
                    die_at(&world, &mailer, call).await;
                } else {
                    world.store.fail_call(call, fault);
                    die_at(&world, &world.store, call).await;
                }
                world.store.reset();
                mailer.reset();
                for _ in 0..3 {
                    world.wait(31);
                    world.auth.deliver_due_mails().await.unwrap();
                }
                let stats = world.auth.outbox_stats().await.unwrap();
                assert_eq!((stats.queued, stats.dead), (0, 0), "{fault:?} at {call}");
                assert_one_mail_that_works(&world, &world.mailbox.mails()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_at_once_send_each_mail_once() {
    let (world, _) = world();
    enqueue(&world, 40).await;
    world.store.reset();
    world.store.fail_method("claim", Fault::Meet(8));
    let (here, there) = (world.auth.clone(), world.another_process().auth);
    let passes = race(8, |index| {
        let auth = if index % 2 == 0 { here.clone() } else { there.clone() };
        async move { auth.deliver_due_mails().await.unwrap().sent }
    })
    .await;
    assert_eq!(passes.iter().sum::<u64>(), 40);
    let mails = world.mailbox.mails();
    let ids: BTreeSet<_> = mails.iter().map(|mail| mail.id).collect();
    assert_eq!((mails.len(), ids.len()), (40, 40));
}

/// The first worker was so slow that its lease ended; whatever it then reports settles nothing.
#[tokio::test]
async fn a_worker_whose_lease_was_taken_over_settles_nothing() {
    for (fault, kind) in [(None, None), (Some(MailErrorKind::Permanent), None), (None, Some(()))] {
        let (world, mailer) = world();
        world.register(ADA, PASSWORD).await;
        mailer.fail_call(0, Fault::Meet(usize::MAX));
        let auth = world.auth.clone();
        let slow = tokio::spawn(async move { auth.deliver_due_mails().await });
        run_until("a mail is sent", || {
            assert!(!slow.is_finished(), "nothing was sent");
            !mailer.calls().is_empty()
        })
        .await;
        world.wait(31);
        // The second worker has the intent now, and either sends it or is about to try again.
        if kind.is_none() {
            world.mailbox.fail_next(1, MailErrorKind::Transient);
        }
        let delivered = world.another_process().auth.deliver_due_mails().await.unwrap();
        assert_eq!((delivered.sent, delivered.retried), if kind.is_none() { (0, 1) } else { (1, 0) });
        if let Some(fault) = fault {
            world.mailbox.fail_next(1, fault);
        }
        mailer.release();
        slow.await.unwrap().unwrap();
        let stats = world.auth.outbox_stats().await.unwrap();
        assert_eq!((stats.queued, stats.dead), (u64::from(kind.is_none()), 0), "{fault:?}");
        world.wait(5);
        world.auth.deliver_due_mails().await.unwrap();
        let stats = world.auth.outbox_stats().await.unwrap();
        assert_eq!((stats.queued, stats.dead), (0, 0));
        assert_one_mail_that_works(&world, &world.mailbox.mails()).await;
    }
}

/// Enqueues a reset mail whose first attempt fails this way.
async fn failed_reset_mail(failure: MailErrorKind) -> (World, User) {
    let (world, _) = world();
    let user = world.user(ADA).await;
    world.mailbox.take();
    world.auth.forgot_password(ADA, &client()).await.unwrap();
    world.mailbox.fail_next(1, failure);
    assert_eq!(world.auth.deliver_due_mails().await.unwrap().retried, 1);
    (world, user)
}

/// The token of the one reset mail that arrived.
fn reset_link(world: &World) -> String {
    let [Mail { message: Message::ResetPassword { token, .. }, .. }] = &world.mailbox.mails()[..] else {
        panic!("{:?}", world.mailbox.mails())
    };
    token.expose().to_string()
}

/// The epoch moved after the first attempt, so the link it made is dead: never mailed, nor forgotten.
#[tokio::test]
async fn a_mail_whose_link_died_before_it_was_sent_is_a_dead_letter() {
    let (world, user) = failed_reset_mail(MailErrorKind::Transient).await;
    world.auth.log_out_everywhere(user.id, &client()).await.unwrap();
    world.wait(60);
    assert_eq!(world.auth.deliver_due_mails().await.unwrap().dead_lettered, 1);
    assert_eq!(world.mailbox.mails().len(), 0);
    let [letter] = &world.auth.dead_letters(10).await.unwrap()[..] else { panic!() };
    world.auth.requeue_dead_letter(letter.intent.id).await.unwrap();
    world.auth.deliver_due_mails().await.unwrap();
    let password = Password::new(OTHER_PASSWORD);
    world.auth.reset_password(&reset_link(&world), password, &client()).await.unwrap();
}

/// The link of the first attempt was made for a user who is gone; it is no mail for the next owner.
#[tokio::test]
async fn a_retry_sends_nothing_to_a_new_owner_of_the_address() {
    let (world, first) = failed_reset_mail(MailErrorKind::Transient).await;
    world.auth.delete_user(first.id).await.unwrap();
    world.register(ADA, PASSWORD).await;
    world.wait(60);
    let delivered = world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(delivered, Delivered { sent: 1, dropped: 1, ..Delivered::default() });
    assert_one_mail_that_works(&world, &world.mailbox.mails()).await;
}

#[tokio::test]
async fn a_mail_whose_link_was_used_before_the_retry_is_done() {
    let (world, _) = failed_reset_mail(MailErrorKind::Unknown).await;
    let password = Password::new(OTHER_PASSWORD);
    world.auth.reset_password(&reset_link(&world), password, &client()).await.unwrap();
    world.wait(60);
    let delivered = world.auth.deliver_due_mails().await.unwrap();
    assert_eq!(
        delivered,
        Delivered { sent: 1, dropped: 1, ..Delivered::default() },
        "the notice, and no link"
    );
}

/// Names the address it refused, as mail servers do.
#[derive(Debug)]
struct Refusing;

#[async_trait]
impl Mailer for Refusing {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let answer = format!("550 5.1.1 <{}>: user unknown", mail.to.address());
        Err(MailError::new(MailErrorKind::Permanent, answer))
    }
}

#[tokio::test]
async fn dead_letters_and_events_contain_no_mail_address() {
    let world = World::new().process_with(Refusing, |_| {});
    world.register("Ada.L@example.com", PASSWORD).await;
    world.auth.deliver_due_mails().await.unwrap();
    let [letter] = &world.auth.dead_letters(10).await.unwrap()[..] else { panic!() };
    assert!(letter.reason.contains("550 5.1.1 <[address]>: user unknown"), "{}", letter.reason);
    let events = format!("{:?}", world.events.kinds());
    assert!(events.contains("MailDeadLettered") && !events.to_lowercase().contains("ada.l"));
}

/// The background task of a process, and the word that stops it.
fn background(auth: &Auth) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let auth = auth.clone();
    let task = tokio::spawn(async move { auth.run_background(async { drop(stopped.await) }).await });
    (stop, task)
}

/// Waits until a condition holds, in the time of the runtime, and says how long it took. The limit is of its
/// rests: while the whole process stood still, nobody was late.
async fn until(what: &str, limit: Duration, condition: impl Fn() -> bool) -> Duration {
    const REST: Duration = Duration::from_millis(5);
    let (begun, mut rested) = (tokio::time::Instant::now(), Duration::ZERO);
    while !condition() {
        assert!(rested <= limit, "not within {limit:?}: {what}");
        tokio::time::sleep(REST).await;
        rested += REST;
    }
    begun.elapsed()
}

/// A flood of registrations fills the queue, and the budget of mails is used up.
#[tokio::test(start_paused = true)]
async fn a_reset_link_overtakes_a_backlog_within_the_budget() {
    let world = World::in_memory(|policy| policy.mail.per_minute = std::num::NonZeroU32::new(3));
    for nth in 0..10 {
        world.register(&format!("user{nth}@example.com"), PASSWORD).await;
    }
    world.wait(1);
    let (stop, worker) = background(&world.auth);
    let sent = || world.mailbox.mails().len();
    until("three mails of the budget are sent", Duration::from_secs(20), || sent() == 3).await;
    world.auth.forgot_password("user9@example.com", &client()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(sent(), 3, "the budget of this minute is used up");
    world.wait(20);
    until("one more mail is sent", Duration::from_secs(20), || sent() == 4).await;
    let mails = world.mailbox.mails();
    assert!(matches!(mails[3].message, Message::ResetPassword { .. }), "{:?}", mails[3]);
    drop(stop);
    worker.await.unwrap();
}

/// With the clocks of the operating system: woken by its own process, and by polling for another's, twice a
/// second. What a busy machine adds to that is not the worker's.
#[tokio::test]
async fn mail_from_any_process_is_first_attempted_within_a_second() {
    assert!(auth_core::Policy::default().mail.poll_interval <= Duration::from_millis(500));
    let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    let service = || {
        let mut policy = auth_core::Policy::default();
        policy.hashing = cheap_hashing();
        Auth::builder(store.clone(), mailbox.clone())
            .secret(auth_tests::SECRET)
            .policy(policy)
            .build()
            .unwrap()
    };
    let (here, there) = (service(), service());
    let (stop, task) = background(&here);
    for (number, auth) in [(1, &here), (2, &there), (3, &here)] {
        let address = format!("user{number}@example.com");
        auth.register(&address, Password::new(OTHER_PASSWORD), None, &client()).await.unwrap();
        let sent = || mailbox.mails().len() == number;
        until("the mail", Duration::from_secs(5), sent).await;
    }
    drop(stop);
    tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_stuck_mail_holds_up_no_other() {
    let (world, mailer) = world_in_memory();
    mailer.fail_call(0, Fault::Hang);
    enqueue(&world, 12).await;
    let (_stop, _task) = background(&world.auth);
    until("all but the stuck one", Duration::from_secs(1), || world.mailbox.mails().len() == 11).await;
}

#[tokio::test(start_paused = true)]
async fn stuck_mails_delay_others_by_at_most_the_send_timeout() {
    let (world, mailer) = world_in_memory();
    (0..4).for_each(|call| mailer.fail_call(call, Fault::Hang));
    enqueue(&world, 12).await;
    let (_stop, _task) = background(&world.auth);
    let waited = until("the other eight", Duration::from_secs(21), || world.mailbox.mails().len() == 8).await;
    assert!(waited >= Duration::from_secs(20), "four at once, not more");
    let outcome_unknown =
        |kind: &EventKind| matches!(kind, EventKind::MailRetried { error, .. } if error.contains("in time"));
    assert_eq!(world.events.kinds().iter().filter(|kind| outcome_unknown(kind)).count(), 4);
    world.wait(3);
    until("the four again", Duration::from_secs(1), || world.mailbox.mails().len() == 12).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_the_current_mails_finish_and_begins_no_other() {
    let (world, mailer) = world_in_memory();
    mailer.fail_method("send", Fault::Meet(usize::MAX));
    enqueue(&world, 9).await;
    let (stop, task) = background(&world.auth);
    until("four mails begun", Duration::from_secs(1), || mailer.calls().len() == 4).await;
    drop(stop);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!task.is_finished(), "the mails it has begun are not abandoned");
    mailer.release();
    tokio::time::timeout(Duration::from_secs(1), task).await.unwrap().unwrap();
    assert_eq!((world.mailbox.mails().len(), mailer.calls().len()), (4, 4));
    assert_eq!(world.auth.outbox_stats().await.unwrap().queued, 5, "settled, and the others kept");
    // Another process sends the rest, at once: nobody holds a lease on them.
    assert_eq!(world.another_process().auth.deliver_due_mails().await.unwrap().sent, 5);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_mail_delays_a_stop_no_longer_than_the_send_timeout() {
    let (world, mailer) = world_in_memory();
    mailer.fail_call(0, Fault::Hang);
    enqueue(&world, 1).await;
    let (stop, task) = background(&world.auth);
    until("the mail begun", Duration::from_secs(1), || mailer.calls().len() == 1).await;
    drop(stop);
    tokio::time::timeout(Duration::from_secs(21), task).await.unwrap().unwrap();
}

/// Takes twenty seconds for each mail, and sends none.
#[derive(Debug)]
struct Slow(FakeClock);

#[async_trait]
impl Mailer for Slow {
    async fn send(&self, _: &Mail) -> Result<(), MailError> {
        self.0.advance(Duration::from_secs(20));
        Err(MailError::new(MailErrorKind::Transient, "try later"))
    }
}

#[tokio::test]
async fn one_pass_attempts_each_due_mail_once_with_a_slow_mailer() {
    let (world, _mailer) = world();
    enqueue(&world, 3).await;
    let slow = world.process_with(Slow(world.clock.clone()), |_| {});
    assert_eq!(
        slow.auth.deliver_due_mails().await.unwrap(),
        Delivered { retried: 3, ..Delivered::default() }
    );
}

#[tokio::test(start_paused = true)]
async fn an_outbox_that_hangs_does_not_hold_up_a_stop() {
    let (world, _mailer) = world_in_memory();
    world.store.fail_method("claim", Fault::Hang);
    let (stop, task) = background(&world.auth);
    until("a claim", Duration::from_secs(1), || world.store.calls().contains(&"claim")).await;
    drop(stop);
    tokio::time::timeout(Duration::from_secs(1), task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panicking_mailer_and_a_failing_outbox_stop_no_worker() {
    let (world, mailer) = world_in_memory();
    mailer.fail_call(0, Fault::Panic);
    enqueue(&world, 1).await;
    let (_stop, task) = background(&world.auth);
    until("the panic", Duration::from_secs(1), || mailer.calls().len() == 1).await;
    world.store.fail_method("claim", Fault::ErrorBefore);
    let reported = || world.events.count("outbox_failed") > 2;
    until("failures of the outbox", Duration::from_secs(5), reported).await;
    world.store.reset();
    world.wait(30);
    until("the mail", Duration::from_secs(1), || world.mailbox.mails().len() == 1).await;
    assert!(!task.is_finished());
}
