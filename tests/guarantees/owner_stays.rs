//! Guarantee 20: no flood of failures from elsewhere keeps a known device out, and no single account or network
//! starves the others.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{
    Auth, ChangePasswordError, Client, Failure, InProcessLimiter, Limit, LogInError, Message, Password, Rule,
    SessionTokens, User,
};
use auth_testkit::{FakeClock, Faulty};
use auth_tests::{BusyHashing, OTHER_PASSWORD, PASSWORD, SECRET, World, client, race};

const ADA: &str = "ada@example.com";
const EVE: &str = "eve@example.com";
const QUARTER: Duration = Duration::from_mins(15);

fn right() -> Password {
    Password::new(PASSWORD)
}

fn wrong() -> Password {
    Password::new("not the right password")
}

/// A client in the /48 of this number, somewhere else in it at each call.
fn in_network(number: u64, host: u64) -> Client {
    let ip = (0x2001_0db8_u128 << 96) | (u128::from(number) << 80) | u128::from(host);
    Client::new(Some(Ipv6Addr::from_bits(ip).into()), None)
}

/// The same client with the device token of this log-in.
fn on_device(client: Client, tokens: &SessionTokens) -> Client {
    client.with_device_token(&tokens.device_token.as_ref().unwrap().expose())
}

async fn try_log_in(auth: &Auth, password: Password, client: &Client) -> Result<SessionTokens, Duration> {
    match auth.log_in(ADA, password, client).await {
        Ok(tokens) => Ok(tokens),
        Err(LogInError::InvalidCredentials) => Err(Duration::ZERO),
        Err(LogInError::RateLimited(limited)) => Err(limited.retry_after),
        Err(error) => panic!("{error:?}"),
    }
}

async fn world() -> World {
    let world = World::new();
    world.user(ADA).await;
    world.user(EVE).await;
    world
}

/// 20,000 tries from 1,000 networks at two processes, at once. Between and after them the owner's device is let
/// in at its first try, and a device that is not known is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_known_device_logs_in_at_once_under_a_flood() {
    let limiter = Faulty::new(InProcessLimiter::new(Arc::new(FakeClock::default())));
    let world = World::built(|_| {}, |builder| builder.rate_limiter(limiter.clone()));
    world.user(ADA).await;
    let other = Auth::builder(world.store.clone(), world.mailbox.clone())
        .clock(world.clock.clone())
        .secret(SECRET)
        .policy(world.auth.policy().clone())
        .rate_limiter(limiter)
        .build()
        .unwrap();
    let owner = on_device(client(), &world.log_in(ADA).await);
    let auths = [world.auth.clone(), other];
    let floods = race(64, |task| {
        let (auths, owner) = (auths.clone(), owner.clone());
        async move {
            let mut judged = 0;
            for number in (task..1_000).step_by(64) {
                for host in 0..20 {
                    let client = in_network(number as u64, host);
                    judged += u32::from(
                        try_log_in(&auths[number % 2], wrong(), &client).await.unwrap_err().is_zero(),
                    );
                }
            }
            // In the middle of the others' floods.
            if task % 8 == 0 {
                try_log_in(&auths[task / 8 % 2], right(), &owner).await.expect("the owner is let in");
            }
            judged
        }
    })
    .await;
    assert_eq!(floods.iter().sum::<u32>(), 100, "of 20,000 passwords a hundred are judged");
    assert!(try_log_in(&world.auth, right(), &client()).await.is_err());
    try_log_in(&world.auth, right(), &owner).await.expect("the owner is let in");
    assert!(
        try_log_in(&world.auth, right(), &client()).await.is_err(),
        "nothing shows that the owner was here"
    );
}

