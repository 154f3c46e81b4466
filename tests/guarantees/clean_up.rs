//! Guarantee 14: clean-up is neutral. Deleting expired rows changes no decision.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use auth_core::{
    CleanedUp, Clock, EventKind, LiveCheck, MailErrorKind, Message, Password, Policy, RateLimits,
    SessionTokens,
};
use auth_testkit::{FakeClock, Fault};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, text};
use chrono::{DateTime, Utc};

const ADA: &str = "ada@example.com";
const DAY: Duration = Duration::from_hours(24);
const MICRO: Duration = Duration::from_micros(1);

/// Numbers that look random and are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// One world with all the tokens it ever gave out, so that a step can name them by number.
struct Twin {
    world: World,
    all_tokens: Vec<SessionTokens>,
    texts: Vec<String>,
    verify: Vec<String>,
    reset: Vec<String>,
    mails_seen: usize,
}

/// Short lives, so that much expires; the same waits in both worlds; unverified users and dead
/// letters, which end separately, outlive the scenario.
fn short_lived(policy: &mut Policy) {
    policy.limits = RateLimits::none();
    policy.refresh.refresh_lifetime = Duration::from_hours(2);
    policy.refresh.session_lifetime = Duration::from_hours(8);
    policy.links.verification_lifetime = Duration::from_mins(9);
    policy.links.reset_lifetime = Duration::from_mins(4);
    policy.mail.max_backoff = policy.mail.min_backoff;
    policy.mail.notice_lifetime = Duration::from_mins(20);
    policy.clean_up.unverified_user_lifetime = 400 * DAY;
    policy.clean_up.dead_letter_lifetime = 400 * DAY;
}

fn said<T>(answer: Result<T, impl std::fmt::Display>) -> (Option<T>, String) {
    match answer {
        Ok(value) => (Some(value), "ok".to_owned()),
        Err(error) => (None, error.to_string()),
    }
}

impl Twin {
    fn new() -> Self {
        let (all_tokens, texts, verify, reset) = Default::default();
        Self { world: World::with(short_lived), all_tokens, texts, verify, reset, mails_seen: 0 }
    }

    fn keep(&mut self, (tokens, said): (Option<SessionTokens>, String)) -> String {
        self.texts.extend(tokens.as_ref().map(text));
        self.all_tokens.extend(tokens);
        said
    }

    /// Does one step and says how it was answered.
    async fn step(&mut self, kind: usize, pick: usize) -> String {
        let auth = self.world.auth.clone();
        let email = format!("user{}@example.com", pick % 3);
        let password =
            |turn: usize| Password::new(if turn.is_multiple_of(2) { PASSWORD } else { OTHER_PASSWORD });
        let any = |list: &Vec<String>| {
            let newest = list.len().saturating_sub(1 + pick % 7 % list.len().max(1));
            list.get(newest).cloned().unwrap_or_default()
        };
        let tokens = self.all_tokens.iter().rev().nth(pick % 5).cloned();
        match kind {
            0 => said(auth.register(&email, password(pick / 3), None, &client()).await).1,
            1 => said(auth.forgot_password(&email, &client()).await).1,
            2 => said(auth.resend_verification(&email, &client()).await).1,
            3 | 4 => format!("{:?}", (self.world.auth.deliver_due_mails().await.unwrap(), self.collect())),
            5 => said(auth.verify_email(&any(&self.verify), None, &client()).await).1,
            6 => said(auth.reset_password(&any(&self.reset), password(pick / 3), &client()).await).1,
            7..=9 => {
                let answer = auth.log_in(&email, password(pick / 3), &client()).await;
                self.keep(said(answer))
            }
            10..=12 => {
                let answer = auth.refresh(&any(&self.texts), &client()).await;
                self.keep(said(answer))
            }
            13 => said(auth.restore(&any(&self.texts), &client()).await).1,
            14 => format!("{:?}", auth.log_out(&any(&self.texts), &client()).await.unwrap()),
            15 => {
                let Some(tokens) = tokens else { return String::new() };
                said(auth.revoke_session(tokens.user.id, tokens.session.id, &client()).await).1
            }
            16 => {
                let Some(tokens) = tokens else { return String::new() };
                let token = tokens.access_token.expose();
                let user = auth.authenticate_live(token, LiveCheck::User).await.is_ok();
                format!("{user} {}", auth.authenticate_live(token, LiveCheck::UserAndSession).await.is_ok())
            }
            17 => {
                let Some(Ok(claims)) = tokens.map(|tokens| auth.authenticate(tokens.access_token.expose()))
                else {
                    return "no claims".to_owned();
                };
                let (old, new) = (password(pick), password(pick / 2));
                let answer = auth.change_password(&claims, old, new, &client()).await;
                self.keep(said(answer))
            }
            18 => {
                let Some(tokens) = tokens else { return String::new() };
                format!("{:?}", auth.sessions(tokens.user.id).await.map(|sessions| sessions.len()).ok())
            }
            19 if pick.is_multiple_of(4) => {
                let Some(tokens) = tokens else { return String::new() };
                said(auth.delete_user(tokens.user.id).await).1
            }
            19 => {
                let kind =
                    if pick.is_multiple_of(2) { MailErrorKind::Transient } else { MailErrorKind::Unknown };
                self.world.mailbox.fail_next(1, kind);
                String::new()
            }
            _ => {
                let waits = [1, 30, 70, 200, 250, 400, 600, 3000, 7100, 7300, 29_000];
                self.world.wait(*waits.get(pick % waits.len()).unwrap());
                String::new()
            }
        }
    }

