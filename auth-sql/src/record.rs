//! Reading columns of a row by name, with errors that name the column.

use std::error::Error;
use std::fmt;

use auth_core::{Epoch, StoreError};
use chrono::{DateTime, Utc};
use sqlx::{ColumnIndex, Decode, Type};

/// Why a column could not be read.
pub type Cause = Box<dyn Error + Send + Sync>;

/// A row of a result, in the types that the columns have in every dialect.
pub trait Row: Send + Sync {
    /// Reads bytes, or the bytes of a text.
    ///
    /// # Errors
    ///
    /// - The driver's error if the column is missing or has another type.
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, Cause>;

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// - The driver's error if the column is missing or has another type.
    fn text(&self, column: &str) -> Result<Option<&str>, Cause>;

    /// Reads a number that is not negative.
    ///
    /// # Errors
    ///
    /// - The driver's error if the column is missing or has another type, or an error if the number
    ///   is negative.
    fn number(&self, column: &str) -> Result<u64, Cause>;

    /// Reads a time.
    ///
    /// # Errors
    ///
    /// - The driver's error if the column is missing or has another type, or an error if it holds
    ///   no time.
    fn time(&self, column: &str) -> Result<Option<DateTime<Utc>>, Cause>;
}

/// Decodes a column of sqlx's row.
///
/// # Errors
///
/// - The driver's error if the column is missing or has another type.
pub fn decode<'r, T, R>(row: &'r R, column: &str) -> Result<T, Cause>
where
    T: Decode<'r, R::Database> + Type<R::Database>,
    R: sqlx::Row,
    for<'c> &'c str: ColumnIndex<R>,
{
    Ok(row.try_get(column)?)
}

/// A record of one table, read column by column.
///
/// A column that cannot be read becomes [`Corrupt`](auth_core::StoreErrorKind::Corrupt), with a
/// [`CorruptColumn`] as its cause.
pub struct Record<'r> {
    table: &'static str,
    /// The prefix of the column names, if the record is joined to another.
    prefix: &'static str,
    row: &'r dyn Row,
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("table", &self.table).finish_non_exhaustive()
    }
}

impl<'r> Record<'r> {
    /// Reads a row that is one record of this table.
    pub fn new(table: &'static str, row: &'r dyn Row) -> Self {
        Self { table, prefix: "", row }
    }

    /// Reads the columns with this prefix as a record; `None` if they are NULL because the join
    /// found no record.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the id cannot be read.
    pub fn joined(
        table: &'static str,
        prefix: &'static str,
        row: &'r dyn Row,
    ) -> Result<Option<Self>, StoreError> {
        let record = Self { table, prefix, row };
        let id = record.read("id", Row::bytes)?;
        Ok(id.is_some().then_some(record))
    }

    /// Makes the error for a column with an impossible value.
    pub fn corrupt(&self, column: &'static str, cause: impl Into<Cause>) -> StoreError {
        let id = self.row.bytes(&self.name("id")).ok().flatten();
        let id = id.map(|id| id.iter().fold(String::new(), |id, byte| format!("{id}{byte:02x}")));
        CorruptColumn { table: self.table, column, id, cause: cause.into() }.into()
    }

    fn name(&self, column: &'static str) -> String {
        format!("{}{column}", self.prefix)
    }

    fn read<T>(
        &self,
        column: &'static str,
        read: impl FnOnce(&'r dyn Row, &str) -> Result<T, Cause>,
    ) -> Result<T, StoreError> {
        match self.prefix {
            "" => read(self.row, column),
            _ => read(self.row, &self.name(column)),
        }
        .map_err(|cause| self.corrupt(column, cause))
    }

    fn not_null<T>(&self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.corrupt(column, "unexpected NULL"))
    }

    /// Reads bytes of any length.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read.
    pub fn blob(&self, column: &'static str) -> Result<&'r [u8], StoreError> {
        self.not_null(column, self.read(column, Row::bytes)?)
    }

    /// Reads an id or a digest.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read or has
    ///   another length.
    pub fn bytes<const N: usize>(&self, column: &'static str) -> Result<[u8; N], StoreError> {
        let bytes = self.blob(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column, format!("{} bytes, expected {N}", bytes.len())))
    }

    /// Reads a number that is not negative.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read or the number
    ///   does not fit.
    pub fn number<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: TryFrom<u64, Error: Error + Send + Sync + 'static>,
    {
        T::try_from(self.read(column, Row::number)?).map_err(|error| self.corrupt(column, error))
    }

    /// Reads an epoch.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read.
    pub fn epoch(&self, column: &'static str) -> Result<Epoch, StoreError> {
        self.number(column).map(Epoch::from_u64)
    }

    /// Reads a text.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read.
    pub fn text(&self, column: &'static str) -> Result<&'r str, StoreError> {
        self.not_null(column, self.optional_text(column)?)
    }

    /// Reads a text that may be NULL.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read.
    pub fn optional_text(&self, column: &'static str) -> Result<Option<&'r str>, StoreError> {
        self.read(column, Row::text)
    }

    /// Reads a time.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read.
    pub fn time(&self, column: &'static str) -> Result<DateTime<Utc>, StoreError> {
        self.not_null(column, self.optional_time(column)?)
    }

    /// Reads a time that may be NULL.
    ///
    /// # Errors
    ///
    /// - [`Corrupt`](auth_core::StoreErrorKind::Corrupt) if the column cannot be read.
    pub fn optional_time(&self, column: &'static str) -> Result<Option<DateTime<Utc>>, StoreError> {
        self.read(column, Row::time)
    }
}

/// A column holds a value that the stores never write.
#[derive(Debug)]
pub struct CorruptColumn {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The record's id in hexadecimal, if it can be read.
    pub id: Option<String>,
    /// Why the value is impossible.
    pub cause: Cause,
}

impl fmt::Display for CorruptColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, column, id, .. } = self;
        match id {
            Some(id) => write!(f, "{table}.{column} is invalid where id = x'{id}'"),
            None => write!(f, "{table}.{column} is invalid"),
        }
    }
}

impl Error for CorruptColumn {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

impl From<CorruptColumn> for StoreError {
    fn from(column: CorruptColumn) -> Self {
        Self::corrupt(column)
    }
}
