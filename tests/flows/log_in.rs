//! Logging in: better hashes, imported users, and what a session remembers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth_core::store::{UserInsert, UserStore};
use auth_core::{
    BcryptImport, Client, Clock, Email, EventKind, FirebaseSignerKey, HashingPolicy, HashingPool, LogInError,
    LogInFailure, Password, PasswordHash, Pepper, SystemRandom, User,
};
use auth_testkit::cheap_hashing;
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, text};

const ADA: &str = "ada@example.com";
/// bcrypt of "U*U".
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

async fn log_in(world: &World, address: &str, password: &str) -> Result<(), LogInError> {
    world.auth.log_in(address, Password::new(password), &client()).await.map(|_| ())
}

async fn row(world: &World, address: &str) -> User {
    world.store.inner().find_by_email(&Email::parse(address).unwrap()).await.unwrap().unwrap()
}

fn exposed(user: &User) -> String {
    user.password_hash.as_ref().unwrap().expose().to_owned()
}

async fn hashed_with(policy: &HashingPolicy, password: &str) -> PasswordHash {
    let pool = HashingPool::start(policy, None, Arc::new(SystemRandom)).unwrap();
    pool.hash(&Password::new(password)).await.unwrap()
}

/// Replaces the hash of a user, as another system or an older configuration left it.
async fn plant(world: &World, user: &User, hash: PasswordHash) {
    let users: &dyn UserStore = world.store.inner();
    assert_eq!(
        users.rehash_password(user.id, user.epoch, &hash).await.unwrap(),
        auth_core::store::GuardedWrite::Applied
    );
}

#[tokio::test]
async fn a_log_in_replaces_a_weaker_hash_and_nothing_else() {
    let world = World::with(|policy| policy.hashing.iterations = 3);
    let user = world.user(ADA).await;
    let session = world.log_in(ADA).await;
    plant(&world, &user, hashed_with(&cheap_hashing(), PASSWORD).await).await;
    assert!(log_in(&world, ADA, OTHER_PASSWORD).await.is_err());
    assert!(exposed(&row(&world, ADA).await).contains("t=1"), "a wrong password replaces nothing");
    log_in(&world, ADA, PASSWORD).await.unwrap();
    let replaced = row(&world, ADA).await;
    assert!(exposed(&replaced).contains("m=64,t=3,p=1"));
    assert_eq!((replaced.epoch, replaced.password_changed_at), (user.epoch, user.password_changed_at));
    assert_eq!(world.events.count("password_rehashed"), 1);
    world.auth.refresh(&text(&session), &client()).await.unwrap();
    log_in(&world, ADA, PASSWORD).await.unwrap();
    assert_eq!(exposed(&row(&world, ADA).await), exposed(&replaced), "once is enough");
}

#[tokio::test]
async fn a_log_in_does_not_replace_a_stronger_hash() {
    let world = World::new();
    let user = world.user(ADA).await;
    let mut strong = cheap_hashing();
    (strong.memory_kib, strong.iterations) = (128, 4);
    plant(&world, &user, hashed_with(&strong, PASSWORD).await).await;
    log_in(&world, ADA, PASSWORD).await.unwrap();
    assert!(exposed(&row(&world, ADA).await).contains("m=128,t=4"));
    assert_eq!(world.events.count("password_rehashed"), 0);
}

#[tokio::test]
async fn a_log_in_adds_a_new_pepper_to_the_hash() {
    let pepper = Pepper::new(7, "k8Jq0Yf2mZr7LwXs4TbNcPd1HgKe9UaRvW").unwrap();
    let world = World::built(|_| {}, |builder| builder.pepper(pepper));
    let user = world.user(ADA).await;
    plant(&world, &user, hashed_with(&cheap_hashing(), PASSWORD).await).await;
    log_in(&world, ADA, PASSWORD).await.unwrap();
    assert!(exposed(&row(&world, ADA).await).contains("keyid="));
    log_in(&world, ADA, PASSWORD).await.unwrap();
    // Without the pepper the hash is worth nothing.
    let plain = HashingPool::start(&cheap_hashing(), None, Arc::new(SystemRandom)).unwrap();
    let hash = row(&world, ADA).await.password_hash;
    let verified = plain.verify(&Password::new(PASSWORD), hash.as_ref()).await.unwrap();
    assert!(matches!(verified, auth_core::Verified::NoMatch));
}

#[tokio::test]
async fn an_accepted_bcrypt_hash_works_and_is_replaced_at_log_in() {
    for accepted in [false, true] {
        let world = World::with(|policy| {
            if accepted {
                policy.hashing.bcrypt = BcryptImport::Accept { cost: 5 };
            }
        });
        let user = world.user(ADA).await;
        plant(&world, &user, PasswordHash::from_stored(BCRYPT)).await;
        assert!(matches!(log_in(&world, ADA, "U*V").await, Err(LogInError::InvalidCredentials)));
        assert_eq!(exposed(&row(&world, ADA).await), BCRYPT);
        assert_eq!(log_in(&world, ADA, "U*U").await.is_ok(), accepted);
        assert_eq!(exposed(&row(&world, ADA).await).starts_with("$argon2id$"), accepted);
        if accepted {
            log_in(&world, ADA, "U*U").await.unwrap();
            assert!(log_in(&world, ADA, "U*V").await.is_err());
        }
    }
}

