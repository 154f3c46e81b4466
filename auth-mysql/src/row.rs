//! Values and columns in MySQL's types.

use auth_sql::{Cause, Value, decode};
use chrono::{DateTime, NaiveDateTime, SubsecRound as _, Utc};
use sqlx::MySql;
use sqlx::mysql::{MySqlArguments, MySqlRow};
use sqlx::query::Query;

/// A statement with its values. It owns them, so that each attempt can build it again.
pub(crate) type Statement = Query<'static, MySql, MySqlArguments>;

/// A time as a column holds it: UTC, in microseconds.
pub(crate) fn to_column(at: DateTime<Utc>) -> NaiveDateTime {
    at.naive_utc().trunc_subsecs(6)
}

/// Binds the values of a statement.
pub(crate) fn statement(sql: &'static str, values: &[Value<'_>]) -> Statement {
    values.iter().fold(sqlx::query(sql), |statement, value| match *value {
        Value::Id(id) => statement.bind(id.as_slice()),
        Value::Digest(digest) => statement.bind(digest.as_slice()),
        Value::Text(text) => statement.bind(text),
        Value::Canonical(address) => statement.bind(address.as_bytes()),
        Value::Number(number) => statement.bind(number),
        Value::Time(at) => statement.bind(at.map(to_column)),
    })
}

/// A row of MySQL.
pub(crate) struct Row(pub(crate) MySqlRow);

impl auth_sql::Row for Row {
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, Cause> {
        decode(&self.0, column)
    }

    fn text(&self, column: &str) -> Result<Option<&str>, Cause> {
        decode(&self.0, column)
    }

    fn number(&self, column: &str) -> Result<u64, Cause> {
        decode(&self.0, column)
    }

    fn time(&self, column: &str) -> Result<Option<DateTime<Utc>>, Cause> {
        Ok(decode::<Option<NaiveDateTime>, _>(&self.0, column)?.map(|at| at.and_utc()))
    }
}
