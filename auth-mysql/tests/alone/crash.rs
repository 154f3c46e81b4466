//! SIGKILL of a durable database server while services write: afterwards every acknowledged write
//! is there, none was applied twice, and the outbox drains.

use std::collections::HashSet;
use std::env;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::store::{GuardedWrite, Settlement};
use auth_core::{Outbox, TokenStore};
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::samples;
use sqlx::Executor as _;

use crate::private_server::{PrivateServer, administrator};

/// The number of kills; `scripts/soak/mysql` sets more.
fn kills() -> u32 {
    env::var("AUTH_TEST_MYSQL_KILLS").map_or(6, |kills| kills.parse().unwrap())
}

/// The acknowledged writes: the generation of the session, and the mails.
type Acknowledged = Arc<Mutex<(u32, Vec<u32>)>>;

async fn open(server: &PrivateServer) -> MySqlStore {
    MySqlOptions::from_url(&server.url()).unwrap().connections(2).open().await.unwrap()
}

/// Rotates one session and inserts intents until the server is gone.
async fn write(store: MySqlStore, round: u32, acknowledged: Acknowledged) {
    for number in 0.. {
        let generation = acknowledged.lock().unwrap().0;
        match store.rotate(&samples::rotation(1, generation)).await {
            Ok(GuardedWrite::Applied) => acknowledged.lock().unwrap().0 += 1,
            Ok(GuardedWrite::Stale) => panic!("nobody else rotates this session"),
            Err(_) => return,
        }
        let mail = round * 100_000 + number;
        match Outbox::insert_intent(&store, &samples::intent(mail)).await {
            Ok(()) => acknowledged.lock().unwrap().1.push(mail),
            Err(_) => return,
        }
    }
}

/// Claims and completes all intents; returns how many of these mails were missing.
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

/// Totals over all kills of a server.
#[derive(Debug, Default)]
struct Totals {
    generation: u32,
    inserted: usize,
    in_flight: u32,
    /// Acknowledged, but missing after a kill.
    lost_rotations: u32,
    lost_mails: usize,
}

/// Kills a server repeatedly. A careless server acknowledges a write before it is on disk.
async fn kill_repeatedly(server: &PrivateServer, kills: u32, careless: bool) -> Totals {
    open(server).await.insert_session(&samples::session(1)).await.unwrap();
    let mut totals = Totals::default();
    for round in 1..=kills {
        if careless {
            administrator().await.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0").await.unwrap();
        }
        let acknowledged = Acknowledged::new(Mutex::new((totals.generation, Vec::new())));
        let writing = tokio::spawn(write(open(server).await, round, Arc::clone(&acknowledged)));
        tokio::time::sleep(Duration::from_millis(u64::from(20 + round * 37 % 150))).await;
        server.kill();
        // A write in flight would wait for the server; its outcome stays unknown.
        writing.abort();
        assert!(!writing.await.is_err_and(|end| end.is_panic()));
        let (acknowledged, mails) = acknowledged.lock().unwrap().clone();
        server.start();
        let store = open(server).await;
        let stored = store.find_session(samples::session_id(1)).await.unwrap().unwrap();
        assert!(stored.digest.matches(&samples::digest(stored.generation)));
        // The rotation in flight may have been applied or not.
        assert!(stored.generation <= acknowledged + 1, "nobody rotated to {}", stored.generation);
        totals.lost_rotations += acknowledged.saturating_sub(stored.generation);
        totals.in_flight += stored.generation.saturating_sub(acknowledged);
        totals.generation = stored.generation;
        totals.inserted += mails.len();
        totals.lost_mails += drain(&store, mails).await;
    }
    totals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_keeps_what_it_acknowledged() {
    let (server, began) = (PrivateServer::new("crash").await, Instant::now());
    let totals = kill_repeatedly(&server, kills(), false).await;
    println!(
        "proof mysql: kill -9 of the server: {} kills, {} rotations and {} mails acknowledged, {} and {} lost, \
         {} in flight had been applied, {} s",
        kills(),
        totals.generation,
        totals.inserted,
        totals.lost_rotations,
        totals.lost_mails,
        totals.in_flight,
        began.elapsed().as_secs()
    );
    assert_eq!((totals.lost_rotations, totals.lost_mails), (0, 0), "{totals:?}");
    assert!(totals.generation > 0 && totals.inserted > 0);
}

/// Negative control.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_acknowledges_too_early_is_noticed() {
    let server = PrivateServer::new("careless").await;
    let totals = kill_repeatedly(&server, 6, true).await;
    println!(
        "proof mysql: negative control: 6 kills of a server that writes its log once a second: {} rotations and {} mails lost",
        totals.lost_rotations, totals.lost_mails
    );
    assert!(totals.lost_rotations > 0 && totals.lost_mails > 0, "{totals:?}");
}
