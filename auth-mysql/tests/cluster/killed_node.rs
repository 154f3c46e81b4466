//! SIGKILL of a node while services write on all nodes.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::store::{GuardedWrite, SessionRotation, Settlement};
use auth_core::{Outbox, TokenStore as _};
use auth_mysql::MySqlStore;
use auth_testkit::samples::{self, at};
use auth_tests::said;
use chrono::{DateTime, TimeDelta, Utc};

use crate::node::Nodes;
use crate::server;

const SESSIONS: u32 = 6;
const WRITERS: u32 = 6;

/// The answers that writers got.
#[derive(Default, Clone)]
struct Reported {
    /// Acknowledged rotations: session and generation, and the unique times of their writers.
    rotated: HashMap<(u32, u32), Vec<DateTime<Utc>>>,
    /// Rotations with an unknown outcome.
    unknown: HashMap<(u32, u32), Vec<DateTime<Utc>>>,
    inserted: Vec<u32>,
    failures: u32,
}

/// Rotates the same sessions as all other writers, and inserts intents, until it is stopped.
async fn write(store: MySqlStore, writer: u32, reported: Arc<Mutex<Reported>>, stop: Arc<AtomicBool>) {
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let session = number % SESSIONS;
        // No other writer uses this time.
        let rotated_at = at(60) + TimeDelta::microseconds(i64::from(number) * 1_000 + i64::from(writer));
        let Ok(found) = store.find_session(samples::session_id(session)).await else {
            reported.lock().unwrap().failures += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let from = found.unwrap().generation;
        let rotation = SessionRotation { rotated_at, ..samples::rotation(session, from) };
        let outcome = store.rotate(&rotation).await;
        let mail = 1_000_000 * (writer + 1) + number;
        let inserted = store.insert_intent(&samples::intent(mail)).await;
        let mut reported = reported.lock().unwrap();
        match outcome {
            Ok(GuardedWrite::Applied) => {
                reported.rotated.entry((session, from + 1)).or_default().push(rotated_at);
            }
            Ok(GuardedWrite::Stale) => {}
            Err(_) => reported.unknown.entry((session, from + 1)).or_default().push(rotated_at),
        }
        match inserted {
            Ok(()) => reported.inserted.push(mail),
            Err(_) => reported.failures += 1,
        }
    }
}

/// Asserts that every node has every acknowledged rotation, that no generation has two winners, and
/// that each unacknowledged rotation is one with an unknown outcome.
async fn check(stores: &[MySqlStore], reported: &Reported) {
    for (rotation, winners) in &reported.rotated {
        assert_eq!(winners.len(), 1, "session and generation {rotation:?} were won twice");
    }
    for session in 0..SESSIONS {
        let mut seen = Vec::new();
        for store in stores {
            let session = store.find_session(samples::session_id(session)).await.unwrap().unwrap();
            assert!(session.digest.matches(&samples::digest(session.generation)));
            seen.push((session.generation, session.rotated_at));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "the nodes differ: {seen:?}");
        let (generation, rotated_at) = seen[0];
        assert!(
            !reported.rotated.contains_key(&(session, generation + 1)),
            "an acknowledged rotation is lost"
        );
        for passed in 1..=generation {
            let acknowledged = reported.rotated.contains_key(&(session, passed));
            assert!(
                acknowledged || reported.unknown.contains_key(&(session, passed)),
                "nobody rotated to {passed}"
            );
        }
        let by = reported
            .rotated
            .get(&(session, generation))
            .or_else(|| reported.unknown.get(&(session, generation)));
        assert!(
            generation == 0 || by.unwrap().contains(&rotated_at),
            "the last rotation belongs to no writer"
        );
    }
}

/// Completes every intent of the outbox; returns how many of these mails were missing.
async fn drain(store: &MySqlStore, inserted: &[u32]) -> usize {
    let mut missing: HashSet<_> = inserted.iter().copied().map(samples::intent_id).collect();
    loop {
        let claimed = store.claim(at(1), at(600), 200).await.unwrap();
        for claim in &claimed {
            missing.remove(&claim.intent.id);
            let done = store.complete(claim.intent.id, claim.attempt).await.unwrap();
            assert_eq!(done, Settlement::Settled);
        }
        if claimed.is_empty() {
            return missing.len();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_node_loses_nothing_and_has_no_second_winner() {
    let nodes = Nodes::new().await;
    let scratch = server::Scratch::new("killed_node").await;
    let mut stores = Vec::new();
    for url in &nodes.urls {
        stores.push(server::open(&scratch.on(url)).await);
    }
    for session in 0..SESSIONS {
        stores[0].insert_session(&samples::session(session)).await.unwrap();
    }
    let (reported, began) = (Arc::new(Mutex::new(Reported::default())), Instant::now());
    let (mut offset, mut drained, mut failures) = (0, 0, 0);
    for round in 0..Nodes::rounds() {
        let (victim, stop) = (round % nodes.urls.len(), Arc::new(AtomicBool::new(false)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = stores[usize::try_from(writer).unwrap() % stores.len()].clone();
                tokio::spawn(write(store, writer + offset, Arc::clone(&reported), Arc::clone(&stop)))
            })
            .collect();
        offset += WRITERS;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        nodes.run("kill9", victim).await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        nodes.run("join", victim).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
        nodes.until_complete().await;
        let reported = reported.lock().unwrap().clone();
        check(&stores, &reported).await;
        assert_eq!(
            drain(&stores[victim], &reported.inserted[drained..]).await,
            0,
            "acknowledged mails are lost"
        );
        drained = reported.inserted.len();
        println!(
            "proof mysql: node {} killed under load: {} rotations and {} mails acknowledged, none lost, no second winner, \
             {} outcomes unknown, {} calls unavailable, {} s",
            victim + 1,
            reported.rotated.len(),
            reported.inserted.len(),
            reported.unknown.values().map(Vec::len).sum::<usize>(),
            reported.failures,
            began.elapsed().as_secs()
        );
        assert!(
            reported.failures > failures && !reported.rotated.is_empty(),
            "no writer used the killed node"
        );
        failures = reported.failures;
    }
    let reported = reported.lock().unwrap().clone();
    false_reports_are_noticed(stores, &reported).await;
}

/// Negative controls: the checks notice false reports.
async fn false_reports_are_noticed(stores: Vec<MySqlStore>, reported: &Reported) {
    let (session, acknowledged) = *reported.rotated.keys().max().unwrap();
    let generation = stores[0].find_session(samples::session_id(session)).await.unwrap().unwrap().generation;
    let mut lost = reported.clone();
    lost.rotated.insert((session, generation + 1), vec![at(60)]);
    let mut won_twice = reported.clone();
    won_twice.rotated.get_mut(&(session, acknowledged)).unwrap().push(at(60));
    let mut unclaimed = reported.clone();
    unclaimed.rotated.remove(&(session, generation));
    unclaimed.unknown.remove(&(session, generation));
    for (reported, message) in
        [(lost, "rotation is lost"), (won_twice, "won twice"), (unclaimed, "nobody rotated")]
    {
        let stores = stores.clone();
        let checked = tokio::spawn(async move { check(&stores, &reported).await }).await;
        let said = said(checked.expect_err("the check passed").into_panic());
        assert!(said.contains(message), "{said}");
        println!("proof mysql: negative control: a false report: noticed: {said}");
    }
    assert_eq!(drain(&stores[0], &[u32::MAX]).await, 1, "a mail that no writer inserted");
    println!("proof mysql: negative control: a lost mail: noticed");
}
