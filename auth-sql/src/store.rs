//! `SqlStore`: the storage traits over a `Database`.

use auth_core::store::GuardedWrite;
use auth_core::{Epoch, StoreError};
use chrono::{DateTime, Utc};

use crate::{CorruptColumn, Database, Value, WriteOutcome};

/// A store over a SQL database: all storage traits of auth-core.
#[derive(Debug, Clone)]
pub struct SqlStore<D> {
    pub(crate) database: D,
}

impl<D: Database> SqlStore<D> {
    /// Makes a store over a database, which must have the tables.
    pub const fn new(database: D) -> Self {
        Self { database }
    }

    /// The database, for what only this dialect offers.
    pub const fn database(&self) -> &D {
        &self.database
    }

    /// Reads the record with a unique key.
    pub(crate) async fn find<T>(
        &self,
        read: impl Fn(&D::Row) -> Result<T, StoreError> + Send,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<T>, StoreError> {
        self.database.read(sql, values).await?.first().map(read).transpose()
    }

    /// Reads all records that a statement selects.
    pub(crate) async fn list<T>(
        &self,
        read: impl Fn(&D::Row) -> Result<T, StoreError> + Send,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, StoreError> {
        self.database.read(sql, values).await?.iter().map(read).collect()
    }

    /// Runs a write that leaves no trace of its caller; see [`WriteOutcome::affected`].
    pub(crate) async fn write(&self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.database.write(sql, values).await?.affected()
    }

    /// Runs a write of one record; returns whether this caller's write was applied. If the outcome
    /// is unknown, `is_own` reads the record and compares it with what the caller wrote.
    pub(crate) async fn write_own(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
        is_own: impl Future<Output = Result<bool, StoreError>> + Send,
    ) -> Result<bool, StoreError> {
        match self.database.write(sql, values).await? {
            WriteOutcome::Affected(rows) => Ok(rows > 0),
            WriteOutcome::Duplicate(_) => Ok(false),
            WriteOutcome::Unknown(_) => is_own.await,
        }
    }
}

/// The outcome of a guarded write.
pub(crate) fn guarded(applied: bool) -> GuardedWrite {
    if applied { GuardedWrite::Applied } else { GuardedWrite::Stale }
}

/// Compares times as columns hold them, in microseconds.
pub(crate) fn is_same_time(stored: DateTime<Utc>, written: DateTime<Utc>) -> bool {
    stored.timestamp_micros() == written.timestamp_micros()
}

/// Makes an epoch a value; fails if the column cannot hold it.
pub(crate) fn new_epoch<D: Database>(
    table: &'static str,
    epoch: Epoch,
) -> Result<Value<'static>, StoreError> {
    if epoch.as_u64() > D::MAX_EPOCH {
        let cause = "larger than the column can hold".into();
        return Err(CorruptColumn { table, column: "epoch", id: None, cause }.into());
    }
    Ok(epoch.into())
}

/// Implements the storage traits for a type by its field `store`, a [`SqlStore`].
#[macro_export]
macro_rules! implement_store {
    ($store:ident) => {
        const _: () = {
            use $crate::__delegate as delegate;
            $crate::auth_core::methods_of! { UserStore => delegate $store }
            $crate::auth_core::methods_of! { TokenStore => delegate $store }
            $crate::auth_core::methods_of! { Store => delegate $store }
            $crate::auth_core::methods_of! { Outbox => delegate $store }
        };
    };
}

/// Implements one trait.
#[doc(hidden)]
#[macro_export]
macro_rules! __delegate {
    ($store:ident $trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[$crate::async_trait]
        impl $trait for $store {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                $trait::$method(&self.store, $($argument),*).await
            })*
        }
    };
}

#[cfg(test)]
mod tests;
