//! The dialect: its statements, and how they run.

use auth_core::StoreError;
use auth_core::store::ClaimedIntent;
use auth_sql::{Database, Expired, OutboxSql, TokenSql, UserSql, Value, WriteOutcome};
use chrono::{DateTime, Utc};

use crate::pool::Pool;
use crate::row::{Row, statement};
use crate::{outbox, purge, token, user};

impl Database for Pool {
    type Row = Row;

    const USER: UserSql = user::SQL;
    const TOKEN: TokenSql = token::SQL;
    const OUTBOX: OutboxSql = outbox::SQL;
    const MAX_EPOCH: u64 = u64::MAX;

    async fn write(&self, sql: &'static str, values: &[Value<'_>]) -> Result<WriteOutcome, StoreError> {
        self.server.write(|| statement(sql, values)).await
    }

    async fn read(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.server.read(|| statement(sql, values)).await
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        outbox::claim(self, now, lease_until, limit).await
    }

    async fn purge(&self, expired: Expired, at: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        purge::purge(self, expired, at, limit).await
    }
}
