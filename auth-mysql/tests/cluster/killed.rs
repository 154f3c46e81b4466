//! `kill -9` of a node while services write on all.

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

/// What writers were told.
#[derive(Default, Clone)]
struct Told {
    /// Who rotated a session to a generation, by the time that each gave.
    rotated: HashMap<(u32, u32), Vec<DateTime<Utc>>>,
    /// Rotations whose outcome was not told.
    unknown: HashMap<(u32, u32), Vec<DateTime<Utc>>>,
    promised: Vec<u32>,
    failures: u32,
}

/// Rotates sessions that all fight for, and promises mails, until told to stop.
async fn write(store: MySqlStore, writer: u32, told: Arc<Mutex<Told>>, stop: Arc<AtomicBool>) {
    for number in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let session = number % SESSIONS;
        // Nobody else gives this time.
        let rotated_at = at(60) + TimeDelta::microseconds(i64::from(number) * 1_000 + i64::from(writer));
        let Ok(found) = store.find_session(samples::session_id(session)).await else {
            told.lock().unwrap().failures += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let from = found.unwrap().generation;
        let rotation = SessionRotation { rotated_at, ..samples::rotation(session, from) };
        let outcome = store.rotate(&rotation).await;
        let mail = 1_000_000 * (writer + 1) + number;
        let promised = Outbox::insert(&store, &samples::intent(mail)).await;
        let mut told = told.lock().unwrap();
        match outcome {
            Ok(GuardedWrite::Applied) => {
                told.rotated.entry((session, from + 1)).or_default().push(rotated_at)
            }
            Ok(GuardedWrite::Stale) => {}
            Err(_) => told.unknown.entry((session, from + 1)).or_default().push(rotated_at),
        }
        match promised {
            Ok(()) => told.promised.push(mail),
            Err(_) => told.failures += 1,
        }
    }
}

/// Every node has every rotation that was acknowledged, no generation has two winners, and what was not
/// acknowledged is of somebody who was told nothing.
async fn check(stores: &[MySqlStore], told: &Told) {
    for (rotation, winners) in &told.rotated {
        assert_eq!(winners.len(), 1, "session and generation {rotation:?} were won twice");
    }
    for session in 0..SESSIONS {
        let mut seen = Vec::new();
        for store in stores {
            let kept = store.find_session(samples::session_id(session)).await.unwrap().unwrap();
            assert!(kept.digest.matches(&samples::digest(kept.generation)));
            seen.push((kept.generation, kept.rotated_at));
        }
        assert!(seen.iter().all(|one| *one == seen[0]), "the nodes differ: {seen:?}");
        let (generation, rotated_at) = seen[0];
        assert!(!told.rotated.contains_key(&(session, generation + 1)), "an acknowledged rotation is lost");
        for passed in 1..=generation {
            let acknowledged = told.rotated.contains_key(&(session, passed));
            assert!(
                acknowledged || told.unknown.contains_key(&(session, passed)),
                "nobody rotated to {passed}"
            );
        }
        let by =
            told.rotated.get(&(session, generation)).or_else(|| told.unknown.get(&(session, generation)));
        assert!(generation == 0 || by.unwrap().contains(&rotated_at), "the last rotation is somebody else's");
    }
}

/// Takes every mail out of the outbox; gives how many of the promised were not there.
async fn drain(store: &MySqlStore, promised: &[u32]) -> usize {
    let mut missing: HashSet<_> = promised.iter().copied().map(samples::intent_id).collect();
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
async fn a_killed_node_loses_nothing_and_brings_no_second_winner() {
    let nodes = Nodes::new().await;
    let scratch = server::Scratch::new("killed_node").await;
    let mut stores = Vec::new();
    for url in &nodes.urls {
        stores.push(server::open(&scratch.on(url)).await);
    }
    for session in 0..SESSIONS {
        stores[0].insert_session(&samples::session(session)).await.unwrap();
    }
    let (told, began) = (Arc::new(Mutex::new(Told::default())), Instant::now());
    let (mut offset, mut drained, mut failures) = (0, 0, 0);
    for round in 0..Nodes::rounds() {
        let (victim, stop) = (round % nodes.urls.len(), Arc::new(AtomicBool::new(false)));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = stores[usize::try_from(writer).unwrap() % stores.len()].clone();
                tokio::spawn(write(store, writer + offset, Arc::clone(&told), Arc::clone(&stop)))
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
        nodes.until_whole().await;
        let told = told.lock().unwrap().clone();
        check(&stores, &told).await;
        assert_eq!(drain(&stores[victim], &told.promised[drained..]).await, 0, "promised mails are gone");
        drained = told.promised.len();
        println!(
            "proof mysql: node {} killed under load: {} rotations and {} mails acknowledged, none lost, no second winner, \
             {} outcomes unknown, {} calls unavailable, {} s",
            victim + 1,
            told.rotated.len(),
            told.promised.len(),
            told.unknown.values().map(Vec::len).sum::<usize>(),
            told.failures,
            began.elapsed().as_secs()
        );
        assert!(told.failures > failures && !told.rotated.is_empty(), "the node was missed");
        failures = told.failures;
    }
    let told = told.lock().unwrap().clone();
    what_is_not_there_is_seen(stores, &told).await;
}

/// The controls.
async fn what_is_not_there_is_seen(stores: Vec<MySqlStore>, told: &Told) {
    let (session, acknowledged) = *told.rotated.keys().max().unwrap();
    let generation = stores[0].find_session(samples::session_id(session)).await.unwrap().unwrap().generation;
    let mut lost = told.clone();
    lost.rotated.insert((session, generation + 1), vec![at(60)]);
    let mut won_twice = told.clone();
    won_twice.rotated.get_mut(&(session, acknowledged)).unwrap().push(at(60));
    let mut nobodys = told.clone();
    nobodys.rotated.remove(&(session, generation));
    nobodys.unknown.remove(&(session, generation));
    for (told, saying) in [(lost, "rotation is lost"), (won_twice, "won twice"), (nobodys, "nobody rotated")]
    {
        let stores = stores.clone();
        let judged = tokio::spawn(async move { check(&stores, &told).await }).await;
        let said = said(judged.expect_err("nobody saw it").into_panic());
        assert!(said.contains(saying), "{said}");
        println!("proof mysql: control: an untrue report: seen: {said}");
    }
    assert_eq!(drain(&stores[0], &[u32::MAX]).await, 1, "a mail that nobody promised");
    println!("proof mysql: control: a mail lost: seen");
}
