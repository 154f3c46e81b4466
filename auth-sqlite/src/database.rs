//! The dialect: its statements, and how they run.

use auth_core::StoreError;
use auth_core::store::ClaimedIntent;
use auth_sql::{Database, Expired, OutboxSql, TokenSql, UserSql, Value, WriteOutcome, read_claimed};
use chrono::{DateTime, Utc};

use crate::outbox::{CLAIM, PURGE_DEAD_LETTERS};
use crate::pool::Pool;
use crate::row::Row;
use crate::token::{PURGE_ONE_TIME, PURGE_SESSIONS};
use crate::user::PURGE_UNVERIFIED;
use crate::{outbox, token, user};

impl Database for Pool {
    type Row = Row;

    const USER: UserSql = user::SQL;
    const TOKEN: TokenSql = token::SQL;
    const OUTBOX: OutboxSql = outbox::SQL;

    async fn write(&self, sql: &'static str, values: &[Value<'_>]) -> Result<WriteOutcome, StoreError> {
        self.run(sql, values).await
    }

    async fn read(&self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.rows(sql, values).await
    }

    async fn claim(
        &self,
        now: DateTime<Utc>,
        lease_until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<ClaimedIntent>, StoreError> {
        let values = [now.into(), lease_until.into(), limit.into()];
        read_claimed(&self.run_returning(CLAIM, &values).await?)
    }

    async fn purge(&self, expired: Expired, at: DateTime<Utc>, limit: u32) -> Result<u64, StoreError> {
        self.run(purge_sql(expired), &[at.into(), limit.into()]).await?.affected()
    }
}

pub(crate) fn purge_sql(expired: Expired) -> &'static str {
    match expired {
        Expired::UnverifiedUsers => PURGE_UNVERIFIED,
        Expired::Sessions => PURGE_SESSIONS,
        Expired::OneTimeTokens => PURGE_ONE_TIME,
        Expired::DeadLetters => PURGE_DEAD_LETTERS,
    }
}
