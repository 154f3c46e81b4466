//! Through `Auth` alone, with password hashes of the real cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::store::{UserInsert, UserStore};
use auth_core::{BcryptImport, Email, HashingPolicy, MemoryStore, Password, PasswordHash, RateLimits, User};
use auth_tests::{PASSWORD, World, client};

use crate::rounds::{Orders, samples};
use crate::verdict::Report;

/// `$2a$` of "U*U", cost 5.
pub(crate) const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
pub(crate) const BCRYPT_COST: u32 = 5;

/// The classes of accounts, the unknown one first; then the controls.
pub(crate) const LOG_IN: [&str; 10] = [
    "unknown",
    "wrong password",
    "unverified",
    "disabled",
    "disabled, right password",
    "no password",
    "legacy bcrypt",
    "over-long password",
    "control: not hashed for",
    "control: 1 ms more",
];
pub(crate) const MAIL: [&str; 6] =
    ["unknown", "verified", "unverified", "disabled", "no password", "control: 1 ms more"];
pub(crate) const REGISTER: [&str; 4] = ["free", "taken", "taken, unverified", "control: 1 ms more"];
pub(crate) const RESET: [&str; 3] =
    ["unknown link", "a real link's name, wrong secret", "control: 1 ms more"];

/// The address of an account of this class.
pub(crate) fn address(class: &str) -> String {
    let name = match class {
        "wrong password" | "verified" | "taken" | "over-long password" => "verified",
        "unverified" | "taken, unverified" => "unverified",
        "disabled" | "disabled, right password" => "disabled",
        "no password" => "passwordless",
        "legacy bcrypt" => "bcrypt",
        _ => "unknown",
    };
    format!("{name}@example.com")
}

/// What is typed to log in as this class.
pub(crate) fn typed(class: &str) -> String {
    match class {
        "disabled, right password" => PASSWORD.to_owned(),
        "over-long password" => "x".repeat(5_000),
        _ => "not the password".to_owned(),
    }
}

/// Keeps a core busy for a millisecond, as work would.
pub(crate) fn a_millisecond() {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1) {
        std::hint::spin_loop();
    }
}

pub(crate) fn measure(report: &mut Report, slow: usize, fast: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let world = world_of_all().await;
        log_in(report, &world, slow).await;
        mails(report, &world, fast).await;
        register(report, &world, slow).await;
        reset(report, &world, fast).await;
    });
}

async fn world_of_all() -> World {
    let world = World::on(Arc::new(MemoryStore::new()), |policy| {
        policy.limits = RateLimits::none();
        policy.hashing = HashingPolicy::default();
        policy.hashing.bcrypt = BcryptImport::Accept { cost: BCRYPT_COST };
    });
    let verified = world.user(&address("verified")).await;
    let disabled = world.user(&address("disabled")).await;
    world.auth.disable_user(disabled.id).await.unwrap();
    world.register(&address("unverified"), PASSWORD).await;
    for (class, hash) in [("no password", None), ("legacy bcrypt", Some(PasswordHash::from_stored(BCRYPT)))] {
        let temporary = world.user("temporary@example.com").await;
        world.auth.delete_user(temporary.id).await.unwrap();
        let email = Email::parse(&address(class)).unwrap();
        let user = User { id: temporary.id, email, password_hash: hash, ..verified.clone() };
        assert_eq!(UserStore::insert(world.store.inner(), &user).await.unwrap(), UserInsert::Inserted);
    }
    tidy(&world).await;
    world
}

/// Does what the background does, between two rounds.
async fn tidy(world: &World) {
    world.auth.deliver_due_mails().await.unwrap();
    world.mailbox.take();
    world.store.reset();
}

async fn log_in(report: &mut Report, world: &World, rounds: usize) {
    let (mut samples, mut orders) = (samples(&LOG_IN), Orders::new());
    for _ in 0..rounds {
        for at in orders.next(LOG_IN.len()) {
            let (class, here) = (LOG_IN[at], client());
            let (address, password) = (address(class), Password::new(typed(class)));
            let begun = Instant::now();
            if class == "control: not hashed for" {
                let email = Email::parse(&address).unwrap();
                assert!(world.store.find_by_email(&email).await.unwrap().is_none());
            } else {
                assert!(world.auth.log_in(&address, password, &here).await.is_err());
            }
            if class == "control: 1 ms more" {
                a_millisecond();
            }
            samples[at].add(begun.elapsed());
        }
        world.store.reset();
    }
    report.add("log in, in process", &samples, 2);
}

async fn mails(report: &mut Report, world: &World, rounds: usize) {
    for operation in ["forgot", "resend"] {
        let (mut samples, mut orders) = (samples(&MAIL), Orders::new());
        for _ in 0..rounds {
            for at in orders.next(MAIL.len()) {
                let (address, here) = (address(MAIL[at]), client());
                let begun = Instant::now();
                if operation == "forgot" {
                    world.auth.forgot_password(&address, &here).await.unwrap();
                } else {
                    world.auth.resend_verification(&address, &here).await.unwrap();
                }
                if MAIL[at].starts_with("control") {
                    a_millisecond();
                }
                samples[at].add(begun.elapsed());
            }
            tidy(world).await;
        }
        report.add(&format!("{operation}, in process"), &samples, 1);
    }
}

async fn register(report: &mut Report, world: &World, rounds: usize) {
    let (mut samples, mut orders) = (samples(&REGISTER), Orders::new());
    for round in 0..rounds {
        for at in orders.next(REGISTER.len()) {
            let here = client();
            let address = match REGISTER[at] {
                taken if taken.starts_with("taken") => address(taken),
                class => format!("free{round}{}@example.com", class.len()),
            };
            let begun = Instant::now();
            let password = Password::new("another fine passphrase");
            world.auth.register(&address, password, Some("Ada"), &here).await.unwrap();
            if REGISTER[at].starts_with("control") {
                a_millisecond();
            }
            samples[at].add(begun.elapsed());
        }
        tidy(world).await;
    }
    report.add("register, in process", &samples, 1);
}

async fn reset(report: &mut Report, world: &World, rounds: usize) {
    let real = world.reset_token(&address("verified")).await;
    let (real, _) = real.split_once('.').unwrap();
    let unknown = "A".repeat(real.len());
    let secret = "A".repeat(43);
    let (mut samples, mut orders) = (samples(&RESET), Orders::new());
    for _ in 0..rounds {
        for at in orders.next(RESET.len()) {
            let (name, here) = (if at == 1 { real } else { unknown.as_str() }, client());
            let (token, password) = (format!("{name}.{secret}"), Password::new("another fine passphrase"));
            let begun = Instant::now();
            assert!(world.auth.reset_password(&token, password, &here).await.is_err());
            if at == 2 {
                a_millisecond();
            }
            samples[at].add(begun.elapsed());
        }
        world.store.reset();
    }
    report.add("reset with a bad link, in process", &samples, 1);
}
