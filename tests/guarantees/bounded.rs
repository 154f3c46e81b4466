//! Guarantee 13: memory, CPU and rows stay within configured bounds under any stream of requests.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::store::{UserInsert, UserStore};
use auth_core::{
    Auth, ChangeEmailError, ChangePasswordError, Client, ConfirmEmailError, Failure, InProcessLimiter,
    LogInError, LoggedOut, Mailbox, Password, PasswordError, PasswordHash, RateLimits, RefreshError,
    RegisterError, ResetPasswordError, User, VerificationProof, VerifyEmailError,
};
use auth_testkit::{FakeClock, Faulty, cheap_hashing};
use auth_tests::{BusyHashing, OTHER_PASSWORD, PASSWORD, SECRET, World, client, race, text};

const ADA: &str = "ada@example.com";
const MIB: usize = 1 << 20;

fn unlimited() -> World {
    World::with(|policy| policy.limits = RateLimits::none())
}

/// One thread that is busy for tens of milliseconds with each hash, and two places to wait.
fn busy_world() -> World {
    World::with(|policy| {
        let cost = auth_core::HashingPolicy::default();
        policy.hashing = cheap_hashing();
        (policy.hashing.memory_kib, policy.hashing.iterations) = (cost.memory_kib, cost.iterations);
        (policy.hashing.threads, policy.hashing.queue) = (1, 2);
    })
}

/// A full queue is a typed answer, quickly; what is turned away costs no hash and counts as no failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_hashing_queue_answers_busy_and_counts_no_attempt() {
    let world = busy_world();
    let answers = race(64, |_| {
        let auth = world.auth.clone();
        async move {
            let answer = auth.log_in(ADA, Password::new("not the password"), &client()).await;
            let waiting = auth.hashing().stats().queued;
            (answer.unwrap_err(), waiting)
        }
    })
    .await;
    let mut busy = 0;
    for (answer, waiting) in &answers {
        assert!(*waiting <= 3, "{waiting} requests waited: two, and one being turned away");
        match answer {
            LogInError::Failed(Failure::Busy { retry_after }) => {
                assert!((Duration::from_secs(1)..Duration::from_secs(30)).contains(retry_after));
                busy += 1;
            }
            LogInError::InvalidCredentials => {}
            error => panic!("{error:?}"),
        }
    }
    assert!((1..64).contains(&busy), "{busy} of 64 were turned away");
    assert_eq!(world.auth.hashing().stats().hashes, 64 - busy);
    // Only judged passwords count towards the hundred in a row.
    for _ in 64 - busy..100 {
        let judged = world.auth.log_in(ADA, Password::new("not the password"), &client()).await;
        assert!(matches!(judged, Err(LogInError::InvalidCredentials)));
    }
    let one_more = world.auth.log_in(ADA, Password::new("not the password"), &client()).await;
    assert!(matches!(one_more, Err(LogInError::RateLimited(_))));
}

/// What strangers in one /48 can make the service store and send, whatever they ask for.
#[tokio::test]
async fn one_network_makes_few_rows_and_mails_in_an_hour() {
    let world = World::new();
    let stranger = |nth: u64| {
        let ip = (0x2001_0db8_0007_u128 << 80) | (u128::from(nth) << 64) | 1;
        Client::new(Some(std::net::Ipv6Addr::from_bits(ip).into()), None)
    };
    for nth in 0..500 {
        let (address, client) = (format!("user{nth}@example.com"), stranger(nth));
        let auth = &world.auth;
        let _ = auth.register(&address, Password::new(PASSWORD), None, &client).await;
        let _ = auth.resend_verification(&address, &client).await;
        let _ = auth.forgot_password(&address, &client).await;
        let _ = auth.log_in(&address, Password::new(PASSWORD), &client).await;
    }
    let stored = |method: &str| world.store.calls().iter().filter(|called| **called == method).count();
    assert_eq!(stored("insert_user"), 20, "5 an hour, four times");
    assert_eq!(stored("insert_intent"), 20 + 40 + 40, "and 10 an hour of the others, four times");
    world.auth.deliver_due_mails().await.unwrap();
    assert!(world.mailbox.mails().len() <= 100);
    assert_eq!(stored("insert_session"), 0);
}

/// Another process of the same service whose only thread is hashing and whose only place to wait is
/// taken, for as long as the second is kept.
fn full_process(world: &World) -> (Auth, BusyHashing) {
    let mut policy = world.auth.policy().clone();
    (policy.hashing.threads, policy.hashing.queue) = (1, 1);
    let auth = Auth::builder(world.store.clone(), world.mailbox.clone())
        .clock(world.clock.clone())
        .secret(SECRET)
        .policy(policy)
        .build()
        .unwrap();
    let occupied = BusyHashing::of(auth.hashing(), 1);
    (auth, occupied)
}

