//! The methods of the storage traits, said once for all wrappers of this crate.

/// Hands the methods of [`UserStore`](auth_core::store::UserStore) to a macro.
macro_rules! user_store_methods {
    ($then:ident) => {
        $then! { UserStore:
            fn insert(user: &User) -> Result<UserInsert, StoreError>;
            fn find_by_id(id: UserId) -> Result<Option<User>, StoreError>;
            fn find_by_email(email: &Email) -> Result<Option<User>, StoreError>;
            fn contest(email: &Email, rival: UserId, at: DateTime<Utc>) -> Result<Guarded, StoreError>;
            fn verify_email(id: UserId, epoch: Epoch, with: &EmailVerification) -> Result<Guarded, StoreError>;
            fn set_password(id: UserId, epoch: Epoch, password: &NewPassword) -> Result<Guarded, StoreError>;
            fn set_email(id: UserId, epoch: Epoch, email: &NewEmail) -> Result<EmailChange, StoreError>;
            fn rehash_password(id: UserId, epoch: Epoch, hash: &PasswordHash) -> Result<Guarded, StoreError>;
            fn set_status(id: UserId, epoch: Epoch, status: UserStatus) -> Result<Guarded, StoreError>;
            fn advance_epoch(id: UserId, epoch: Epoch) -> Result<Guarded, StoreError>;
            fn delete(id: UserId) -> Result<Deletion, StoreError>;
            fn purge_unverified(before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
        }
    };
}
pub(crate) use user_store_methods;

/// Hands the methods of [`TokenStore`](auth_core::store::TokenStore) to a macro.
macro_rules! token_store_methods {
    ($then:ident) => {
        $then! { TokenStore:
            fn insert_session(session: &Session) -> Result<(), StoreError>;
            fn find_session(id: SessionId) -> Result<Option<Session>, StoreError>;
            fn find_sessions_by_user(user_id: UserId) -> Result<Vec<Session>, StoreError>;
            fn rotate(rotation: &SessionRotation) -> Result<Guarded, StoreError>;
            fn revoke_session(user_id: UserId, id: SessionId) -> Result<Revocation, StoreError>;
            fn insert_one_time(token: &OneTimeToken) -> Result<OneTimeInsert, StoreError>;
            fn find_one_time(id: IntentId) -> Result<Option<OneTimeToken>, StoreError>;
            fn spend(id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError>;
            fn purge_sessions(now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
            fn purge_one_time(now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
        }
    };
}
pub(crate) use token_store_methods;