    /// Takes the tokens out of the mails that have arrived since, and says what mails they were.
    fn collect(&mut self) -> Vec<&'static str> {
        let mails = self.world.mailbox.mails().split_off(self.mails_seen);
        self.mails_seen += mails.len();
        let read = |mail: &auth_core::Mail| match &mail.message {
            Message::VerifyEmail { token, .. } => {
                self.verify.push(token.expose().to_string());
                "verify"
            }
            Message::ResetPassword { token, .. } => {
                self.reset.push(token.expose().to_string());
                "reset"
            }
            _ => "notice",
        };
        mails.iter().map(read).collect()
    }
}

#[tokio::test]
async fn clean_up_after_every_step_changes_no_answer() {
    let (mut ok, mut refused, mut deleted) = (0, 0, 0);
    for seed in 1..=40 {
        let (mut plain, mut clean, mut numbers) = (Twin::new(), Twin::new(), Numbers(seed));
        for step in 0..250 {
            let (kind, pick) = (numbers.below(25), numbers.below(10_000));
            let expected = plain.step(kind, pick).await;
            let answer = clean.step(kind, pick).await;
            assert_eq!(answer, expected, "seed {seed}, step {step}: {kind} {pick}");
            ok += usize::from(answer == "ok");
            refused += usize::from(answer.contains("invalid"));
            // Two rows are never written in the same instant, so their order is the same in both.
            plain.world.clock.advance(Duration::from_millis(1));
            clean.world.clock.advance(Duration::from_millis(1));
            let cleaned = clean.world.auth.clean_up().await.unwrap();
            assert!(cleaned.finished && cleaned.unverified_users == 0);
            deleted += cleaned.sessions + cleaned.one_time_tokens;
        }
    }
    // The scenario says something: much was granted, refused and deleted.
    assert!(
        ok > 1000 && refused > 1000 && deleted > 300,
        "{ok} granted, {refused} refused, {deleted} deleted"
    );
}

/// The address is contested, so the mail carries a reset link, whose life is the shorter one. The
/// link expires and is deleted between two attempts; the next one must not bring it back.
#[tokio::test]
async fn cleaning_up_between_two_attempts_gives_a_link_no_second_life() {
    for clean in [false, true] {
        let world = World::new();
        world.register(ADA, PASSWORD).await;
        world.register(ADA, OTHER_PASSWORD).await;
        world.auth.deliver_due_mails().await.unwrap();
        world.mailbox.take();
        world.auth.resend_verification(ADA, &client()).await.unwrap();
        world.mailbox.fail_next(1, MailErrorKind::Unknown);
        world.auth.deliver_due_mails().await.unwrap();
        let mails = world.mailbox.mails();
        let [Message::ResetPassword { token, expires_at, .. }] =
            mails.iter().map(|mail| &mail.message).collect::<Vec<_>>()[..]
        else {
            panic!("{mails:?}")
        };
        world.clock.set(*expires_at);
        if clean {
            world.auth.clean_up().await.unwrap();
        }
        world.auth.deliver_due_mails().await.unwrap();
        assert_eq!(world.mailbox.mails().len(), 1, "not mailed again");
        let reset =
            world.auth.reset_password(&token.expose(), Password::new(OTHER_PASSWORD), &client()).await;
        assert!(reset.is_err(), "cleaned up: {clean}");
    }
}

