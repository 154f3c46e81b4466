//! The conformance suite; on a cluster, each call goes to another node.

mod granted;

use std::sync::Arc;

use crate::round_robin::RoundRobin;
use crate::server;

async fn store() -> Arc<RoundRobin> {
    Arc::new(RoundRobin::open(&server::urls()).await)
}

async fn handles() -> [Arc<RoundRobin>; 2] {
    [store().await, store().await]
}

auth_testkit::store_tests!(handles());
