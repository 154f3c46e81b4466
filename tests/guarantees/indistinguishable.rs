//! Guarantee 10: log in, register, forgot and resend do not reveal whether an address is known.
//!
//! The deterministic twin of measuring time: for every class of account the same answer, the same
//! calls of the store in the same order, the same number of hashes, the same state of the limits.

use std::sync::Arc;

use auth_core::store::UserStore;
use auth_core::{
    BcryptImport, Client, Email, HashingPool, LimitStatus, Limited, Message, Password, PasswordHash,
    RateLimits, SystemRandom, User,
};
use auth_testkit::cheap_hashing;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client};

/// `$2a$` of "U*U", cost 5: an account imported from an older system.
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

/// Of Django, 1,000 iterations of SHA-256; and of WordPress, 2^7 rounds.
const PBKDF2: &str = "pbkdf2_sha256$1000$seasalt2026$WRlqyw3Sv16VUn0ZG6z+nKFG6ssu93/RjlI/Jz9vwNE=";
const PHPASS: &str = "$P$5UgqspQPOg9638wjIwP5tFT8ptWdFC/";

/// All that somebody outside can see or measure of one request.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    answer: String,
    calls: Vec<&'static str>,
    hashes: u64,
    argon2_kib: u64,
    bcrypts: u64,
    legacy: u64,
    limits: Vec<LimitStatus>,
}

async fn seen<T, E: std::fmt::Debug>(world: &World, request: Limited<'_, T, E>) -> Seen {
    world.store.reset();
    let before = world.auth.hashing().stats();
    let (answer, limits) = request.with_limits().await;
    let after = world.auth.hashing().stats();
    Seen {
        answer: format!("{:?}", answer.map(|_| ())),
        calls: world.store.calls(),
        hashes: after.hashes - before.hashes,
        argon2_kib: after.argon2_kib - before.argon2_kib,
        bcrypts: after.bcrypts - before.bcrypts,
        legacy: after.legacy - before.legacy,
        limits,
    }
}

/// A client that no limit has met yet, the same for every class.
fn fresh() -> Client {
    Client::new(Some("192.0.2.1".parse().unwrap()), None)
}

async fn found(world: &World, address: &str) -> User {
    world.store.inner().find_by_email(&Email::parse(address).unwrap()).await.unwrap().unwrap()
}

/// A verified user with this in place of a hash.
async fn imported(world: &World, address: &str, hash: Option<PasswordHash>) {
    let name = address.split('@').next().unwrap();
    world.user(&format!("tmp.{name}@example.com")).await;
    let user = found(world, &format!("tmp.{name}@example.com")).await;
    world.auth.delete_user(user.id).await.unwrap();
    let user = User { email: Email::parse(address).unwrap(), password_hash: hash, ..user };
    let inserted = UserStore::insert_user(world.store.inner(), &user).await.unwrap();
    assert_eq!(inserted, auth_core::store::UserInsert::Inserted);
}

/// One account of every class.
async fn world_of_all(bcrypt: BcryptImport, iterations: u32) -> World {
    world_of_all_with(bcrypt, "", iterations).await
}

async fn world_of_all_with(bcrypt: BcryptImport, legacy: &str, iterations: u32) -> World {
    let world = World::with(|policy| {
        policy.hashing.bcrypt = bcrypt;
        policy.hashing.legacy = legacy.parse().unwrap();
        policy.hashing.iterations = iterations;
    });
    world.user("verified@example.com").await;
    world.user("disabled@example.com").await;
    let disabled = found(&world, "disabled@example.com").await;
    world.auth.disable_user(disabled.id).await.unwrap();
    world.register("unverified@example.com", PASSWORD).await;
    world.register("contested@example.com", PASSWORD).await;
    world.register("contested@example.com", OTHER_PASSWORD).await;
    imported(&world, "passwordless@example.com", None).await;
    imported(&world, "bcrypt@example.com", Some(PasswordHash::from_stored(BCRYPT))).await;
    imported(&world, "pbkdf2@example.com", Some(PasswordHash::from_stored(PBKDF2))).await;
    imported(&world, "phpass@example.com", Some(PasswordHash::from_stored(PHPASS))).await;
    imported(&world, "blank@example.com", Some(PasswordHash::from_stored(""))).await;
    imported(&world, "corrupt@example.com", Some(PasswordHash::from_stored("$argon2id$v=19$m=64"))).await;
    let mut weak = cheap_hashing();
    weak.memory_kib = 32;
    let weak = HashingPool::start(&weak, None, Arc::new(SystemRandom)).unwrap();
    let weak = weak.hash(&Password::new(PASSWORD)).await.unwrap();
    imported(&world, "weak@example.com", Some(weak)).await;
    world.auth.deliver_due_mails().await.unwrap();
    world
}

const EVERYBODY: [&str; 12] = [
    "unknown@example.com",
    "verified@example.com",
    "disabled@example.com",
    "unverified@example.com",
    "contested@example.com",
    "passwordless@example.com",
    "bcrypt@example.com",
    "pbkdf2@example.com",
    "phpass@example.com",
    "blank@example.com",
    "corrupt@example.com",
    "weak@example.com",
];