/// Where the clock goes back, an intent is young again whose link was used, expired and deleted.
#[tokio::test]
async fn a_deleted_spent_link_stays_spent_when_the_clock_goes_back() {
    let world = World::new();
    world.user(ADA).await;
    let start = world.clock.now();
    world.mailbox.fail_next(1, MailErrorKind::Unknown);
    let token = world.reset_token(ADA).await;
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    world.clock.advance(DAY);
    assert!(world.auth.clean_up().await.unwrap().one_time_tokens >= 1);
    world.clock.set(start + Duration::from_secs(5));
    world.auth.deliver_due_mails().await.unwrap();
    let again = world.auth.reset_password(&token, Password::new(PASSWORD), &client()).await;
    assert!(again.is_err());
    world.auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
}

/// This number of sessions that have ended, one that lives, and no other expired rows.
async fn with_ended_sessions(world: &World, count: usize) {
    world.user("bob@example.com").await;
    world.user(ADA).await;
    for _ in 0..count {
        world.log_in(ADA).await;
    }
    world.clock.advance(7 * DAY);
    world.store.fail_method("purge_sessions", Fault::ErrorBefore);
    world.auth.clean_up().await.unwrap_err();
    world.store.reset();
    world.log_in("bob@example.com").await;
    world.store.reset();
}

fn many_sessions(policy: &mut Policy) {
    policy.limits = RateLimits::none();
    policy.refresh.max_sessions_per_user = 1000.try_into().unwrap();
    policy.clean_up.batch = 10.try_into().unwrap();
    policy.clean_up.budget = Duration::from_secs(3);
}

#[tokio::test]
async fn rows_are_deleted_in_batches_until_none_is_left_and_counted() {
    for (ended, batches) in [(0, 1), (9, 1), (10, 2), (35, 4)] {
        let world = World::with(many_sessions);
        with_ended_sessions(&world, ended).await;
        let cleaned = world.auth.clean_up().await.unwrap();
        assert_eq!(cleaned.sessions, u64::try_from(ended).unwrap());
        assert!(cleaned.finished);
        let calls = world.store.calls();
        assert_eq!(calls.iter().filter(|call| **call == "purge_sessions").count(), batches);
        let CleanedUp { sessions, one_time_tokens, .. } = world.auth.clean_up().await.unwrap();
        assert_eq!((sessions, one_time_tokens), (0, 0));
        assert!(matches!(world.events.kinds().last(), Some(EventKind::CleanedUp { finished: true, .. })));
    }
}