/// Every flow that hashes: none reads as a refusal, none spends or writes anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_service_spends_no_link_and_ends_no_session() {
    let world = World::with(|policy| policy.links.verification_proof = VerificationProof::LinkAndPassword);
    let (right, new) = (|| Password::new(PASSWORD), || Password::new(OTHER_PASSWORD));
    world.register(ADA, PASSWORD).await;
    let first = world.verification_token(ADA).await;
    world.auth.verify_email(&first, Some(right()), &client()).await.unwrap();
    let claims = world.claims(&world.log_in(ADA).await);
    let reset = world.reset_token(ADA).await;
    world.register("new@example.com", PASSWORD).await;
    let verify = world.verification_token("new@example.com").await;
    let (auth, _occupied) = full_process(&world);
    world.store.reset();
    macro_rules! busy {
        ($error:ident, $call:expr) => {
            assert!(matches!($call.await, Err($error::Failed(Failure::Busy { .. }))), stringify!($call))
        };
    }
    busy!(LogInError, auth.log_in(ADA, right(), &client()));
    busy!(RegisterError, auth.register("newer@example.com", right(), None, &client()));
    // What strangers can send without end does not even cost a question to the database.
    assert!(world.store.calls().is_empty(), "{:?}", world.store.calls());
    busy!(ChangePasswordError, auth.change_password(&claims, right(), new(), &client()));
    busy!(ResetPasswordError, auth.reset_password(&reset, new(), &client()));
    busy!(VerifyEmailError, auth.verify_email(&verify, Some(right()), &client()));
    let reads = ["find_by_id", "find_session_and_user", "find_one_time"];
    assert!(world.store.calls().iter().all(|call| reads.contains(call)), "{:?}", world.store.calls());
    world.auth.verify_email(&verify, Some(right()), &client()).await.unwrap();
    world.auth.reset_password(&reset, new(), &client()).await.unwrap();
    world.auth.log_in(ADA, new(), &client()).await.unwrap();
}