#[tokio::test]
async fn a_failed_log_in_looks_the_same_for_every_account() {
    let long = "x".repeat(5_000);
    let not_addresses = ["", "no address", "a@b", "@", "\"quoted\"@example.com", &"x".repeat(300)];
    for (bcrypt, bcrypts, accepted, legacy) in [
        (BcryptImport::Refuse, 0, "", 0),
        (BcryptImport::Accept { cost: 5 }, 1, "pbkdf2-sha256:1500,scrypt:16x2,phpass:8", 1500 + 32 + 8),
    ] {
        let world = world_of_all_with(bcrypt, accepted, 2).await;
        let cases = EVERYBODY
            .into_iter()
            .chain(not_addresses)
            .flat_map(|address| ["the wrong password", "", &long].map(|password| (address, password)));
        for (address, password) in cases {
            let here = fresh();
            let log_in = world.auth.log_in(address, Password::new(password), &here);
            let this = seen(&world, log_in).await;
            let left: Vec<_> =
                this.limits.iter().map(|limit| (limit.limit.name(), limit.remaining)).collect();
            // The consecutive failures of an account, which do not expire, are never shown.
            assert_eq!(left, [("log_in_account", 4), ("log_in_client", 49)], "{address:?}");
            let expected = Seen {
                answer: "Err(InvalidCredentials)".to_owned(),
                calls: vec!["find_by_email"],
                hashes: 1,
                argon2_kib: 128,
                bcrypts,
                legacy,
                limits: this.limits.clone(),
            };
            assert_eq!(this, expected, "{address:?} {password:.20?}");
            world.wait(60 * 60);
        }
    }
}

/// The right password of a disabled account is answered like a wrong one.
#[tokio::test]
async fn a_disabled_account_does_not_confirm_its_password() {
    let world = world_of_all(BcryptImport::Refuse, 1).await;
    let here = fresh();
    let right = world.auth.log_in("disabled@example.com", Password::new(PASSWORD), &here);
    let right = seen(&world, right).await;
    world.wait(60 * 60);
    let here = fresh();
    let wrong = world.auth.log_in("unknown2@example.com", Password::new(PASSWORD), &here);
    let wrong = seen(&world, wrong).await;
    let without_failures = |seen: Seen| Seen { limits: seen.limits.into_iter().take(2).collect(), ..seen };
    assert_eq!(without_failures(right), without_failures(wrong));
}

/// When the limit is met, right and wrong passwords and known and unknown accounts look alike.
#[tokio::test]
async fn a_throttled_log_in_looks_the_same_for_every_account() {
    let world = world_of_all(BcryptImport::Refuse, 1).await;
    let mut first = None;
    for address in EVERYBODY {
        for _ in 0..5 {
            assert!(world.auth.log_in(address, Password::new("wrong password"), &fresh()).await.is_err());
        }
        for password in [PASSWORD, "wrong password"] {
            let here = fresh();
            let this = seen(&world, world.auth.log_in(address, Password::new(password), &here)).await;
            assert!(this.answer.contains("RateLimited") && this.calls.is_empty(), "{this:?}");
            assert_eq!(first.get_or_insert_with(|| this.answer.clone()), &this.answer, "{address}");
            assert_eq!((this.hashes, this.limits.last().unwrap().remaining), (0, 0), "{address}");
        }
        world.wait(60 * 60);
    }
}

#[tokio::test]
async fn registration_looks_the_same_for_free_and_taken_addresses() {
    for password in [PASSWORD, "another fine passphrase"] {
        let world = world_of_all(BcryptImport::Accept { cost: 5 }, 1).await;
        let mut first = None;
        for address in EVERYBODY {
            let here = fresh();
            let register = world.auth.register(address, Password::new(password), Some("Ada"), &here);
            let this = seen(&world, register).await;
            assert_eq!((this.answer.as_str(), this.hashes), ("Ok(())", 1), "{address}");
            assert_eq!(this.calls, ["insert_intent", "insert_user", "mark_contested"], "{address}");
            assert_eq!(first.get_or_insert_with(|| format!("{this:?}")), &format!("{this:?}"), "{address}");
            world.wait(60 * 60);
        }
    }
}

/// Invalid input is refused before anybody is looked up, in the same words for all.
#[tokio::test]
async fn a_refused_registration_reads_no_user() {
    let world = world_of_all(BcryptImport::Refuse, 1).await;
    for address in EVERYBODY {
        let here = client();
        let this = seen(&world, world.auth.register(address, Password::new("short"), None, &here)).await;
        assert!(this.answer.contains("TooShort") && this.calls.is_empty() && this.hashes == 0, "{this:?}");
        assert!(this.limits.is_empty(), "nothing was counted");
    }
}

