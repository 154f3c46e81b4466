//! `kill -9` of a durable server: what it acknowledged is there, and a write without an answer happened once or not
//! at all. A control, whose commits do not wait for the disk, loses some.

use std::collections::BTreeSet;
use std::env;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth_core::TokenStore as _;
use auth_core::store::{GuardedWrite, Store};
use auth_postgres::PgStore;
use auth_testkit::samples;
use sqlx::Executor as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::private_server::PrivateServer;

/// The number of kills; `scripts/soak/postgres` sets more.
fn kills() -> u32 {
    env::var("AUTH_TEST_POSTGRES_KILLS").map_or(3, |kills| kills.parse().unwrap())
}

/// What was acknowledged, and what was lost.
#[derive(Debug, Default)]
struct Counts {
    rotations: u32,
    intents: u32,
    in_flight_applied: u32,
    lost_rotations: u32,
    lost_intents: u32,
}

/// One life of the server: a session rotates and mail requests are stored until it is killed.
async fn life(server: &PrivateServer, store: impl Store + Clone + 'static, round: u32, counts: &mut Counts) {
    let session = samples::session(round);
    store.insert_session(&session).await.unwrap();
    let over = std::sync::Arc::new(AtomicBool::new(false));
    let rotating = tokio::spawn({
        let (store, over) = (store.clone(), std::sync::Arc::clone(&over));
        async move {
            let mut generation = 0;
            while !over.load(Ordering::Relaxed) {
                match store.rotate(&samples::rotation(round, generation)).await {
                    Ok(GuardedWrite::Applied) => generation += 1,
                    Ok(GuardedWrite::Stale) => panic!("a rotation was applied twice"),
                    Err(_) => break,
                }
            }
            generation
        }
    });
    let storing = tokio::spawn({
        let (store, over) = (store.clone(), std::sync::Arc::clone(&over));
        async move {
            let mut stored = Vec::new();
            for number in round * 100_000.. {
                if over.load(Ordering::Relaxed)
                    || store.insert_intent(&samples::intent(number)).await.is_err()
                {
                    break;
                }
                stored.push(samples::intent_id(number));
            }
            stored
        }
    });
    tokio::time::sleep(Duration::from_millis(300 + u64::from(round * 37 % 200))).await;
    server.kill();
    over.store(true, Ordering::Relaxed);
    let (acknowledged, stored) = (rotating.await.unwrap(), storing.await.unwrap());
    server.again();
    let check = server.store(2).await;
    let found = check.find_session(session.id).await.unwrap().map_or(0, |session| session.generation);
    counts.rotations += acknowledged;
    counts.in_flight_applied += u32::from(found == acknowledged + 1);
    counts.lost_rotations += acknowledged.saturating_sub(found);
    assert!(found <= acknowledged + 1, "{found} after {acknowledged}");
    let mut observer = server.administrator().await;
    let rows = observer.fetch_all("SELECT id FROM auth_outbox").await.unwrap();
    let there: BTreeSet<Vec<u8>> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    counts.intents += u32::try_from(stored.len()).unwrap();
    let lost = stored.iter().filter(|id| !there.contains(id.as_bytes().as_slice())).count();
    counts.lost_intents += u32::try_from(lost).unwrap();
    observer.execute("DELETE FROM auth_outbox").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_has_all_that_it_acknowledged() {
    let server = PrivateServer::start("killed");
    let mut counts = Counts::default();
    for round in 0..kills() {
        life(&server, server.store(2).await, round, &mut counts).await;
    }
    println!("proof postgres: {} kills: {counts:?}", kills());
    assert_eq!((counts.lost_rotations, counts.lost_intents), (0, 0));
    assert!(counts.rotations > 10 * kills() && counts.intents > 10 * kills());
}

/// Commits that do not wait for the disk, over a pool that nobody prepared.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_commits_do_not_wait_loses_some() {
    let server = PrivateServer::start("careless");
    // The server writes its log this late, in the place of 200 milliseconds.
    server.run("ALTER SYSTEM SET wal_writer_delay = '10s'").await;
    server.run("SELECT pg_reload_conf()").await;
    server.store(1).await.close().await;
    let mut counts = Counts::default();
    for round in 0..3 {
        let options: PgConnectOptions = server.url().parse().unwrap();
        let pool = PgPoolOptions::new().connect_lazy_with(options.options([("synchronous_commit", "off")]));
        life(&server, PgStore::from_pool(pool), round, &mut counts).await;
    }
    println!("proof postgres: control, 3 kills with synchronous_commit = off: {counts:?}");
    assert!(counts.lost_rotations + counts.lost_intents > 0, "{counts:?}");
}
