//! `kill -9` of the database server, on durable settings, while services write: what was acknowledged
//! is there afterwards, nothing happened twice, and the outbox drains.

use std::collections::HashSet;
use std::env;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::store::{GuardedWrite, Settlement};
use auth_core::{Outbox, TokenStore};
use auth_mysql::{MySqlOptions, MySqlStore};
use auth_testkit::samples;
use sqlx::Executor as _;

use crate::server::{Alone, administrator};

/// Kills; `scripts/soak/mysql` asks for more.
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
            Ok(GuardedWrite::Applied) => acknowledged.lock().unwrap().0 += 1,
            Ok(GuardedWrite::Stale) => panic!("nobody else rotates this session"),
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

/// What came of the lives of a server.
#[derive(Debug, Default)]
struct Lives {
    generation: u32,
    promised: usize,
    in_flight: u32,
    /// Acknowledged, and not there after a kill.
    lost_rotations: u32,
    lost_mails: usize,
}

/// Kills a server again and again; one that is careless says that a write is done before it is.
async fn lives(alone: &Alone, kills: u32, careless: bool) -> Lives {
    open(alone).await.insert_session(&samples::session(1)).await.unwrap();
    let mut lives = Lives::default();
    for round in 1..=kills {
        if careless {
            administrator().await.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0").await.unwrap();
        }
        let acknowledged = Acknowledged::new(Mutex::new((lives.generation, Vec::new())));
        let writing = tokio::spawn(write(open(alone).await, round, Arc::clone(&acknowledged)));
        tokio::time::sleep(Duration::from_millis(u64::from(20 + round * 37 % 150))).await;
        alone.kill();
        // What is in flight would wait for a server; nobody will hear how it ended.
        writing.abort();
        assert!(!writing.await.is_err_and(|end| end.is_panic()));
        let (acknowledged, mails) = acknowledged.lock().unwrap().clone();
        alone.start();
        let store = open(alone).await;
        let kept = store.find_session(samples::session_id(1)).await.unwrap().unwrap();
        assert!(kept.digest.matches(&samples::digest(kept.generation)));
        // The one rotation in flight may have come through or not.
        assert!(kept.generation <= acknowledged + 1, "nobody rotated to {}", kept.generation);
        lives.lost_rotations += acknowledged.saturating_sub(kept.generation);
        lives.in_flight += kept.generation.saturating_sub(acknowledged);
        lives.generation = kept.generation;
        lives.promised += mails.len();
        lives.lost_mails += drain(&store, mails).await;
    }
    lives
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_server_acknowledged_is_kept() {
    let (alone, began) = (Alone::new("crash").await, Instant::now());
    let lives = lives(&alone, kills(), false).await;
    println!(
        "proof mysql: kill -9 of the server: {} kills, {} rotations and {} mails acknowledged, {} and {} lost, \
         {} in flight had come through, {} s",
        kills(),
        lives.generation,
        lives.promised,
        lives.lost_rotations,
        lives.lost_mails,
        lives.in_flight,
        began.elapsed().as_secs()
    );
    assert_eq!((lives.lost_rotations, lives.lost_mails), (0, 0), "{lives:?}");
    assert!(lives.generation > 0 && lives.promised > 0);
}

/// The control.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_acknowledges_too_early_is_seen() {
    let alone = Alone::new("careless").await;
    let lives = lives(&alone, 6, true).await;
    println!(
        "proof mysql: control: 6 kills of a server that writes its log once a second: {} rotations and {} mails seen lost",
        lives.lost_rotations, lives.lost_mails
    );
    assert!(lives.lost_rotations > 0 && lives.lost_mails > 0, "{lives:?}");
}