#[tokio::test]
async fn requesting_a_mail_looks_the_same_for_every_address() {
    let world = world_of_all(BcryptImport::Refuse, 1).await;
    let mut first = [None, None];
    for address in EVERYBODY {
        let (one, other) = (fresh(), fresh());
        let forgot = seen(&world, world.auth.forgot_password(address, &one)).await;
        let resend = seen(&world, world.auth.resend_verification(address, &other)).await;
        for (this, first) in [forgot, resend].into_iter().zip(&mut first) {
            assert_eq!((this.answer.as_str(), this.hashes), ("Ok(())", 0), "{address}");
            assert_eq!(this.calls, ["insert_intent"], "{address}: nobody is looked up in the request");
            assert_eq!(first.get_or_insert_with(|| format!("{this:?}")), &format!("{this:?}"), "{address}");
        }
        world.wait(60 * 60);
    }
}

/// A link with a known id and a wrong secret does not reveal the state of its owner.
#[tokio::test]
async fn a_reset_with_a_bad_link_looks_the_same_for_every_account() {
    let world = world_of_all(BcryptImport::Refuse, 1).await;
    let mut first = None;
    // A disabled account is sent none, a stranger neither.
    for address in EVERYBODY
        .into_iter()
        .filter(|address| !address.starts_with("unknown") && !address.starts_with("disabled"))
    {
        let link = world.reset_token(address).await;
        let bad = format!("{}.{}", link.split_once('.').unwrap().0, "A".repeat(43));
        let here = fresh();
        let reset = world.auth.reset_password(&bad, Password::new(PASSWORD), &here);
        let this = seen(&world, reset).await;
        assert_eq!((this.answer.as_str(), this.hashes), ("Err(InvalidToken)", 0), "{address}");
        assert_eq!(this.calls, ["find_one_time"], "{address}");
        assert_eq!(first.get_or_insert_with(|| format!("{this:?}")), &format!("{this:?}"), "{address}");
        world.wait(60 * 60);
    }
}

/// A user who is logged in cannot find out who else has an account.
#[tokio::test]
async fn a_change_of_address_looks_the_same_for_every_new_address() {
    let world = world_of_all(BcryptImport::Refuse, 1).await;
    world.user("asker@example.com").await;
    let claims = world.claims(&world.log_in("asker@example.com").await);
    let mut first = None;
    for address in EVERYBODY {
        let here = fresh();
        let change = world.auth.change_email(&claims, address, Password::new(PASSWORD), &here);
        let this = seen(&world, change).await;
        assert_eq!((this.answer.as_str(), this.hashes), ("Ok(())", 1), "{address}");
        assert_eq!(this.calls, ["find_session_and_user", "insert_intent"], "{address}: nobody is looked up");
        assert_eq!(first.get_or_insert_with(|| format!("{this:?}")), &format!("{this:?}"), "{address}");
        world.wait(60 * 60);
    }
}

/// Beyond the mailbox limit too, which is silent.
#[tokio::test]
async fn silenced_requests_look_the_same_for_every_address() {
    let world = World::with(|policy| policy.limits = RateLimits::default());
    world.user("verified@example.com").await;
    for address in ["verified@example.com", "unknown@example.com"] {
        for nth in 0..6 {
            let (one, other, third) = (client(), client(), client());
            let forgot = seen(&world, world.auth.forgot_password(address, &one)).await;
            let resend = seen(&world, world.auth.resend_verification(address, &other)).await;
            // The address of `World::user` was registered once before.
            let used = usize::from(address.starts_with("verified"));
            let register = world.auth.register(address, Password::new(PASSWORD), None, &third);
            let register = seen(&world, register).await;
            for (this, writes) in [(&forgot, 1), (&resend, 1)] {
                assert_eq!(
                    (this.answer.as_str(), this.calls.len()),
                    ("Ok(())", if nth < 3 { writes } else { 0 })
                );
            }
            let written = if nth + used < 3 { 3 } else { 0 };
            assert_eq!(
                (register.answer.as_str(), register.calls.len(), register.hashes),
                ("Ok(())", written, 1)
            );
        }
    }
}

/// Which mail is sent: one for each request to a mailbox with something to report, none to
/// strangers, and none of it while a request waits.
#[tokio::test]
async fn only_the_mailbox_owner_learns_the_state_of_an_address() {
    let world = world_of_all(BcryptImport::Refuse, 1).await;
    world.mailbox.take();
    for address in EVERYBODY {
        world.auth.forgot_password(address, &client()).await.unwrap();
        world.auth.resend_verification(address, &client()).await.unwrap();
        world.register(address, PASSWORD).await;
        assert!(world.mailbox.mails().is_empty(), "no mail is sent within a request");
        world.auth.deliver_due_mails().await.unwrap();
        let mut said: Vec<&str> = world.mailbox.take().iter().map(|mail| kind(&mail.message)).collect();
        said.sort_unstable();
        let expected: &[&str] = match address.split('@').next().unwrap() {
            // By the time of the sending the address is registered, by this very request.
            "unknown" => &["reset", "verify", "verify"],
            "unverified" | "contested" => &["reset", "reset", "verify"],
            "disabled" => &[],
            _ => &["already", "reset"],
        };
        assert_eq!(said, expected, "{address}");
    }
}

fn kind(message: &Message) -> &'static str {
    match message {
        Message::VerifyEmail { .. } => "verify",
        Message::ResetPassword { .. } => "reset",
        Message::AlreadyRegistered { .. } => "already",
        _ => "other",
    }
}
