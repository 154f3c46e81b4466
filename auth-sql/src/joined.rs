//! The joint read of a session and its user.

use async_trait::async_trait;
use auth_core::store::Store;
use auth_core::{Session, SessionId, StoreError, User};

use crate::statement::values;
use crate::token::read_session;
use crate::user::read_user;
use crate::{Database, Record, Row, SqlStore, table};

fn read(row: &impl Row) -> Result<(Session, Option<User>), StoreError> {
    let owner = Record::joined(table::USERS, "owner_", row)?;
    Ok((read_session(row)?, owner.as_ref().map(read_user).transpose()?))
}

#[async_trait]
impl<D: Database> Store for SqlStore<D> {
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        self.find(read, D::TOKEN.find_session_and_user, &values![id]).await
    }
}
