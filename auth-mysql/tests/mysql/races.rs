//! Concurrent writes of the same record have one winner. On a cluster, each caller uses a different
//! node, and the nodes counted conflicts, else the races proved nothing.

use auth_mysql::MySqlStore;
use auth_tests::server::races::CALLERS;
use sqlx::{Executor as _, Row as _};

use crate::server;

/// One store per caller over an empty database, each on a different node of a cluster.
async fn nodes(purpose: &str) -> Vec<MySqlStore> {
    let scratch = server::Scratch::new(purpose).await;
    let mut nodes = Vec::new();
    for node in server::urls().iter().cycle().take(CALLERS) {
        nodes.push(server::open(&scratch.on(node)).await);
    }
    nodes
}

/// The number of conflicting writes that the nodes of a cluster have counted, those of other tests
/// included.
async fn conflicts() -> u64 {
    let mut conflicts = 0;
    for url in &server::urls() {
        let names = "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')";
        for row in server::connect(url).await.fetch_all(names).await.unwrap() {
            conflicts += row.get_unchecked::<String, _>(1).parse::<u64>().unwrap();
        }
    }
    conflicts
}

auth_tests::race_tests!(nodes);

/// Races of one kind once more, between two readings of the counters. Only a cluster has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn races_on_a_cluster_conflict() {
    if server::urls().len() == 1 {
        return;
    }
    let before = conflicts().await;
    auth_tests::server::races::one_of_three_concurrent_password_changes_wins(&nodes("conflicts").await).await;
    let conflicts = conflicts().await - before;
    println!("proof races: {conflicts} conflicts between nodes");
    assert!(conflicts > 0, "no two callers conflicted");
}
