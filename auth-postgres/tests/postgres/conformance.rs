//! The conformance suite.

mod granted;

use std::sync::Arc;

use auth_postgres::PgStore;

use crate::server;

async fn handles() -> [Arc<PgStore>; 2] {
    [server::store().await.into(), server::store().await.into()]
}

auth_testkit::store_tests!(handles());
