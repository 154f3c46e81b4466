//! Guarantees of `MySqlStore` while the server itself fails. These tests start a server, fill, stop and
//! kill it, and give it wrong certificates: a MariaDB, or with `AUTH_TEST_ALONE=mysql` Oracle's MySQL.

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod contention;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod private_server;
#[cfg(test)]
mod tls_stripping;
#[cfg(test)]
mod writes;