/// A hash of Django (see `auth-core/src/hashing/tests/legacy.rs`) of this password, and Firebase's own example.
#[tokio::test]
async fn an_accepted_legacy_hash_is_replaced_at_log_in() {
    let signer_key =
        "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
    let firebase = "$firebase-scrypt$ln=14,r=8,ss=Bw==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==";
    let django = "pbkdf2_sha256$1000$seasalt2026$WRlqyw3Sv16VUn0ZG6z+nKFG6ssu93/RjlI/Jz9vwNE=";
    let of_django = "correct horse \u{e9} battery";
    for (text, password, accepted, has_key, logs_in) in [
        (django, of_django, "", false, false),
        (django, of_django, "pbkdf2-sha256:999", false, false),
        (django, of_django, "pbkdf2-sha256:1000", false, true),
        (firebase, "user1password", "scrypt:16384", false, false),
        (firebase, "user1password", "", true, false),
        (firebase, "user1password", "scrypt:16384", true, true),
    ] {
        let key = FirebaseSignerKey::from_base64(signer_key).unwrap();
        let world = World::built(
            |policy| policy.hashing.legacy = accepted.parse().unwrap(),
            |builder| if has_key { builder.firebase_signer_key(key) } else { builder },
        );
        let user = world.user(ADA).await;
        plant(&world, &user, PasswordHash::from_stored(text)).await;
        assert!(log_in(&world, ADA, OTHER_PASSWORD).await.is_err());
        assert_eq!(exposed(&row(&world, ADA).await), text, "a wrong password replaces nothing");
        assert_eq!(log_in(&world, ADA, password).await.is_ok(), logs_in, "{accepted}");
        assert_eq!(exposed(&row(&world, ADA).await).starts_with("$argon2id$"), logs_in);
        assert_eq!(world.events.count("password_rehashed"), usize::from(logs_in));
        assert_eq!(log_in(&world, ADA, password).await.is_ok(), logs_in);
    }
}

/// bcrypt reads 72 bytes: with any end after them a log-in succeeds, and must not change what the owner types.
#[tokio::test]
async fn a_long_password_under_bcrypt_stays_the_owners() {
    // `password_hash` of PHP 8.2, of 80 times "x".
    let bcrypt = "$2y$04$M1q2ZyGYIvAhp8Yt7psJb.tEqKFGJhquuAyA.9gjzHdZLQjYrMdWS";
    let world = World::with(|policy| policy.hashing.bcrypt = BcryptImport::Accept { cost: 4 });
    let user = world.user(ADA).await;
    plant(&world, &user, PasswordHash::from_stored(bcrypt)).await;
    let owners = "x".repeat(80);
    for typed in ["x".repeat(72), "x".repeat(72) + "anything", owners.clone()] {
        log_in(&world, ADA, &typed).await.unwrap();
        assert_eq!(exposed(&row(&world, ADA).await), bcrypt, "{typed}");
    }
    assert_eq!(world.events.count("password_rehashed"), 0);
    assert!(log_in(&world, ADA, &"x".repeat(71)).await.is_err());
    // A reset ends it.
    let link = world.reset_token(ADA).await;
    world.auth.reset_password(&link, Password::new(owners.clone() + "y"), &client()).await.unwrap();
    assert!(log_in(&world, ADA, &owners).await.is_err());
    log_in(&world, ADA, &(owners + "y")).await.unwrap();
}

#[tokio::test]
async fn an_imported_user_without_a_password_gets_one_by_mail_alone() {
    let world = World::new();
    let user = world.user("tmp@example.com").await;
    world.auth.delete_user(user.id).await.unwrap();
    for (nth, hash) in [(1, None), (2, Some(PasswordHash::from_stored("")))] {
        let address = &format!("user{nth}@example.com");
        let mut id = *user.id.as_bytes();
        id[15] ^= nth;
        let id = auth_core::UserId::from_bytes(id);
        let user = User { id, email: Email::parse(address).unwrap(), password_hash: hash, ..user.clone() };
        assert_eq!(UserStore::insert_user(world.store.inner(), &user).await.unwrap(), UserInsert::Inserted);
        for guess in ["", " ", PASSWORD, "null", "None"] {
            assert!(matches!(log_in(&world, address, guess).await, Err(LogInError::InvalidCredentials)));
        }
        let link = world.reset_token(address).await;
        world.auth.reset_password(&link, Password::new(PASSWORD), &client()).await.unwrap();
        log_in(&world, address, PASSWORD).await.unwrap();
    }
}

