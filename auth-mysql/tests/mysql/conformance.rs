//! Every promise of the storage traits; on a cluster every call goes to another node.

mod granted;

use std::sync::Arc;

use crate::server;
use crate::spread::Spread;

async fn store() -> Arc<Spread> {
    Arc::new(Spread::open(&server::urls()).await)
}

auth_testkit::user_store_tests!(store());
auth_testkit::token_store_tests!(store());
auth_testkit::outbox_tests!(store());
auth_testkit::joined_store_tests!(store());
