#![doc = include_str!("../README.md")]

mod address;
mod connection;
mod counting;
mod error;
mod limiter;
mod outage;

pub use error::ConnectError;
pub use limiter::RedisLimiter;
pub use outage::OutagePolicy;
