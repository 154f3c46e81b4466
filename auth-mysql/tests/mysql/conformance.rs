//! The conformance suite; on a cluster, each call goes to another node.

mod granted;

use std::sync::Arc;

use crate::round_robin::RoundRobin;
use crate::server;

async fn store() -> Arc<RoundRobin> {
    Arc::new(RoundRobin::open(&server::urls()).await)
}

auth_testkit::user_store_tests!(store());
auth_testkit::token_store_tests!(store());
auth_testkit::outbox_tests!(store());
auth_testkit::joined_store_tests!(store());
