use async_trait::async_trait;
use auth_core::store::JoinedStore;
use auth_core::{Session, SessionId, StoreError, User};
use sqlx::mysql::MySqlRow;
use sqlx::query;

use crate::MySqlStore;
use crate::row::{Record, statements};
use crate::token::read_session;
use crate::user::{self, read_user};

statements! {
    FIND_SESSION_AND_USER = "SELECT session.id, user_id, session.epoch, generation, digest, \
        session.created_at, rotated_at, idle_expires_at, expires_at, ip, user_agent, \
        owner.id AS owner_id, email_canonical AS owner_email_canonical, email AS owner_email, \
        name AS owner_name, password_hash AS owner_password_hash, \
        password_changed_at AS owner_password_changed_at, owner.epoch AS owner_epoch, \
        status AS owner_status, email_verified_at AS owner_email_verified_at, \
        contested_at AS owner_contested_at, owner.created_at AS owner_created_at \
        FROM auth_sessions session LEFT JOIN auth_users owner ON owner.id = user_id WHERE session.id = ?";
}

fn read(row: &MySqlRow) -> Result<(Session, Option<User>), StoreError> {
    let owner = Record::joined(user::TABLE, "owner_", row)?;
    Ok((read_session(row)?, owner.as_ref().map(read_user).transpose()?))
}

#[async_trait]
impl JoinedStore for MySqlStore {
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        self.find(read, || query(FIND_SESSION_AND_USER).bind(id.as_bytes().as_slice())).await
    }
}
