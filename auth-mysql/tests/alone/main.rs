//! What `MySqlStore` promises when the server itself is in trouble: on a server of these proofs alone,
//! which they may fill, freeze, kill and give wrong certificates. A MariaDB, or with
//! `AUTH_TEST_ALONE=mysql` Oracle's MySQL.

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod contention;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod server;
#[cfg(test)]
#[path = "../mysql/service.rs"]
#[expect(dead_code, reason = "other proofs use the rest")]
mod service;
#[cfg(test)]
mod strip;
#[cfg(test)]
mod writes;
