//! Values and columns in PostgreSQL's types.

use auth_sql::{Cause, Value, decode};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _, TypeInfo as _, ValueRef as _};

/// A statement with its values. It owns them, so that each attempt can build it again.
pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

/// Binds the values of a statement.
pub(crate) fn statement(sql: &'static str, values: &[Value<'_>]) -> Statement {
    values.iter().fold(sqlx::query(sql), |statement, value| match *value {
        Value::Id(id) => statement.bind(id.as_slice()),
        Value::Digest(digest) => statement.bind(digest.as_slice()),
        Value::Text(text) => statement.bind(text),
        Value::Canonical(address) => statement.bind(address),
        // `MAX_EPOCH` excludes the only numbers that do not fit.
        Value::Number(number) => statement.bind(number.cast_signed()),
        Value::Time(at) => statement.bind(at.map(|at| at.trunc_subsecs(6))),
    })
}

/// A row of PostgreSQL.
pub(crate) struct Row(pub(crate) PgRow);

/// 2000-01-01 in seconds since 1970: the binary format counts microseconds from there.
const EPOCH: DateTime<Utc> = DateTime::from_timestamp(946_684_800, 0).unwrap();

impl auth_sql::Row for Row {
    /// The binary format of a text is its bytes.
    fn bytes(&self, column: &str) -> Result<Option<&[u8]>, Cause> {
        let value = self.0.try_get_raw(column)?;
        if value.is_null() {
            return Ok(None);
        }
        let name = value.type_info().name().to_owned();
        match &*name {
            "BYTEA" | "TEXT" | "VARCHAR" => value.as_bytes().map(Some),
            _ => Err(format!("a column of type {name}").into()),
        }
    }

    fn text(&self, column: &str) -> Result<Option<&str>, Cause> {
        decode(&self.0, column)
    }

    fn number(&self, column: &str) -> Result<u64, Cause> {
        Ok(decode::<i64, _>(&self.0, column)?.try_into()?)
    }

    /// Not by sqlx, which panics if somebody wrote `infinity`.
    fn time(&self, column: &str) -> Result<Option<DateTime<Utc>>, Cause> {
        let value = self.0.try_get_raw(column)?;
        if value.is_null() {
            return Ok(None);
        }
        if value.type_info().name() != "TIMESTAMPTZ" {
            return Err("not a time with time zone".into());
        }
        let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?);
        let at = EPOCH.checked_add_signed(TimeDelta::microseconds(micros));
        at.map(Some).ok_or_else(|| format!("{micros} microseconds since 2000 is no time").into())
    }
}