#[tokio::test]
async fn a_stolen_device_token_closes_only_its_device() {
    let world = world().await;
    let (stolen, kept) = (world.log_in(ADA).await, world.log_in(ADA).await);
    let thief = |host| on_device(in_network(1, host), &stolen);
    for host in 0..10 {
        assert_eq!(try_log_in(&world.auth, wrong(), &thief(host)).await.unwrap_err(), Duration::ZERO);
    }
    assert_eq!(try_log_in(&world.auth, right(), &thief(11)).await.unwrap_err(), QUARTER / 10);
    try_log_in(&world.auth, right(), &on_device(client(), &kept)).await.expect("another device");
    try_log_in(&world.auth, right(), &client()).await.expect("a new device");
    assert!(try_log_in(&world.auth, right(), &thief(12)).await.is_err(), "a success elsewhere opens nothing");
}

/// An attacker has an account, and so a device token of this service.
#[tokio::test]
async fn a_device_token_of_one_account_is_nothing_at_another() {
    let world = world().await;
    let eve = world.log_in(EVE).await;
    let tries = |password: fn() -> Password, count| {
        let (auth, eve) = (world.auth.clone(), eve.clone());
        async move {
            let mut judged = 0;
            for host in 0..count {
                let client = on_device(in_network(host, 1), &eve);
                judged +=
                    u32::from(try_log_in(&auth, password(), &client).await.is_err_and(|wait| wait.is_zero()));
            }
            judged
        }
    };
    assert_eq!(tries(wrong, 200).await, 100, "counted as from everybody else");
    assert!(try_log_in(&world.auth, right(), &on_device(client(), &eve)).await.is_err());
}

/// Somebody who knew the password before the reset has many device tokens, all of which stay known.
#[tokio::test]
async fn collected_device_tokens_share_a_hundred_failures() {
    let world = world().await;
    let mut devices = Vec::new();
    for _ in 0..15 {
        devices.push(on_device(client(), &world.log_in(ADA).await));
    }
    let mut judged = 0;
    for _ in 0..40 {
        for device in &devices {
            for _ in 0..10 {
                judged += u32::from(try_log_in(&world.auth, wrong(), device).await.unwrap_err().is_zero());
            }
        }
        world.clock.advance(QUARTER);
    }
    // A hundred on known devices, a hundred as from strangers, and then one of each in a quarter of an hour.
    assert!((200..200 + 2 * 40).contains(&judged), "{judged}");
    // A success that is counted as a stranger's begins both rows again.
    try_log_in(&world.auth, right(), &client()).await.unwrap();
    for _ in 0..10 {
        assert_eq!(try_log_in(&world.auth, wrong(), &devices[0]).await.unwrap_err(), Duration::ZERO);
    }
}

/// It used to be free, so an attacker who polls won each try that became free.
#[tokio::test]
async fn a_refused_poll_is_counted_against_the_poller() {
    let world = world().await;
    for number in 0..100 {
        try_log_in(&world.auth, wrong(), &in_network(number, 1)).await.unwrap_err();
    }
    let poller = in_network(7_000, 1);
    for _ in 0..5 {
        assert_eq!(try_log_in(&world.auth, wrong(), &poller).await.unwrap_err(), QUARTER);
    }
    assert_eq!(try_log_in(&world.auth, wrong(), &poller).await.unwrap_err(), QUARTER / 5, "its own limit");
    let neighbour = world.auth.log_in(EVE, right(), &poller).await;
    assert!(neighbour.is_ok(), "the address has tries left for others");
}

#[tokio::test]
async fn a_reset_opens_the_account_to_everybody_again() {
    let world = world().await;
    let owner = on_device(client(), &world.log_in(ADA).await);
    let thief = on_device(client(), &world.log_in(ADA).await);
    for number in 0..100 {
        try_log_in(&world.auth, wrong(), &in_network(number, 1)).await.unwrap_err();
    }
    for _ in 0..10 {
        try_log_in(&world.auth, wrong(), &owner).await.unwrap_err();
    }
    assert!(try_log_in(&world.auth, right(), &owner).await.is_err());
    // A thief of the password uses up the log-ins that succeed.
    while try_log_in(&world.auth, right(), &thief).await.is_ok() {}
    let token = world.reset_token(ADA).await;
    world.auth.reset_password(&token, Password::new(OTHER_PASSWORD), &owner).await.unwrap();
    for client in [owner, client()] {
        try_log_in(&world.auth, Password::new(OTHER_PASSWORD), &client).await.unwrap();
    }
}

