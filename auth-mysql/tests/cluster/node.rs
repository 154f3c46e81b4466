//! The nodes of the cluster, locked by one test that may disturb them.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{Executor as _, Row as _};
use tokio::sync::{Mutex, MutexGuard};

use crate::server;

static LOCK: Mutex<()> = Mutex::const_new(());

/// All nodes, in one complete cluster when this is created.
pub(crate) struct Nodes {
    pub(crate) urls: Vec<String>,
    _lock: MutexGuard<'static, ()>,
}

impl Nodes {
    pub(crate) async fn new() -> Self {
        let nodes = Self { urls: server::urls(), _lock: LOCK.lock().await };
        assert!(nodes.urls.len() >= 3, "a cluster has three nodes");
        nodes.until_complete().await;
        nodes
    }

    /// How often a test disturbs a node; `scripts/soak/mysql` sets more.
    pub(crate) fn rounds() -> usize {
        env::var("AUTH_TEST_MYSQL_NODE_FAULTS").map_or(1, |rounds| rounds.parse().unwrap())
    }

    /// Runs a verb of `scripts/servers/galera` on a node, counted from zero.
    pub(crate) async fn run(&self, verb: &str, node: usize) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/servers/galera");
        let folder = env::var("AUTH_TEST_MYSQL_CLUSTER").expect("the folder of the cluster");
        let url: url::Url = self.urls[node].parse().unwrap();
        let (verb, number) = (verb.to_owned(), (node + 1).to_string());
        let port = url.port().unwrap().to_string();
        tokio::task::spawn_blocking(move || {
            let done =
                Command::new(script).args([&verb, &folder, &number]).env("BASE", port).output().unwrap();
            assert!(done.status.success(), "{verb} {number}: {}", String::from_utf8_lossy(&done.stderr));
        })
        .await
        .unwrap();
    }

    /// Waits until every node counts all nodes.
    pub(crate) async fn until_complete(&self) {
        let began = Instant::now();
        for url in &self.urls {
            while size(url).await != Some(self.urls.len()) {
                assert!(began.elapsed() < Duration::from_mins(1), "the cluster is not complete");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The number of nodes that this one counts, if it answers. Reads what other nodes acknowledged, as
/// a store does.
async fn size(url: &str) -> Option<usize> {
    let answer = async {
        let mut node = server::try_connect(url).await?;
        node.execute("SET SESSION wsrep_sync_wait = 7").await?;
        node.execute("SELECT COUNT(*) FROM mysql.user").await?;
        node.fetch_one("SHOW STATUS LIKE 'wsrep_cluster_size'").await
    };
    let row = tokio::time::timeout(Duration::from_secs(5), answer).await.ok()?.ok()?;
    row.get_unchecked::<String, _>(1).parse().ok()
}
