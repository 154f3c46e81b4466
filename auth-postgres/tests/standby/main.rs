//! Guarantees of `PgStore` while the server itself fails: it is killed, a standby takes over, a standby hangs, or it
//! presents a wrong certificate. These tests start their own servers.

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod failover;
#[cfg(test)]
mod private_server;
