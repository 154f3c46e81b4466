use async_trait::async_trait;

use super::{StoreError, TokenStore, UserStore};
use crate::id::SessionId;
use crate::session::Session;
use crate::user::User;

/// Keeps users and sessions in one place, so that one read gives both. See
/// [Writing a store](crate::store#writing-a-store).
///
/// What [`Auth::builder`](crate::Auth::builder) asks for: with it a refresh costs two round trips instead of
/// three. `impl JoinedStore for MyStore {}` is enough, and saves nothing.
#[async_trait]
pub trait JoinedStore: UserStore + TokenStore {
    /// Reads a session, expired or not, and its user; without one, the session alone.
    ///
    /// Reads one after the other unless it is overridden, with a join.
    ///
    /// # Atomicity
    ///
    /// It sees every write to either record that was acknowledged before it began, by whichever
    /// process. That both are of one moment is not asked for.
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        let Some(session) = self.find_session(id).await? else { return Ok(None) };
        let user = self.find_by_id(session.user_id).await?;
        Ok(Some((session, user)))
    }
}
