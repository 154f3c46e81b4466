//! A rotation writes its row alone: no index entry, and no new page (HOT).

use std::time::Duration;

use auth_core::TokenStore as _;
use auth_core::store::{GuardedWrite, SessionRotation};
use auth_testkit::samples::{self, at};
use sqlx::{Executor as _, Row as _};

use crate::server::{self, Scratch};

/// Rotates a session this often, each time moving its end by a step; returns how many updates were HOT. All versions
/// of the row fit into its page, so that nothing depends on when PostgreSQL tidies up.
async fn hot_updates(purpose: &str, step: i64) -> i64 {
    let scratch = Scratch::new(purpose).await;
    let store = server::open(scratch.url()).await;
    store.insert_session(&samples::session(1)).await.unwrap();
    for round in 0..ROTATIONS {
        let idle_expires_at = at(3_600 + step * (i64::from(round) + 1));
        let moved = SessionRotation { idle_expires_at, ..samples::rotation(1, round) };
        assert_eq!(store.rotate(&moved).await.unwrap(), GuardedWrite::Applied, "{round}");
    }
    store.close().await;
    let mut observer = server::connect(scratch.url()).await;
    // A process of the server reports what it counted when it ends.
    let counted = async {
        loop {
            let sql =
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'auth_sessions'";
            let row = observer.fetch_one(sql).await.unwrap();
            if row.get::<i64, _>(0) == i64::from(ROTATIONS) {
                return row.get(1);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted).await.expect("all updates")
}

const ROTATIONS: u32 = 20;

#[tokio::test]
async fn a_rotation_writes_no_index_within_an_hour() {
    assert_eq!(hot_updates("hot", 60).await, i64::from(ROTATIONS));
    // Once an hour the entry for clean-up moves.
    assert_eq!(hot_updates("hot_hours", 3_600).await, 0);
}
