//! `Database`: what a dialect provides for the shared stores.

use std::fmt::Debug;
use std::future::Future;

use auth_core::StoreError;
use auth_core::store::ClaimedIntent;
use chrono::{DateTime, Utc};

use crate::{OutboxSql, Row, TokenSql, UserSql, Value};

/// A database of one SQL dialect: its statements, and how they run.
///
/// Every call is one statement in autocommit mode, unless a method says otherwise.
pub trait Database: Debug + Send + Sync {
    /// A row that this database returns.
    type Row: Row;

    /// The statements of the user store.
    const USER: UserSql;
    /// The statements of the token store.
    const TOKEN: TokenSql;
    /// The statements of the outbox.
    const OUTBOX: OutboxSql;

    /// The largest epoch that a column can hold. No stored user has a later one.
    const MAX_EPOCH: u64 = i64::MAX.unsigned_abs();

    /// Runs a statement that writes, and repeats it after a failure that makes this safe.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if a value does not fit its column.
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if the statement changed nothing
    ///   because the database could not run it.
    fn write(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<WriteOutcome, StoreError>> + Send;

    /// Runs a statement that reads, and returns all its rows.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if the database could not run it.
    fn read(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    /// Leases intents that are due; see [`Outbox::claim`](auth_core::Outbox::claim).
    ///
    /// An intent that cannot be read is leased like the others. The call fails only if no other
    /// intent was due.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if no due intent could be read.
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if the database could not run the
    ///   statements.
    fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ClaimedIntent>, StoreError>> + Send;

    /// Deletes up to `limit` expired rows and returns their number; fewer only if no more were
    /// found.
    ///
    /// # Errors
    ///
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if the database could not run the
    ///   statements.
    fn purge(
        &self,
        expired: Expired,
        at: DateTime<Utc>,
        limit: u32,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// The outcome of a write.
#[derive(Debug)]
#[must_use = "a write may have changed nothing"]
pub enum WriteOutcome {
    /// The statement ran and affected this number of rows.
    Affected(u64),
    /// Another row has the same unique key. Nothing was written.
    Duplicate(UniqueKey),
    /// The connection broke during one attempt, and a later attempt found that the guard does not
    /// hold. A read must find out whether the first attempt was applied. The error is the broken
    /// connection.
    Unknown(StoreError),
}

impl WriteOutcome {
    /// Returns the number of affected rows of a write that leaves no trace of its caller.
    ///
    /// # Errors
    ///
    /// - [`Conflict`](auth_core::StoreErrorKind::Conflict) if another row has the same key.
    /// - [`Unavailable`](auth_core::StoreErrorKind::Unavailable) if the outcome is unknown, because
    ///   no read could find it out.
    pub fn affected(self) -> Result<u64, StoreError> {
        match self {
            Self::Affected(rows) => Ok(rows),
            // Without the database's text, which quotes the value: it may be an address.
            Self::Duplicate(_) => Err(StoreError::conflict("a record with this key exists")),
            Self::Unknown(error) => Err(error),
        }
    }
}

/// The unique key that another row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueKey {
    /// The canonical address of a user.
    Email,
    /// A primary key, or a key that the database did not name.
    Other,
}

/// The rows that [`Database::purge`] deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Active users that are unverified, and were created and last contested before the time.
    UnverifiedUsers,
    /// Sessions whose idle or absolute lifetime ended at the time or before.
    Sessions,
    /// One-time tokens that expired at the time or before.
    OneTimeTokens,
    /// Dead letters that became dead letters before the time.
    DeadLetters,
}

impl Expired {
    /// All kinds.
    pub const ALL: [Self; 4] =
        [Self::UnverifiedUsers, Self::Sessions, Self::OneTimeTokens, Self::DeadLetters];
}
