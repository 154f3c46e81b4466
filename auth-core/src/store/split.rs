//! `SplitStore`: one store made of three in different places.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Outbox, Store, StoreError, TokenStore, UserStore};
use crate::id::SessionId;
use crate::session::Session;
use crate::user::User;

/// Puts a user store, a token store and an outbox of different places together.
///
/// One store that holds everything is faster: it can read a session and its user at once, which here takes
/// two reads.
///
/// # Examples
///
/// Users in one database, sessions in another, and mails queued in this process, which forgets them when it
/// ends:
///
/// ```
/// use auth_core::{Auth, Mailbox, MemoryStore, SplitStore};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (users, tokens) = (MemoryStore::new(), MemoryStore::new());
/// let store = SplitStore::new(users, tokens, MemoryStore::new());
/// let auth = Auth::builder(store, Mailbox::new())
///     .secret(std::env::var("AUTH_SECRET")?)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SplitStore {
    users: Arc<dyn UserStore>,
    tokens: Arc<dyn TokenStore>,
    outbox: Arc<dyn Outbox>,
}

impl SplitStore {
    /// Creates a store from its three parts.
    pub fn new(
        users: impl UserStore + 'static,
        tokens: impl TokenStore + 'static,
        outbox: impl Outbox + 'static,
    ) -> Self {
        Self { users: Arc::new(users), tokens: Arc::new(tokens), outbox: Arc::new(outbox) }
    }
}

/// Implements a trait by the part in this field.
macro_rules! part {
    ($part:ident $trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $trait for SplitStore {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                self.$part.$method($($argument),*).await
            })*
        }
    };
}

crate::methods_of! { UserStore => part users }
crate::methods_of! { TokenStore => part tokens }
crate::methods_of! { Outbox => part outbox }

#[async_trait]
impl Store for SplitStore {
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        let Some(session) = self.tokens.find_session(id).await? else { return Ok(None) };
        let user = self.users.find_by_id(session.user_id).await?;
        Ok(Some((session, user)))
    }
}
