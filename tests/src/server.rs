//! Proofs for stores on a database server, whose connections break and whose rows are raced for.

pub mod bench;
pub mod costs;
pub mod cuts;
mod proxy;
pub mod races;
pub mod service;
pub mod silence;
pub mod statements;

pub use proxy::{Direction, Proxy};
