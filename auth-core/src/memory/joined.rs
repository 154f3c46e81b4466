use async_trait::async_trait;

use super::{MemoryStore, lock};
use crate::id::SessionId;
use crate::session::Session;
use crate::store::{JoinedStore, StoreError};
use crate::user::User;

#[async_trait]
impl JoinedStore for MemoryStore {
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        let session = lock(&self.tokens).session(id);
        Ok(session.map(|session| {
            let user = lock(&self.users).user(session.user_id);
            (session, user)
        }))
    }
}
