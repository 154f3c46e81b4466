use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use auth_core::store::{Store, StoreError};
use auth_core::{MemoryStore, Session, SessionId, User, UserId, UserStatus, methods_of};

use self::StoreDefect as D;
use crate::{defects, lock};

defects! {
    /// A defect of the read of a session and its user.
    StoreDefect {
        /// Columns of one name are read from the session, also those of the user.
        NamesCollide => [a_session_and_its_user_read_back_as_written],
        /// What is absent is read as empty.
        AbsentIsEmpty => [empty_fields_of_either_read_back_as_written],
        /// A session is found whether there is one or not.
        UnknownIsFound => [an_unknown_session_is_not_found_with_a_user],
        /// A session without its user is not found: an inner join.
        InnerJoin => [a_session_without_a_user_is_found_alone],
        /// Hides what the flows would refuse.
        DeadIsHidden => [an_expired_session_of_a_disabled_user_is_still_found],
        /// Users are remembered from the first read on.
        UsersAreRemembered => [every_acknowledged_write_is_read],
        /// Sessions are remembered from the first read on.
        SessionsAreRemembered => [every_acknowledged_write_is_read],
        /// A handle remembers what it read, whatever another writes.
        RemembersReads => [what_another_handle_wrote_is_read_at_once],
    }
}

/// A [`Store`] with one defect.
#[derive(Debug)]
pub(crate) struct BrokenStore {
    defect: StoreDefect,
    inner: MemoryStore,
    users: Mutex<HashMap<UserId, User>>,
    sessions: Mutex<HashMap<SessionId, Session>>,
}

impl BrokenStore {
    /// An empty store with this defect.
    pub(crate) fn new(defect: StoreDefect) -> Self {
        Self { defect, inner: MemoryStore::new(), users: Mutex::default(), sessions: Mutex::default() }
    }
}

macro_rules! delegate {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl $trait for BrokenStore {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                $trait::$method(&self.inner, $($argument),*).await
            })*
        }
    };
}

methods_of! { UserStore => delegate }
methods_of! { TokenStore => delegate }
methods_of! { Outbox => delegate }

#[async_trait]
impl Store for BrokenStore {
    async fn find_session_and_user(
        &self,
        id: SessionId,
    ) -> Result<Option<(Session, Option<User>)>, StoreError> {
        let found = self.inner.find_session_and_user(id).await?;
        let Some((session, user)) = found else {
            let remembered = match self.defect {
                D::SessionsAreRemembered => lock(&self.sessions).get(&id).cloned(),
                D::UnknownIsFound => lock(&self.sessions).values().next().cloned(),
                _ => None,
            };
            return Ok(remembered.map(|session| (session, None)));
        };
        let Some(user) = user else {
            return Ok((self.defect != D::InnerJoin).then_some((session, None)));
        };
        Ok(match self.defect {
            D::NamesCollide => {
                let user = User { created_at: session.created_at, epoch: session.epoch, ..user };
                Some((session, Some(user)))
            }
            D::AbsentIsEmpty => {
                let user_agent = Some(session.user_agent.unwrap_or_default());
                Some((Session { user_agent, ..session }, Some(user)))
            }
            D::DeadIsHidden if user.status == UserStatus::Disabled => None,
            D::UsersAreRemembered => {
                let user = lock(&self.users).entry(user.id).or_insert(user).clone();
                Some((session, Some(user)))
            }
            D::SessionsAreRemembered | D::UnknownIsFound => {
                let session = lock(&self.sessions).entry(id).or_insert(session).clone();
                Some((session, Some(user)))
            }
            _ => Some((session, Some(user))),
        })
    }
}
