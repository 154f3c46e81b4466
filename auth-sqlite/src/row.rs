//! Values and columns in SQLite's types.

use auth_sql::{Cause, Value};
use chrono::{DateTime, Utc};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Decode, Row as _, Sqlite, Type};

/// A statement with its values. It owns them, so that each attempt can build it again.
pub(crate) type Statement = Query<'static, Sqlite, SqliteArguments>;

/// Binds the values of a statement.
pub(crate) fn statement(sql: &'static str, values: &[Value<'_>]) -> Statement {
    values.iter().fold(sqlx::query(sql), |statement, value| match *value {
        Value::Id(id) => statement.bind(id.as_slice()),
        Value::Digest(digest) => statement.bind(digest.as_slice()),
        Value::Text(text) => statement.bind(text),
        Value::Canonical(address) => statement.bind(address),
        // `MAX_EPOCH` excludes the only numbers that do not fit.
        Value::Number(number) => statement.bind(number.cast_signed()),
        // Microseconds since 1970. All of chrono's calendar fits.
        Value::Time(at) => statement.bind(at.map(|at| at.timestamp_micros())),
    })
}

/// A row of SQLite.
pub(crate) struct Row(pub(crate) SqliteRow);

impl Row {
    fn value<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(&'r self, column: &str) -> Result<T, Cause> {
        Ok(self.0.try_get(column)?)
    }
}

impl auth_sql::Row for Row {
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, Cause> {
        self.value(column)
    }

    fn text(&self, column: &str) -> Result<Option<&str>, Cause> {
        self.value(column)
    }

    fn number(&self, column: &str) -> Result<u64, Cause> {
        Ok(self.value::<i64>(column)?.try_into()?)
    }

    fn time(&self, column: &str) -> Result<Option<DateTime<Utc>>, Cause> {
        let read = |micros| {
            DateTime::from_timestamp_micros(micros).ok_or_else(|| format!("{micros} is no time").into())
        };
        self.value::<Option<i64>>(column)?.map(read).transpose()
    }
}
