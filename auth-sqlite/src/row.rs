//! Values and columns in SQLite's types.

use auth_sql::{Cause, Value, decode};
use chrono::{DateTime, Utc};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};

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

impl auth_sql::Row for Row {
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, Cause> {
        decode(&self.0, column)
    }

    fn text(&self, column: &str) -> Result<Option<&str>, Cause> {
        decode(&self.0, column)
    }

    fn number(&self, column: &str) -> Result<u64, Cause> {
        Ok(decode::<i64, _>(&self.0, column)?.try_into()?)
    }

    fn time(&self, column: &str) -> Result<Option<DateTime<Utc>>, Cause> {
        let micros: Option<i64> = decode(&self.0, column)?;
        micros
            .map(|micros| {
                DateTime::from_timestamp_micros(micros).ok_or_else(|| format!("{micros} is no time").into())
            })
            .transpose()
    }
}
