//! Guarantees of `PgStore`, on real servers that `scripts/test` starts.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod hot_updates;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod own_pool;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod poolers;
#[cfg(test)]
mod races;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod server;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod silent_network;
#[cfg(test)]
mod statements;
