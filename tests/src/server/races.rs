//! Concurrent writes of the same record have one winner. Each caller has its own store; on a
//! cluster, each uses a different node.

use std::collections::HashMap;
use std::env;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use auth_core::store::{GuardedWrite, NewPassword, SessionRotation, Spend, Store, UserInsert};
use auth_core::{Auth, Email, Password, PasswordHash, ResetPasswordError, User};
use auth_testkit::samples::{self, at};
use tokio::sync::Barrier;

use super::service::{client, fresh_email, link, service};
use crate::PASSWORD;

/// The number of races of each kind; `scripts/soak` sets more.
fn races() -> u32 {
    env::var("AUTH_TEST_RACES").map_or(20, |races| races.parse().unwrap())
}

/// The callers of a race.
pub const CALLERS: usize = 3;

/// Runs all callers at the same time; returns their outcomes in order.
async fn race<N, R, T>(nodes: &[N], run: impl Fn(N, u32) -> R + Send) -> Vec<T>
where
    N: Clone + Sync,
    R: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(nodes.len()));
    let running: Vec<_> = (0..)
        .zip(nodes)
        .map(|(number, node)| {
            let (caller, barrier) = (run(node.clone(), number), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                caller.await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for caller in running {
        outcomes.push(caller.await.unwrap());
    }
    outcomes
}

/// The number of the winner; asserts that all others lost.
fn winner<T: PartialEq + std::fmt::Debug>(outcomes: &[T], won: &T, lost: &T) -> u32 {
    let winners: Vec<u32> =
        (0..).zip(outcomes).filter(|(_, outcome)| *outcome == won).map(|(number, _)| number).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome == won || outcome == lost), "{outcomes:?}");
    winners[0]
}

/// Prints the number of races.
fn report(what: &str, wins: &HashMap<u32, u32>) {
    println!("proof races: {what}: {} with one winner each, by caller {wins:?}", races());
}

