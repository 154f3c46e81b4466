//! Concurrent writes of the same record have one winner.

use auth_postgres::PgStore;
use auth_tests::server::races::CALLERS;

use crate::server::{self, Scratch};

async fn callers(purpose: &str) -> Vec<PgStore> {
    let scratch = Scratch::new(purpose).await;
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(server::open(scratch.url()).await);
    }
    callers
}

auth_tests::race_tests!(callers);
