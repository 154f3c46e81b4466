//! `kill -9` of the database server, on durable settings, while services write: what was acknowledged
//! is there afterwards, nothing happened twice, and the outbox drains.

use std::collections::HashSet;
use std::env;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::store::{Guarded, Settlement};
use auth_core::{Outbox, TokenStore};
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::samples;

use crate::server::Alone;

/// Kills; `scripts/prove-mysql` asks for more.
fn kills() -> u32 {
    env::var("AUTH_TEST_MYSQL_KILLS").map_or(6, |kills| kills.parse().unwrap())
}

/// What the server acknowledged: the generation of the session, and the mails.
type Acknowledged = Arc<Mutex<(u32, Vec<u32>)>>;

async fn open(alone: &Alone) -> MySqlStore {
    MySqlOptions::from_url(&alone.url()).unwrap().connections(2).open().await.unwrap()
}

/// Rotates one session and promises mails until the server is gone.
async fn write(store: MySqlStore, round: u32, acknowledged: Acknowledged) {
    for number in 0.. {
        let generation = acknowledged.lock().unwrap().0;
        match store.rotate(&samples::rotation(1, generation)).await {
            Ok(Guarded::Applied) => acknowledged.lock().unwrap().0 += 1,
            Ok(Guarded::Lost) => panic!("nobody else rotates this session"),
            Err(_) => return,
        }
        let mail = round * 100_000 + number;
        match Outbox::insert(&store, &samples::intent(mail)).await {
            Ok(()) => acknowledged.lock().unwrap().1.push(mail),
            Err(_) => return,
        }
    }
}

/// Claims and completes all mails; gives those of them that were not there.
async fn drain(store: &MySqlStore, mails: Vec<u32>) -> usize {
    let mut missing: HashSet<_> = mails.into_iter().map(samples::intent_id).collect();
    loop {
        let claimed = store.claim(samples::at(1), samples::at(600), 200).await.unwrap();
        for claim in &claimed {
            missing.remove(&claim.intent.id);
            let done = store.complete(claim.intent.id, claim.attempt).await.unwrap();
            assert_eq!(done, Settlement::Settled);
        }
        if claimed.is_empty() {
            assert_eq!(store.stats().await.unwrap().queued, 0, "the outbox drains");
            return missing.len();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_acknowledged_is_kept() {
    let alone = Alone::new("crash").await;
    open(&alone).await.insert_session(&samples::session(1)).await.unwrap();
    let began = Instant::now();
    let (mut generation, mut promised, mut in_flight) = (0, 0, 0);
    for round in 1..=kills() {
        let acknowledged = Acknowledged::new(Mutex::new((generation, Vec::new())));
        let writing = tokio::spawn(write(open(&alone).await, round, Arc::clone(&acknowledged)));
        tokio::time::sleep(Duration::from_millis(u64::from(20 + round * 37 % 150))).await;
        alone.kill();
        // What is in flight would wait for a server; nobody will hear how it ended.
        writing.abort();
        assert!(!writing.await.is_err_and(|end| end.is_panic()));
        let (acknowledged, mails) = acknowledged.lock().unwrap().clone();
        alone.start();
        let store = open(&alone).await;
        let kept = store.find_session(samples::session_id(1)).await.unwrap().unwrap();
        // The one rotation in flight may have come through or not; every acknowledged one did.
        assert!((acknowledged..=acknowledged + 1).contains(&kept.generation), "{acknowledged}: {kept:?}");
        assert!(kept.digest.matches(&samples::digest(kept.generation)));
        in_flight += kept.generation - acknowledged;
        generation = kept.generation;
        promised += mails.len();
        assert_eq!(drain(&store, mails).await, 0, "round {round}: promised mails are gone");
    }
    println!(
        "proof mysql: kill -9 of the server: {} kills, {generation} rotations and {promised} mails acknowledged, none lost, \
         {in_flight} in flight had come through, {} s",
        kills(),
        began.elapsed().as_secs()
    );
    assert!(generation > 0 && promised > 0);
}