/// Rotations of one session.
pub async fn one_of_three_concurrent_rotations_wins(nodes: &[impl Store + Clone + 'static]) {
    let mut wins = HashMap::new();
    for session in 0..races() {
        nodes[0].insert_session(&samples::session(session)).await.unwrap();
        let outcomes = race(nodes, |node, number| async move {
            let rotated_at = at(60 + i64::from(number));
            node.rotate(&SessionRotation { rotated_at, ..samples::rotation(session, 0) }).await.unwrap()
        });
        let winner = winner(&outcomes.await, &GuardedWrite::Applied, &GuardedWrite::Stale);
        for node in nodes {
            let stored = node.find_session(samples::session_id(session)).await.unwrap().unwrap();
            assert_eq!((stored.generation, stored.rotated_at), (1, at(60 + i64::from(winner))));
        }
        *wins.entry(winner).or_default() += 1;
    }
    report("a rotation", &wins);
}

/// Changes of one password.
pub async fn one_of_three_concurrent_password_changes_wins(nodes: &[impl Store + Clone + 'static]) {
    let mut wins = HashMap::new();
    for number in 0..races() {
        let user = samples::user(number);
        assert_eq!(nodes[0].insert_user(&user).await.unwrap(), UserInsert::Inserted);
        let hash = |number| PasswordHash::from_stored(format!("$argon2id${number}"));
        let outcomes = race(nodes, |node, number| async move {
            let password =
                NewPassword { password_hash: hash(number), at: at(5), email_verified_at: Some(at(5)) };
            node.set_password(user.id, user.epoch, &password).await.unwrap()
        });
        let winner = winner(&outcomes.await, &GuardedWrite::Applied, &GuardedWrite::Stale);
        for node in nodes {
            let stored = node.find_by_id(user.id).await.unwrap().unwrap();
            assert_eq!(stored.epoch.as_u64(), user.epoch.as_u64() + 1);
            assert_eq!(stored.password_hash.unwrap().expose(), hash(winner).expose());
        }
        *wins.entry(winner).or_default() += 1;
    }
    report("an epoch", &wins);
}

/// Uses of one token.
pub async fn one_of_three_concurrent_spends_wins(nodes: &[impl Store + Clone + 'static]) {
    let mut wins = HashMap::new();
    for token in 0..races() {
        let _ = nodes[0].insert_one_time(&samples::one_time(token)).await.unwrap();
        let outcomes = race(nodes, |node, number| async move {
            node.spend(samples::intent_id(token), at(i64::from(number))).await.unwrap()
        });
        let winner = winner(&outcomes.await, &Spend::Spent, &Spend::NotSpendable);
        for node in nodes {
            let stored = node.find_one_time(samples::intent_id(token)).await.unwrap().unwrap();
            assert_eq!(stored.spent_at, Some(at(i64::from(winner))));
        }
        *wins.entry(winner).or_default() += 1;
    }
    report("a one-time token", &wins);
}

/// Registrations of one address.
pub async fn one_of_three_concurrent_registrations_wins(nodes: &[impl Store + Clone + 'static]) {
    let mut wins = HashMap::new();
    for round in 0..races() {
        let email = Email::parse(&format!("competitor{round}@example.com")).unwrap();
        let competitor = |number| User { email: email.clone(), ..samples::user(round * 10 + number) };
        let outcomes = race(nodes, |node, number| {
            let competitor = competitor(number);
            async move { node.insert_user(&competitor).await.unwrap() }
        });
        let winner = winner(&outcomes.await, &UserInsert::Inserted, &UserInsert::EmailTaken);
        for node in nodes {
            assert_eq!(node.find_by_email(&email).await.unwrap().unwrap().id, competitor(winner).id);
        }
        *wins.entry(winner).or_default() += 1;
    }
    report("an address", &wins);
}

/// Resets by one link.
pub async fn one_of_three_concurrent_resets_by_one_link_wins(nodes: &[impl Store + Clone + 'static]) {
    let (auth, mailbox, clock) = service(nodes[0].clone());
    let (mut services, mut clocks): (Vec<Auth>, _) = (vec![auth.clone()], vec![clock]);
    for node in &nodes[1..] {
        let (auth, _, clock) = service(node.clone());
        services.push(auth);
        clocks.push(clock);
    }
    let email = fresh_email();
    auth.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.verify_email(&link(&auth, &mailbox, &email).await, None, &client()).await.unwrap();
    let mut wins = HashMap::new();
    for round in 0..races() {
        auth.forgot_password(&email, &client()).await.unwrap();
        let reset = link(&auth, &mailbox, &email).await;
        let password = |number| format!("seventeen blue herons {round} {number}");
        let outcomes = race(&services, |auth, number| {
            let (reset, password) = (reset.clone(), password(number));
            async move {
                match auth.reset_password(&reset, Password::new(password), &client()).await {
                    Ok(()) => true,
                    Err(ResetPasswordError::InvalidToken) => false,
                    Err(error) => panic!("{error:?}"),
                }
            }
        });
        let winner = winner(&outcomes.await, &true, &false);
        for (number, auth) in (0..).zip(&services) {
            let tried = auth.log_in(&email, Password::new(password(number)), &client()).await;
            assert_eq!(tried.is_ok(), number == winner, "round {round}: {tried:?}");
        }
        // The limits forget the failures of the losers.
        for clock in &clocks {
            clock.advance(Duration::from_hours(1));
        }
        *wins.entry(winner).or_default() += 1;
    }
    report("a reset link", &wins);
}

/// Makes the tests, given a function `async fn(purpose: &str) -> Vec<Store>` that opens [`CALLERS`]
/// stores over one empty database.
#[macro_export]
macro_rules! race_tests {
    ($open:path) => {
        $crate::race_tests! { $open;
            one_of_three_concurrent_rotations_wins
            one_of_three_concurrent_password_changes_wins
            one_of_three_concurrent_spends_wins
            one_of_three_concurrent_registrations_wins
            one_of_three_concurrent_resets_by_one_link_wins
        }
    };
    ($open:path; $($race:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $race() {
            let nodes = $open(stringify!($race)).await;
            $crate::server::races::$race(&nodes).await;
        })*
    };
}
