//! Values as columns, and columns as values.

use std::error::Error;

use auth_core::{Epoch, StoreError};
use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use sqlx::mysql::MySqlRow;
use sqlx::{Decode, MySql, Row as _, Type};

use crate::error::CorruptColumn;

/// A time as it is kept: UTC, in microseconds.
pub(crate) fn kept(at: DateTime<Utc>) -> NaiveDateTime {
    at.naive_utc().trunc_subsecs(6)
}

/// One record of a table, read column by column. Whatever makes no sense becomes
/// [`Corrupt`](auth_core::StoreErrorKind::Corrupt) and names table, column and record.
pub(crate) struct Record<'r> {
    table: &'static str,
    /// What stands before the names of its columns, where it is joined to another record.
    prefix: &'static str,
    row: &'r MySqlRow,
}

impl<'r> Record<'r> {
    pub(crate) fn new(table: &'static str, row: &'r MySqlRow) -> Self {
        Self { table, prefix: "", row }
    }

    /// A record whose columns have this before their names, if there is one.
    pub(crate) fn joined(
        table: &'static str,
        prefix: &'static str,
        row: &'r MySqlRow,
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

    fn value<T: Decode<'r, MySql> + Type<MySql>>(&self, column: &'static str) -> Result<T, StoreError> {
        self.get(column).map_err(|error| self.corrupt(column, error))
    }

    fn get<T: Decode<'r, MySql> + Type<MySql>>(&self, column: &'static str) -> Result<T, sqlx::Error> {
        match self.prefix {
            "" => self.row.try_get(column),
            prefix => self.row.try_get(&*format!("{prefix}{column}")),
        }
    }

    /// Bytes of any number.
    pub(crate) fn blob(&self, column: &'static str) -> Result<&'r [u8], StoreError> {
        self.value(column)
    }

    /// An id or a digest.
    pub(crate) fn bytes<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError> {
        let bytes = self.blob(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column, format!("{} bytes, not {N}", bytes.len())))
    }

    /// A number of a column that knows no negative ones.
    pub(crate) fn unsigned<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, MySql> + Type<MySql>,
    {
        self.value(column)
    }

    /// What `count(*)` gives, which is signed.
    pub(crate) fn count(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.value::<i64>(column)?).map_err(|error| self.corrupt(column, error))
    }

    pub(crate) fn epoch(&self, column: &'static str) -> Result<Epoch, StoreError> {
        self.unsigned(column).map(Epoch::from_u64)
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<&'r str, StoreError> {
        self.value(column)
    }

    pub(crate) fn maybe_text(&self, column: &'static str) -> Result<Option<&'r str>, StoreError> {
        self.value(column)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<DateTime<Utc>, StoreError> {
        self.value::<NaiveDateTime>(column).map(|time| time.and_utc())
    }

    pub(crate) fn maybe_time(&self, column: &'static str) -> Result<Option<DateTime<Utc>>, StoreError> {
        Ok(self.value::<Option<NaiveDateTime>>(column)?.map(|time| time.and_utc()))
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
