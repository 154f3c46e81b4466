//! Nodes of a cluster die and fall asleep: nothing that was acknowledged is lost, nothing has two
//! winners, and a node that wakes accepts nothing that ended meanwhile.
//!
//! Needs a cluster, so it is run by name only, by `scripts/test-mysql`: `AUTH_TEST_MYSQL_URL` has its nodes,
//! and `AUTH_TEST_MYSQL_CLUSTER` its folder.

#[cfg(test)]
mod asleep;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod node;
#[cfg(test)]
#[path = "../mysql/server.rs"]
#[expect(dead_code, reason = "other proofs use the rest")]
mod server;
#[cfg(test)]
#[path = "../mysql/service.rs"]
#[expect(dead_code, reason = "other proofs use the rest")]
mod service;
