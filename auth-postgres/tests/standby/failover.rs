//! A standby takes over. If commits waited for it, nothing that was acknowledged is lost and no token is spent
//! twice; a control shows the loss if they did not.

use std::time::{Duration, Instant};

use auth_core::store::{GuardedWrite, Spend};
use auth_core::{StoreErrorKind, TokenStore as _};
use auth_postgres::{PgOptions, PgStore};
use auth_testkit::samples::{self, at};
use auth_tests::server::Proxy;
use sqlx::{Executor as _, Row as _};
use tokio::task::JoinSet;

use crate::private_server::PrivateServer;

/// Spends tokens and rotates sessions as fast as four workers can, until the server is gone. Returns the tokens and
/// the generations that were acknowledged.
async fn load(store: PgStore, primary: &PrivateServer) -> (Vec<u32>, Vec<(u32, u32)>) {
    const TOKENS: u32 = 2_000;
    for number in 0..TOKENS {
        let _ = store.insert_one_time(&samples::one_time(number)).await.unwrap();
    }
    for number in 0..4 {
        store.insert_session(&samples::session(number)).await.unwrap();
    }
    let mut workers = JoinSet::new();
    for worker in 0..4 {
        let store = store.clone();
        workers.spawn(async move {
            let (mut spent, mut generation) = (Vec::new(), 0);
            for number in (worker..TOKENS).step_by(4) {
                match store.spend(samples::intent_id(number), at(5)).await {
                    Ok(Spend::Spent) => spent.push(number),
                    Ok(Spend::NotSpendable) => panic!("another caller spent it"),
                    Err(_) => break,
                }
                match store.rotate(&samples::rotation(worker, generation)).await {
                    Ok(GuardedWrite::Applied) => generation += 1,
                    Ok(GuardedWrite::Stale) => panic!("another caller rotated it"),
                    Err(_) => break,
                }
            }
            (worker, spent, generation)
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    primary.kill();
    let (mut spent, mut rotated) = (Vec::new(), Vec::new());
    for (worker, tokens, generation) in workers.join_all().await {
        spent.extend(tokens);
        rotated.push((worker, generation));
    }
    (spent, rotated)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_loses_nothing() {
    let primary = PrivateServer::start("primary");
    let (proxy, url) = Proxy::before(&primary.url()).await;
    let store = PgOptions::from_url(&url).unwrap().connections(4).open().await.unwrap();
    let standby = primary.standby("sync");
    primary.wait_for_standby().await;
    let (spent, rotated) = load(store.clone(), &primary).await;
    standby.promote();
    // The address of the primary leads to the new one; the store finds it by itself.
    proxy.lead_to(standby.port);
    for &number in &spent {
        let again = store.spend(samples::intent_id(number), at(6)).await.unwrap();
        assert_eq!(again, Spend::NotSpendable, "token {number} was spent twice");
    }
    for &(session, generation) in &rotated {
        let found = store.find_session(samples::session_id(session)).await.unwrap().unwrap();
        assert!([generation, generation + 1].contains(&found.generation), "{generation}: {found:?}");
    }
    println!("proof postgres: synchronous standby promoted: {} tokens spent, none twice", spent.len());
    assert!(spent.len() > 20, "{}", spent.len());
}

/// The standby has not received what the primary acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_standby_spends_a_token_again() {
    let primary = PrivateServer::start("async");
    let store = primary.store(2).await;
    let standby = primary.standby("late");
    let _ = store.insert_one_time(&samples::one_time(1)).await.unwrap();
    let sent = "SELECT coalesce((SELECT replay_lsn = pg_current_wal_lsn() FROM pg_stat_replication), false), \
        (SELECT pid FROM pg_stat_replication)";
    let mut administrator = primary.administrator().await;
    let sender = loop {
        let row = administrator.fetch_one(sent).await.unwrap();
        if row.get::<bool, _>(0) {
            break row.get::<i32, _>(1);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let stop = std::process::Command::new("kill").args(["-STOP", &sender.to_string()]).status().unwrap();
    assert!(stop.success());
    assert_eq!(store.spend(samples::intent_id(1), at(5)).await.unwrap(), Spend::Spent);
    primary.kill();
    standby.promote();
    let again = standby.store(2).await.spend(samples::intent_id(1), at(6)).await.unwrap();
    assert_eq!(again, Spend::Spent, "if it is not, this control shows nothing");
    println!("proof postgres: control: an asynchronous standby spends a token again");
}

/// The only synchronous standby hangs, so no commit returns.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_standby_makes_writes_unavailable_and_is_settled() {
    let primary = PrivateServer::start("waits");
    let store = primary.store(4).await;
    let standby = primary.standby("hangs");
    for number in 0..3 {
        let _ = store.insert_one_time(&samples::one_time(number)).await.unwrap();
    }
    primary.wait_for_standby().await;
    standby.signal("STOP");
    let started = Instant::now();
    let error = store.spend(samples::intent_id(1), at(5)).await.unwrap_err();
    let waited = started.elapsed();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(waited < Duration::from_secs(9), "{waited:?}");
    // Reads continue.
    assert!(store.find_one_time(samples::intent_id(2)).await.unwrap().unwrap().spent_at.is_none());
    standby.signal("CONT");
    // The write that got no answer was applied once, which a later read shows.
    let settled = async {
        loop {
            let found = store.find_one_time(samples::intent_id(1)).await.unwrap().unwrap();
            if found.spent_at.is_some() {
                return found.spent_at;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), settled).await.unwrap(), Some(at(5)));
    assert_eq!(store.spend(samples::intent_id(1), at(6)).await.unwrap(), Spend::NotSpendable);
    assert_eq!(store.spend(samples::intent_id(2), at(7)).await.unwrap(), Spend::Spent);
    println!("proof postgres: hung standby: unavailable after {waited:?}, settled afterwards");
}

/// A connection leads to a standby, as after a fail-over by name: the store leaves it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_leaves_a_server_that_is_read_only() {
    let primary = PrivateServer::start("writable");
    let (proxy, url) = Proxy::before(&primary.url()).await;
    let store = PgOptions::from_url(&url).unwrap().connections(2).open().await.unwrap();
    store.insert_session(&samples::session(1)).await.unwrap();
    let standby = primary.standby("read_only");
    proxy.lead_to(standby.port);
    primary
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'auth'")
        .await;
    // Reads work there. A write is refused and leaves nothing.
    let error = store.insert_session(&samples::session(2)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    proxy.lead_to(primary.port);
    let begun = Instant::now();
    while store.insert_session(&samples::session(3)).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it stays at the standby");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(store.find_session(samples::session_id(2)).await.unwrap().is_none());
}
