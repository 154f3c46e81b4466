#![doc = include_str!("../README.md")]

mod list;
mod sampler;
mod sink;
mod timed;

pub use list::describe;
pub use sampler::Sampler;
pub use sink::MetricsSink;
pub use timed::Timed;
