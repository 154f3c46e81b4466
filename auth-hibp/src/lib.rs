#![doc = include_str!("../README.md")]

mod cache;
mod check;

pub use check::{HibpBreachCheck, HibpError};
