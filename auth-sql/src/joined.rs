use async_trait::async_trait;
use auth_core::store::Store;
use auth_core::{Session, SessionId, StoreError, User};

use crate::statement::values;
use crate::token::read_session;
use crate::user::read_user;
use crate::{Database, Record, Row, SqlStore, table};

/// Selects sessions joined to their users: `auth_sessions session LEFT JOIN auth_users owner`.
#[macro_export]
macro_rules! select_session_and_user {
    () => {
        "SELECT session.id, user_id, session.epoch, generation, digest, session.created_at, rotated_at, \
         idle_expires_at, expires_at, ip, user_agent, owner.id AS owner_id, \
         email_canonical AS owner_email_canonical, email AS owner_email, name AS owner_name, \
         password_hash AS owner_password_hash, password_changed_at AS owner_password_changed_at, \
         owner.epoch AS owner_epoch, status AS owner_status, \
         email_verified_at AS owner_email_verified_at, contested_at AS owner_contested_at, \
         owner.created_at AS owner_created_at \
         FROM auth_sessions session LEFT JOIN auth_users owner ON owner.id = user_id"
    };
}

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