/// The device token survives what ends sessions, and it is renewed by each log-in.
#[tokio::test]
async fn a_device_stays_known_after_a_reset_and_with_other_users() {
    let world = world().await;
    let ada = world.log_in(ADA).await;
    world.auth.log_out_everywhere(ada.user.id, &client()).await.unwrap();
    let eve = world.auth.log_in(EVE, right(), &on_device(client(), &ada)).await.unwrap();
    let before = world.events.count("log_in_from_unknown_device");
    let again = world.auth.log_in(ADA, right(), &on_device(client(), &eve)).await.unwrap();
    assert_eq!(world.events.count("log_in_from_unknown_device"), before);
    let refreshed = world.auth.refresh(&again.refresh_token.expose(), &client()).await.unwrap();
    assert!(again.device_token.is_some() && refreshed.device_token.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_logs_in_thirty_times_in_a_quarter_of_an_hour() {
    let world = world().await;
    world.clock.advance(QUARTER);
    let owner = on_device(client(), &world.log_in(ADA).await);
    let answers = race(100, |index| {
        let (auth, client) = (world.auth.clone(), if index % 2 == 0 { client() } else { owner.clone() });
        async move { try_log_in(&auth, right(), &client).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 29);
    assert_eq!(try_log_in(&world.auth, right(), &owner).await.unwrap_err(), QUARTER / 30);
    let stranger = try_log_in(&world.auth, wrong(), &client()).await;
    assert_eq!(stranger.unwrap_err(), Duration::ZERO, "only the right password shows the limit");
    world.auth.log_in(EVE, right(), &client()).await.unwrap();
    world.clock.advance(QUARTER / 30);
    try_log_in(&world.auth, right(), &owner).await.unwrap();
}

/// The first registrant of the address knows that password, and must not use up the owner's log-ins.
#[tokio::test]
async fn right_passwords_of_an_unverified_address_count_apart() {
    let world = World::new();
    world.register(ADA, PASSWORD).await;
    let count = |auth: Auth| async move {
        let mut unverified = 0;
        for _ in 0..40 {
            let answer = auth.log_in(ADA, right(), &client()).await;
            unverified += u32::from(matches!(answer, Err(LogInError::EmailNotVerified)));
        }
        unverified
    };
    assert_eq!(count(world.auth.clone()).await, 30);
    let token = world.verification_token(ADA).await;
    world.auth.verify_email(&token, None, &client()).await.unwrap();
    try_log_in(&world.auth, right(), &client()).await.unwrap();
}

/// A stolen session guesses within the hundred of the account, also where it waits for its own limit.
#[tokio::test]
async fn wrong_current_passwords_count_as_failed_log_ins() {
    let world = world().await;
    let tokens = world.log_in(ADA).await;
    let claims = world.claims(&tokens);
    let change = |client: Client| {
        let (auth, claims) = (world.auth.clone(), claims.clone());
        async move { auth.change_password(&claims, wrong(), Password::new(OTHER_PASSWORD), &client).await }
    };
    for round in 0..20 {
        for _ in 0..5 {
            let answer = change(client()).await;
            assert!(matches!(answer, Err(ChangePasswordError::WrongPassword)), "{round} {answer:?}");
        }
        world.clock.advance(QUARTER);
    }
    // The wait began with the last of the hundred.
    assert!(matches!(change(client()).await, Err(ChangePasswordError::WrongPassword)));
    let Err(ChangePasswordError::RateLimited(limited)) = change(client()).await else { panic!() };
    assert_eq!(limited.retry_after, QUARTER);
    assert_eq!(try_log_in(&world.auth, right(), &client()).await.unwrap_err(), QUARTER);
    world.clock.advance(Duration::from_secs(899));
    let owner = on_device(client(), &tokens);
    world.auth.change_password(&claims, right(), Password::new(OTHER_PASSWORD), &owner).await.unwrap();
}

/// The only thread is busy, and a flood of one account from many networks fills the queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_one_account_keeps_no_other_out_of_the_queue() {
    let world = World::with(|policy| (policy.hashing.threads, policy.hashing.queue) = (1, 4));
    world.user(ADA).await;
    world.user(EVE).await;
    let busy = BusyHashing::threads_of(world.auth.hashing(), 1);
    let flood: Vec<_> = (0..8)
        .map(|number| {
            let auth = world.auth.clone();
            tokio::spawn(async move { auth.log_in(EVE, wrong(), &in_network(number, 1)).await })
        })
        .collect();
    auth_tests::run_until("the queue is full", || world.auth.hashing().stats().queued == 4).await;
    let owner = tokio::spawn({
        let auth = world.auth.clone();
        async move { auth.log_in(ADA, right(), &client()).await }
    });
    auth_tests::run_until("one lost its place", || {
        assert!(!owner.is_finished(), "the owner was turned away");
        flood.iter().filter(|task| task.is_finished()).count() == 5
    })
    .await;
    drop(busy);
    owner.await.unwrap().unwrap();
    let (mut busy, mut judged) = (0, 0);
    for task in flood {
        match task.await.unwrap() {
            Err(LogInError::Failed(Failure::Busy { .. })) => busy += 1,
            Err(LogInError::InvalidCredentials) => judged += 1,
            answer => panic!("{answer:?}"),
        }
    }
    assert_eq!((busy, judged), (5, 3));
}

async fn notices(world: &World) -> Vec<Message> {
    let messages = world.mails(ADA).await.into_iter().map(|mail| mail.message);
    messages.filter(|message| matches!(message, Message::UnknownDevice { .. })).collect()
}

#[tokio::test]
async fn a_log_in_from_an_unknown_device_is_mailed() {
    let world = world().await;
    let first = world.log_in(ADA).await;
    world.clock.advance(Duration::from_secs(3_599));
    world.log_in(ADA).await;
    assert!(notices(&world).await.is_empty(), "the address was verified within the hour");
    world.clock.advance(Duration::from_secs(1));
    try_log_in(&world.auth, right(), &on_device(client(), &first)).await.unwrap();
    assert!(notices(&world).await.is_empty(), "a known device");
    let from = Client::new("192.0.2.7".parse().ok(), None);
    try_log_in(&world.auth, right(), &from).await.unwrap();
    let arrived = notices(&world).await;
    let [Message::UnknownDevice { ip, at }] = &arrived[..] else { panic!("{arrived:?}") };
    assert_eq!((*ip, *at), (from.ip(), auth_core::Clock::now(&world.clock)));
    for _ in 0..5 {
        world.log_in(ADA).await;
    }
    assert_eq!(notices(&world).await.len(), 3, "three an hour");
    try_log_in(&world.auth, wrong(), &client()).await.unwrap_err();
    world.clock.advance(Duration::from_hours(1));
    try_log_in(&world.auth, wrong(), &client()).await.unwrap_err();
    assert_eq!(notices(&world).await.len(), 3, "a failed log-in is none");
}

#[tokio::test]
async fn a_policy_switches_notices_and_limits_of_devices_off() {
    let world = World::with(|policy| {
        policy.unknown_device_notice = false;
        policy.limits.log_in_device = None;
        policy.limits.log_in_consecutive_failures =
            Some(Rule::ConsecutiveFailures { failures: 2, then_every: QUARTER });
    });
    let _user: User = world.user(ADA).await;
    world.clock.advance(Duration::from_hours(2));
    let known = on_device(client(), &world.log_in(ADA).await);
    assert!(notices(&world).await.is_empty());
    for _ in 0..2 {
        try_log_in(&world.auth, wrong(), &client()).await.unwrap_err();
    }
    let (answer, limits) = world.auth.log_in(ADA, right(), &known).with_limits().await;
    assert!(
        matches!(answer, Err(LogInError::RateLimited(_))),
        "without a limit it is no door that stands open"
    );
    assert!(limits.iter().all(|status| status.limit != Limit::LogInDevice));
}
