//! Values as columns, and columns as values.

use std::error::Error;

use auth_core::{Epoch, StoreError};
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use crate::error::CorruptColumn;

/// A time as it is kept: microseconds since 1970. The range of chrono fits.
pub(crate) fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// An epoch as it is kept. `None` for one beyond SQLite's integers, which no kept user can have.
pub(crate) fn epoch_number(epoch: Epoch) -> Option<i64> {
    i64::try_from(epoch.as_u64()).ok()
}

/// An epoch to be written.
pub(crate) fn new_epoch(table: &'static str, epoch: Epoch) -> Result<i64, StoreError> {
    let column = "epoch";
    let corrupt = |cause| CorruptColumn { table, column, id: None, cause: Box::new(cause) };
    Ok(i64::try_from(epoch.as_u64()).map_err(corrupt)?)
}

/// One record of a table, read column by column. Whatever makes no sense becomes
/// [`Corrupt`](auth_core::StoreErrorKind::Corrupt) and names table, column and record.
pub(crate) struct Record<'r> {
    table: &'static str,
    /// What stands before the names of its columns, where it is joined to another record.
    prefix: &'static str,
    row: &'r SqliteRow,
}

impl<'r> Record<'r> {
    pub(crate) fn new(table: &'static str, row: &'r SqliteRow) -> Self {
        Self { table, prefix: "", row }
    }

    /// A record whose columns have this before their names, if there is one.
    pub(crate) fn joined(
        table: &'static str,
        prefix: &'static str,
        row: &'r SqliteRow,
    ) -> Result<Option<Self>, StoreError> {
        let record = Self { table, prefix, row };
        let id: Option<&[u8]> = record.value("id")?;
        Ok(id.is_some().then_some(record))
    }

    pub(crate) fn corrupt(
        &self,
        column: &'static str,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> StoreError {
        let id = self.get::<&[u8]>("id").ok();
        let id = id.map(|id| id.iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}")));
        CorruptColumn { table: self.table, column, id, cause: cause.into() }.into()
    }

    fn value<T: Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.get(column).map_err(|error| self.corrupt(column, error))
    }

    fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &'static str) -> Result<T, sqlx::Error> {
        match self.prefix {
            "" => self.row.try_get(column),
            prefix => self.row.try_get(&*format!("{prefix}{column}")),
        }
    }

    /// An id or a digest.
    pub(crate) fn bytes<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError> {
        let bytes: &[u8] = self.value(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column, format!("{} bytes, not {N}", bytes.len())))
    }

    pub(crate) fn integer<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: TryFrom<i64, Error: Error + Send + Sync + 'static>,
    {
        T::try_from(self.value(column)?).map_err(|error| self.corrupt(column, error))
    }

    pub(crate) fn epoch(&self, column: &'static str) -> Result<Epoch, StoreError> {
        self.integer(column).map(Epoch::from_u64)
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<&'r str, StoreError> {
        self.value(column)
    }

    pub(crate) fn maybe_text(&self, column: &'static str) -> Result<Option<&'r str>, StoreError> {
        self.value(column)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<DateTime<Utc>, StoreError> {
        self.as_time(column, self.value(column)?)
    }

    pub(crate) fn maybe_time(&self, column: &'static str) -> Result<Option<DateTime<Utc>>, StoreError> {
        let micros: Option<i64> = self.value(column)?;
        micros.map(|micros| self.as_time(column, micros)).transpose()
    }

    fn as_time(&self, column: &'static str, micros: i64) -> Result<DateTime<Utc>, StoreError> {
        DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| self.corrupt(column, format!("{micros} is no time")))
    }
}

/// Names the statements of a file, and lists them for the test that reads their query plans.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)*) => {
        $($(#[$doc])* const $name: &str = $sql;)*

        #[cfg(test)]
        pub(crate) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use statements;