/// A stored hash cannot ask for more work or memory than the policy accepts.
#[tokio::test]
async fn a_stored_hash_of_absurd_cost_is_never_computed() {
    let world = unlimited();
    let ada = world.user(ADA).await;
    let absurd = [
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b6dWRWJTmaaJObGRdescudvJCs",
        "$argon2id$v=19$m=64,t=4294967295,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b6dWRWJTmaaJObGRdescudvJCs",
        "$2b$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    ];
    for (nth, absurd) in absurd.into_iter().enumerate() {
        let mut id = *ada.id.as_bytes();
        id[15] = id[15].wrapping_add(1 + u8::try_from(nth).unwrap());
        let user = User {
            id: auth_core::UserId::from_bytes(id),
            email: auth_core::Email::parse(&format!("user{nth}@example.com")).unwrap(),
            password_hash: Some(PasswordHash::from_stored(absurd)),
            ..ada.clone()
        };
        assert_eq!(UserStore::insert_user(world.store.inner(), &user).await.unwrap(), UserInsert::Inserted);
        let before = world.auth.hashing().stats();
        let refused = world.auth.log_in(user.email.address(), Password::new(PASSWORD), &client()).await;
        assert!(matches!(refused, Err(LogInError::InvalidCredentials)));
        let after = world.auth.hashing().stats();
        assert_eq!((after.hashes - before.hashes, after.argon2_kib - before.argon2_kib), (1, 64));
    }
}

/// Ten thousand strangers cannot make the limiter grow, nor make it evict the account they attack.
#[tokio::test]
async fn a_flood_of_addresses_evicts_no_attacked_account() {
    let clock = FakeClock::default();
    let capacity = NonZeroUsize::new(1000).unwrap();
    let limiter = Arc::new(InProcessLimiter::with_capacity(Arc::new(clock.clone()), capacity));
    let shared = Faulty::sharing(Arc::clone(&limiter));
    let world = World::built(|_| {}, |builder| builder.rate_limiter(shared).clock(clock));
    let attacker = Client::new(Some("198.51.100.1".parse().unwrap()), None);
    let guess = |address: String, from: Client| {
        let auth = world.auth.clone();
        async move { auth.log_in(&address, Password::new("not the password"), &from).await.unwrap_err() }
    };
    for _ in 0..5 {
        assert!(world.auth.log_in(ADA, Password::new("wrong password"), &attacker).await.is_err());
    }
    for _ in 0..95 {
        guess(ADA.to_owned(), client()).await;
    }
    for nth in 0..10_000 {
        guess(format!("user{nth}@example.com"), client()).await;
        world.auth.forgot_password(&format!("user{nth}@example.com"), &client()).await.unwrap();
        assert!(limiter.len() <= 1000, "{}", limiter.len());
    }
    assert!(limiter.len() > 500, "the flood did reach it");
    let refused = guess(ADA.to_owned(), client()).await;
    assert!(matches!(refused, LogInError::RateLimited(_)), "the failures are remembered");
    assert!(matches!(
        world.auth.log_in(ADA, Password::new(PASSWORD), &attacker).await,
        Err(LogInError::RateLimited(_))
    ));
}

async fn rows(world: &World, user: &User) -> usize {
    world.store.inner().find_sessions_by_user(user.id).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_log_ins_stay_within_the_session_limit() {
    for _ in 0..5 {
        let world = World::with(|policy| {
            policy.refresh.max_sessions_per_user = NonZeroU32::new(5).unwrap();
            policy.limits.log_in_success = None;
        });
        let user = world.user(ADA).await;
        let all_tokens = race(64, |_| {
            let auth = world.auth.clone();
            async move { auth.log_in(ADA, Password::new(PASSWORD), &client()).await.unwrap() }
        })
        .await;
        assert_eq!(rows(&world, &user).await, 5);
        let mut alive = 0;
        for tokens in &all_tokens {
            alive += usize::from(world.auth.refresh(&text(tokens), &client()).await.is_ok());
        }
        assert_eq!(alive, 5);
    }
}

#[tokio::test]
async fn a_log_in_over_the_limit_ends_the_oldest_session() {
    let world = World::with(|policy| policy.refresh.max_sessions_per_user = NonZeroU32::new(3).unwrap());
    let user = world.user(ADA).await;
    let mut all_tokens = Vec::new();
    for _ in 0..5 {
        world.wait(1);
        all_tokens.push(world.log_in(ADA).await);
    }
    for (nth, tokens) in all_tokens.iter().enumerate() {
        assert_eq!(world.auth.restore(&text(tokens), &client()).await.is_ok(), nth >= 2, "{nth}");
    }
    assert_eq!(rows(&world, &user).await, 3);
    assert_eq!(
        world.events.count("session_revoked"),
        3,
        "the log-out of `World::user`, and two of the oldest"
    );
    world.auth.log_out_everywhere(user.id, &client()).await.unwrap();
    assert_eq!(rows(&world, &user).await, 3, "dead, but still there");
    world.wait(1);
    world.log_in(ADA).await;
    assert_eq!(rows(&world, &user).await, 1, "the dead ones are gone");
    assert_eq!(world.events.count("session_revoked"), 3, "no event for sessions that had expired");
    world.wait(60 * 60 * 24 * 8);
    world.log_in(ADA).await;
    assert_eq!(rows(&world, &user).await, 1, "and the expired one");
}

/// A mebibyte in any field is refused before any hash and any call of a store; at log-in it costs the
/// same as any other wrong log-in.
#[tokio::test]
async fn a_mebibyte_in_any_field_costs_next_to_nothing() {
    let world = unlimited();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let claims = world.claims(&tokens);
    let auth = &world.auth;
    let fillings = ["x", "@", ".", "é", " ", "\0", "a@", "a.", "AAAA", "xn--a."];
    let started = Instant::now();
    for filling in fillings {
        let big = filling.repeat(MIB / filling.len());
        let address = format!("{big}@example.com");
        let (here, long) = (client(), || Password::new(big.clone()));
        world.store.reset();
        let before = auth.hashing().stats();
        for email in [&big, &address] {
            assert!(auth.forgot_password(email, &here).await.is_err(), "{filling}");
            assert!(auth.resend_verification(email, &here).await.is_err(), "{filling}");
            assert!(auth.register(email, long(), Some(&big), &here).await.is_err(), "{filling}");
        }
        assert!(auth.register("new@example.com", long(), None, &here).await.is_err(), "{filling}");
        // A name of blanks alone is none.
        let name = format!("x{big}x");
        assert!(auth.register("new@example.com", Password::new(PASSWORD), Some(&name), &here).await.is_err());
        for token in [&big, &format!("{}.{big}", "A".repeat(28)), &format!("{big}.{}", "A".repeat(43))] {
            assert!(matches!(auth.refresh(token, &here).await, Err(RefreshError::InvalidToken)));
            assert!(matches!(auth.restore(token, &here).await, Err(RefreshError::InvalidToken)));
            assert_eq!(auth.log_out(token, &here).await.unwrap(), LoggedOut::NothingToEnd);
            assert!(matches!(
                auth.verify_email(token, None, &here).await,
                Err(VerifyEmailError::InvalidToken)
            ));
            let confirmed = auth.confirm_email(token, &here).await;
            assert!(matches!(confirmed, Err(ConfirmEmailError::InvalidToken)));
            let reset = auth.reset_password(token, Password::new(PASSWORD), &here).await;
            assert!(matches!(reset, Err(ResetPasswordError::InvalidToken)));
            assert!(auth.authenticate(token).is_err());
            assert!(auth.authenticate_live(token, auth_core::LiveCheck::default()).await.is_err());
        }
        let reset = auth.reset_password("token", long(), &here).await;
        assert!(matches!(reset, Err(ResetPasswordError::Password(PasswordError::TooLong { max: 1024 }))));
        assert_eq!(world.store.calls(), Vec::<&str>::new(), "{filling}");
        let changed = auth.change_password(&claims, Password::new(PASSWORD), long(), &here).await;
        assert!(matches!(changed, Err(ChangePasswordError::Password(PasswordError::TooLong { .. }))));
        for email in [&big, &address] {
            let changed = auth.change_email(&claims, email, long(), &here).await;
            assert!(matches!(changed, Err(ChangeEmailError::Email(_))), "{filling}");
        }
        assert_eq!(auth.hashing().stats(), before, "{filling}: nothing was hashed");

        world.store.reset();
        assert!(auth.log_in(&big, long(), &here).await.is_err());
        assert!(auth.log_in(ADA, long(), &here).await.is_err());
        assert_eq!(world.store.calls(), ["find_by_email"; 2], "{filling}");
        assert_eq!(auth.hashing().stats().hashes - before.hashes, 2, "{filling}");
    }
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let talkative = Client::new(None, Some(&"x".repeat(MIB)));
    let tokens = auth.log_in(ADA, Password::new(PASSWORD), &talkative).await.unwrap();
    assert_eq!(tokens.session.user_agent.unwrap().len(), 256);
}

/// A text that this service did not issue costs one MAC and no statement.
#[tokio::test]
async fn a_forged_refresh_token_reads_no_store() {
    let world = unlimited();
    world.user(ADA).await;
    let tokens = world.log_in(ADA).await;
    let genuine = text(&tokens);
    world.store.reset();
    for at in (0..genuine.len()).filter(|at| *at != 28) {
        let other = if genuine.as_bytes()[at] == b'A' { 'E' } else { 'A' };
        let forged = format!("{}{other}{}", &genuine[..at], &genuine[at + 1..]);
        assert!(world.auth.refresh(&forged, &client()).await.is_err(), "{forged}");
        assert!(world.auth.restore(&forged, &client()).await.is_err(), "{forged}");
        assert_eq!(
            world.auth.log_out(&forged, &client()).await.unwrap(),
            LoggedOut::NothingToEnd,
            "{forged}"
        );
    }
    assert_eq!(world.store.calls(), Vec::<&str>::new());
    assert!(world.lives(&tokens).await);
}

#[tokio::test]
async fn the_development_mailbox_stores_only_its_newest_mails() {
    let world = unlimited();
    world.user(ADA).await;
    for _ in 0..1100 {
        world.auth.forgot_password(ADA, &client()).await.unwrap();
    }
    assert_eq!(world.auth.deliver_due_mails().await.unwrap().sent, 1100);
    assert_eq!(world.mailbox.mails().len(), 1000);
    assert_eq!(format!("{:?}", Mailbox::with_capacity(3)), "Mailbox { mails: 0, .. }");
}

/// Requests for strangers leave nothing behind.
#[tokio::test]
async fn a_thousand_mails_asked_for_by_strangers_leave_no_row() {
    let world = World::new();
    for nth in 0..1000 {
        let address = format!("user{nth}@example.com");
        world.auth.forgot_password(&address, &client()).await.unwrap();
        world.auth.resend_verification(&address, &client()).await.unwrap();
    }
    assert_eq!(world.auth.deliver_due_mails().await.unwrap().dropped, 2000);
    let left = world.auth.outbox_stats().await.unwrap();
    assert_eq!((left.queued, left.dead), (0, 0));
    assert!(!world.store.calls().contains(&"insert_one_time"), "no link was made");
}
