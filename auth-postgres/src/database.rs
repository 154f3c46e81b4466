//! The dialect: its statements, and how they run.

use auth_core::StoreError;
use auth_core::store::ClaimedIntent;
use auth_sql::{Database, Expired, OutboxSql, TokenSql, UserSql, Value, WriteOutcome, read_claimed};
use chrono::{DateTime, Utc};

use crate::pool::Pool;
use crate::row::{Row, statement};
use crate::{outbox, purge, token, user};

impl Database for Pool {
    type Row = Row;

    const USER: UserSql = user::SQL;
    const TOKEN: TokenSql = token::SQL;
    const OUTBOX: OutboxSql = outbox::SQL;

    async fn write(&self, sql: &'static str, values: &[Value<'_>]) -> Result<WriteOutcome, StoreError> {
        self.server.write(|| statement(sql, values)).await
    }

    async fn read(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.server.read(|| statement(sql, values)).await
    }

    /// May run twice: a lease whose answer was lost ends by itself.
    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        read_claimed(&self.read(outbox::CLAIM, &[now.into(), lease_until.into(), limit.into()]).await?)
    }

    async fn purge(&self, expired: Expired, at: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        purge::purge(self, expired, at, limit).await
    }
}
