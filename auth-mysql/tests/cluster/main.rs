//! Nodes of a cluster are killed or stopped: no acknowledged write is lost, none has two winners,
//! and a node that continues accepts nothing that ended meanwhile.
//!
//! Needs a cluster, so it runs only by name, in `scripts/test-mysql`: `AUTH_TEST_MYSQL_URL` lists
//! the nodes, and `AUTH_TEST_MYSQL_CLUSTER` is the cluster's folder.

#[cfg(test)]
mod frozen_node;
#[cfg(test)]
mod killed_node;
#[cfg(test)]
mod node;
#[cfg(test)]
#[path = "../mysql/server.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod server;