#[tokio::test]
async fn a_clean_up_rests_five_times_as_long_as_it_works() {
    let world = World::with(many_sessions);
    with_ended_sessions(&world, 35).await;
    let batch = Duration::from_millis(50);
    world.store.fail_method("purge_sessions", Fault::Delay(batch));
    let began = Instant::now();
    assert_eq!(world.auth.clean_up().await.unwrap().sessions, 35);
    // Three full batches with a rest each, and a last that ends it.
    assert!(began.elapsed() >= batch * (3 * 6 + 1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_clean_up_deletes_ten_batches_a_second_at_most() {
    let world = World::with(many_sessions);
    with_ended_sessions(&world, 35).await;
    let began = Instant::now();
    assert_eq!(world.auth.clean_up().await.unwrap().sessions, 35);
    assert!(began.elapsed() >= 3 * Duration::from_millis(100), "{:?}", began.elapsed());
}

/// A second passes whenever somebody looks.
#[derive(Debug)]
struct Ticking(FakeClock, Mutex<Duration>);

impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        let mut shown = self.1.lock().unwrap();
        *shown += Duration::from_secs(1);
        *shown
    }
}

#[tokio::test]
async fn a_clean_up_stops_at_its_budget_and_the_next_continues() {
    let clock = FakeClock::default();
    let ticking = Ticking(clock.clone(), Mutex::default());
    let world = World::built(many_sessions, |builder| builder.clock(ticking));
    let world = World { clock, ..world };
    with_ended_sessions(&world, 35).await;
    // Three seconds are a batch of each of two kinds, then one more look at the clock: many sessions
    // do not starve what comes after them.
    let counts = async || world.auth.clean_up().await.unwrap();
    let first = counts().await;
    assert_eq!((first.sessions, first.finished), (10, false));
    let second = counts().await;
    assert_eq!((second.sessions, second.finished), (10, false));
    let purges = |method| world.store.calls().iter().filter(|call| **call == method).count();
    assert_eq!((purges("purge_sessions"), purges("purge_one_time")), (2, 2));
}

#[tokio::test]
async fn a_failed_clean_up_is_an_error_and_deleted_rows_stay_deleted() {
    for method in ["purge_sessions", "purge_one_time", "purge_unverified", "purge_dead_letters"] {
        for fault in [Fault::ErrorBefore, Fault::ErrorAfterCommit] {
            let world = World::new();
            world.user(ADA).await;
            world.log_in(ADA).await;
            world.clock.advance(8 * DAY);
            world.store.fail_method(method, fault);
            assert!(world.auth.clean_up().await.is_err());
            assert_eq!(world.events.count("cleaned_up"), 0);
            world.store.reset();
            let again = world.auth.clean_up().await.unwrap();
            let gone_already = method != "purge_sessions" || fault == Fault::ErrorAfterCommit;
            assert_eq!(again.sessions, u64::from(!gone_already), "{method} {fault:?}");
            assert!(again.finished);
        }
    }
}

#[tokio::test]
async fn clean_up_deletes_only_abandoned_users() {
    let world = World::new();
    let verified = world.user(ADA).await;
    world.register("once@example.com", PASSWORD).await;
    world.register("twice@example.com", PASSWORD).await;
    let begun = world.clock.now();
    world.clock.advance(3 * DAY);
    world.register("twice@example.com", OTHER_PASSWORD).await;
    let deleted_at = async |at: DateTime<Utc>| {
        world.clock.set(at);
        world.auth.clean_up().await.unwrap().unverified_users
    };
    assert_eq!(deleted_at(begun + 7 * DAY).await, 0, "not before");
    assert_eq!(deleted_at(begun + 7 * DAY + MICRO).await, 1);
    assert_eq!(deleted_at(begun + 10 * DAY).await, 0, "the second attempt counts");
    assert_eq!(deleted_at(begun + 10 * DAY + MICRO).await, 1);
    assert_eq!(deleted_at(begun + 4000 * DAY).await, 0);
    world.auth.user(verified.id).await.unwrap();
    world.log_in(ADA).await;
}

#[tokio::test]
async fn a_dead_letter_is_deleted_after_its_lifetime_and_not_before() {
    let world = World::new();
    world.register(ADA, PASSWORD).await;
    world.wait(60);
    world.mailbox.fail_next(1, MailErrorKind::Permanent);
    world.auth.deliver_due_mails().await.unwrap();
    let dead_lettered_at = world.clock.now();
    world.clock.set(dead_lettered_at + 30 * DAY);
    assert_eq!(world.auth.clean_up().await.unwrap().dead_letters, 0);
    world.wait(1);
    assert_eq!(world.auth.clean_up().await.unwrap().dead_letters, 1);
    assert_eq!(world.store.inner().stats().await.unwrap().dead, 0);
}

/// The background task sleeps at most a minute between two looks at the clock.
#[tokio::test(start_paused = true)]
async fn the_background_task_cleans_up_on_schedule_each_day() {
    let world = World::in_memory(|_| {});
    let auth = world.auth.clone();
    let background = tokio::spawn(async move { auth.run_background(std::future::pending()).await });
    let a_minute_later = async || {
        tokio::time::sleep(Duration::from_mins(1) + Duration::from_millis(1)).await;
        world.events.count("cleaned_up") + world.events.count("clean_up_failed")
    };
    for day in 2..=4 {
        let six = format!("2026-01-{day:02}T06:00:00Z").parse::<DateTime<Utc>>().unwrap();
        world.clock.set(six - MICRO);
        assert_eq!(a_minute_later().await, day - 2, "not before six");
        if day == 3 {
            world.store.fail_method("purge_sessions", Fault::ErrorBefore);
        }
        world.clock.set(six);
        assert_eq!(a_minute_later().await, day - 1);
        assert_eq!(a_minute_later().await, day - 1, "once a day");
        world.store.reset();
    }
    assert_eq!(world.events.count("clean_up_failed"), 1);
    assert!(!background.is_finished());
}
