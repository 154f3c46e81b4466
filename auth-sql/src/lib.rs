#![doc = include_str!("../README.md")]

mod database;
mod error;
mod joined;
mod migration;
mod outbox;
mod record;
#[cfg(feature = "server")]
pub mod server;
mod sql;
mod statement;
mod store;
mod token;
mod user;

pub use database::{Database, Expired, UniqueKey, WriteOutcome};
pub use error::ErrorClass;
pub use migration::migrator;
pub use outbox::{read_claimed, read_intent};
pub use record::{Cause, CorruptColumn, Record, Row, decode};
pub use sql::{OutboxSql, TokenSql, UserSql};
pub use statement::Value;
pub use store::SqlStore;

#[doc(hidden)]
pub use {async_trait::async_trait, auth_core};

/// The tables, which have the same names in every dialect.
pub mod table {
    /// One row per user.
    pub const USERS: &str = "auth_users";
    /// One row per session.
    pub const SESSIONS: &str = "auth_sessions";
    /// One row per mailed link.
    pub const ONE_TIME_TOKENS: &str = "auth_one_time_tokens";
    /// One row per mail: queued, or a dead letter.
    pub const OUTBOX: &str = "auth_outbox";
}
