//! Through `Auth` alone, with password hashes of the real cost.

use std::sync::Arc;
use std::time::Instant;

use auth_core::store::{UserInsert, UserStore};
use auth_core::{BcryptImport, Email, HashingPolicy, MemoryStore, Password, PasswordHash, RateLimits, User};
use auth_tests::{PASSWORD, World, client};

use crate::classes::{
    BCRYPT_COST, Class, Classes, LEGACY, LEGACY_COSTS, LINKED, NEW, address, bad_link, to_register,
};
use crate::rounds::{Draws, samples};
use crate::verdict::Report;

pub(crate) fn measure(report: &mut Report, classes: &Classes, slow: usize, fast: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let world = world_of_all().await;
        log_in(report, &world, classes.log_in, slow).await;
        mails(report, &world, classes.mail, fast).await;
        register(report, &world, classes.register, slow).await;
        reset(report, &world, classes.reset, fast).await;
    });
}

async fn world_of_all() -> World {
    let world = World::on(Arc::new(MemoryStore::new()), |policy| {
        policy.limits = RateLimits::none();
        policy.hashing = HashingPolicy::default();
        policy.hashing.bcrypt = BcryptImport::Accept { cost: BCRYPT_COST };
        policy.hashing.legacy = LEGACY_COSTS.parse().unwrap();
    });
    let verified = world.user(&address("verified")).await;
    let disabled = world.user(&address("disabled")).await;
    world.auth.disable_user(disabled.id).await.unwrap();
    world.register(&address("unverified"), PASSWORD).await;
    let legacy = LEGACY.map(|(account, text)| (account, Some(PasswordHash::from_stored(text))));
    for (account, hash) in [("passwordless", None)].into_iter().chain(legacy) {
        let temporary = world.user("temporary@example.com").await;
        world.auth.delete_user(temporary.id).await.unwrap();
        let email = Email::parse(&address(account)).unwrap();
        let user = User { id: temporary.id, email, password_hash: hash, ..verified.clone() };
        assert_eq!(UserStore::insert_user(world.store.inner(), &user).await.unwrap(), UserInsert::Inserted);
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

async fn log_in(report: &mut Report, world: &World, classes: &[Class], rounds: usize) {
    let (mut samples, mut draws) = (samples(classes), Draws::new());
    for _ in 0..rounds {
        for at in draws.next(classes.len()) {
            let (class, here) = (classes[at], client());
            let (address, password) = (address(class.account), Password::new(class.typed.text()));
            let begun = Instant::now();
            let answer = world.auth.log_in(&address, password, &here).await;
            samples[at].add(begun.elapsed());
            assert!(answer.is_err());
        }
        world.store.reset();
    }
    report.add("log in, in process", &samples);
}

async fn mails(report: &mut Report, world: &World, classes: &[Class], rounds: usize) {
    let addresses: Vec<_> = classes.iter().map(|class| address(class.account)).collect();
    // One place in memory for all of them: where a text lies is no property of its class.
    let mut address = String::with_capacity(64);
    for operation in ["forgot", "resend"] {
        let (mut samples, mut draws) = (samples(classes), Draws::new());
        for _ in 0..rounds {
            for at in draws.next(classes.len()) {
                address.clear();
                address.push_str(&addresses[at]);
                let here = client();
                let begun = Instant::now();
                if operation == "forgot" {
                    world.auth.forgot_password(&address, &here).await.unwrap();
                } else {
                    world.auth.resend_verification(&address, &here).await.unwrap();
                }
                samples[at].add(begun.elapsed());
            }
            tidy(world).await;
        }
        report.add(&format!("{operation}, in process"), &samples);
    }
}

async fn register(report: &mut Report, world: &World, classes: &[Class], rounds: usize) {
    let (mut samples, mut draws) = (samples(classes), Draws::new());
    for round in 0..rounds {
        for (turn, at) in draws.next(classes.len()).into_iter().enumerate() {
            let (address, here) = (to_register(classes[at], [round, turn]), client());
            let password = Password::new(NEW);
            let begun = Instant::now();
            world.auth.register(&address, password, Some("Ada"), &here).await.unwrap();
            samples[at].add(begun.elapsed());
        }
        tidy(world).await;
    }
    report.add("register, in process", &samples);
}

async fn reset(report: &mut Report, world: &World, classes: &[Class], rounds: usize) {
    let mut links = LINKED.map(|_| String::new());
    let (mut samples, mut draws) = (samples(classes), Draws::new());
    for _ in 0..rounds {
        // New ones each round, now the one and now the other first: where a record lies in memory and how
        // long ago it was written, which takes some nanoseconds, is no property of its class.
        let first = draws.next(LINKED.len())[0];
        for at in (first..first + LINKED.len()).map(|at| at % LINKED.len()) {
            links[at] = world.reset_token(&address(LINKED[at])).await;
        }
        tidy(world).await;
        for at in draws.next(classes.len()) {
            let (link, password, here) = (bad_link(classes[at], &links), Password::new(NEW), client());
            let begun = Instant::now();
            let answer = world.auth.reset_password(&link, password, &here).await;
            samples[at].add(begun.elapsed());
            assert!(answer.is_err());
        }
    }
    report.add("reset with a bad link, in process", &samples);
}