#[tokio::test]
async fn a_disabled_user_gets_the_refusal_of_an_unknown_one() {
    let world = World::new();
    let user = world.user(ADA).await;
    world.auth.disable_user(user.id).await.unwrap();
    world.register("new@example.com", PASSWORD).await;
    let before = world.events.kinds().len();
    for (address, password, why) in [
        (ADA, PASSWORD, LogInFailure::Disabled),
        (ADA, OTHER_PASSWORD, LogInFailure::WrongPassword),
        ("nobody@example.com", PASSWORD, LogInFailure::UnknownAccount),
        ("no address", PASSWORD, LogInFailure::UnknownAccount),
        ("new@example.com", OTHER_PASSWORD, LogInFailure::WrongPassword),
        ("new@example.com", PASSWORD, LogInFailure::NotVerified),
    ] {
        let refused = log_in(&world, address, password).await.unwrap_err();
        let not_verified = matches!(refused, LogInError::EmailNotVerified);
        assert_eq!(not_verified, why == LogInFailure::NotVerified, "{refused:?}");
        let events = world.events.kinds();
        let Some(EventKind::LogInFailed { reason, .. }) = events.last() else { panic!("{events:?}") };
        assert_eq!(*reason, why);
    }
    assert_eq!(world.events.kinds().len(), before + 6, "one event each");
}

/// Exactly as received: not trimmed, not folded, not cut, not normalised.
#[tokio::test]
async fn a_password_is_taken_exactly_as_it_was_typed() {
    let long = (0..180).fold(String::new(), |text, n| text + &format!("é{n} "));
    let cut = |bytes: usize| &long[..long.floor_char_boundary(bytes)];
    let cases = [
        (" padded with blanks ", vec!["padded with blanks", " padded with blanks", "  padded with blanks "]),
        ("with\0a zero byte", vec!["with", "with\0", "with\0a zero byt"]),
        ("Mixed Case Letters", vec!["mixed case letters", "MIXED CASE LETTERS"]),
        ("caf\u{e9} cr\u{e8}me br\u{fb}l\u{e9}e", vec!["cafe\u{301} cre\u{300}me bru\u{302}le\u{301}e"]),
        (long.as_str(), vec![cut(long.len() - 1), cut(73), cut(72), cut(9)]),
    ];
    for (nth, (password, others)) in cases.into_iter().enumerate() {
        let world = World::new();
        let address = format!("user{nth}@example.com");
        world.register(&address, password).await;
        let link = world.verification_token(&address).await;
        world.auth.verify_email(&link, None, &client()).await.unwrap();
        for other in others {
            assert!(log_in(&world, &address, other).await.is_err(), "{other:?}");
        }
        log_in(&world, &address, password).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_remembers_when_from_where_and_with_what() {
    let world = World::new();
    let user = world.user(ADA).await;
    let ip: IpAddr = "::ffff:192.0.2.9".parse().unwrap();
    let here = Client::new(Some(ip), Some("Browser\r\n\u{1b}[31m 1.0"));
    let tokens = world.auth.log_in(ADA, Password::new(PASSWORD), &here).await.unwrap();
    let session = &tokens.session;
    let now = world.clock.now();
    assert_eq!(session.user_id, user.id);
    assert_eq!((session.generation, session.epoch), (0, user.epoch));
    assert_eq!((session.created_at, session.rotated_at), (now, now));
    assert_eq!(session.ip, Some("192.0.2.9".parse().unwrap()), "IPv4 written as IPv6 is IPv4");
    assert_eq!(session.user_agent.as_deref(), Some("Browser[31m 1.0"));
    assert_eq!(session.idle_expires_at, now + Duration::from_hours(7 * 24));
    let end = now + Duration::from_hours(30 * 24);
    assert!(session.expires_at <= end && end - session.expires_at < chrono::TimeDelta::seconds(1));
    assert_eq!(tokens.refresh_expires_in, Duration::from_hours(7 * 24));
    assert!(tokens.expires_in <= Duration::from_mins(15) && tokens.expires_in > Duration::from_secs(898));
    assert_eq!(tokens.user.id, user.id);
    let listed = world.auth.sessions(user.id).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].ip), (session.id, session.ip));
    let silent = world.auth.log_in(ADA, Password::new(PASSWORD), &Client::unknown()).await.unwrap();
    assert_eq!((silent.session.ip, silent.session.user_agent), (None, None));
}

/// Two log-ins share nothing that one could guess from the other.
#[tokio::test]
async fn every_log_in_begins_a_new_session() {
    let world = World::new();
    world.user(ADA).await;
    let (one, other) = (world.log_in(ADA).await, world.log_in(ADA).await);
    assert_ne!(one.session.id, other.session.id);
    assert_ne!(text(&one).split('.').nth(1), text(&other).split('.').nth(1));
    assert_ne!(world.claims(&one).token_id, world.claims(&other).token_id);
    world.auth.log_out(&text(&one), &client()).await.unwrap();
    world.auth.refresh(&text(&other), &client()).await.unwrap();
}
