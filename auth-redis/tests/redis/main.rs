//! The guarantees of `RedisLimiter`, on a real Redis.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod known_device;
#[cfg(test)]
mod lost_answers;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod server;
