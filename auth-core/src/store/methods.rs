//! One list of the methods of the traits, for macros that wrap them.

/// Passes the methods of a trait to your macro, so that a wrapper of any store, mailer or limiter need not
/// list them.
///
/// The trait is one of [`UserStore`](crate::store::UserStore), [`TokenStore`](crate::store::TokenStore),
/// [`Store`](crate::store::Store), [`Outbox`](crate::store::Outbox), [`Mailer`](crate::Mailer) and
/// [`RateLimiter`](crate::RateLimiter). Your macro is given what follows its name, then the trait's name, a colon and the methods,
/// all of which are `async` and take `&self`.
///
/// ```
/// use async_trait::async_trait;
///
/// /// Prints each call of a store.
/// #[derive(Debug)]
/// struct Traced<S>(S);
///
/// macro_rules! traced {
///     ($name:literal $trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
///         #[async_trait]
///         impl<S: $trait> $trait for Traced<S> {
///             $(async fn $method(&self, $($argument: $type),*) -> $answer {
///                 println!("{}: {}", $name, stringify!($method));
///                 $trait::$method(&self.0, $($argument),*).await
///             })*
///         }
///     };
/// }
///
/// auth_core::methods_of! { UserStore => traced "users" }
/// auth_core::methods_of! { TokenStore => traced "tokens" }
/// auth_core::methods_of! { Outbox => traced "outbox" }
/// # use auth_core::store::{Outbox, TokenStore, UserStore};
/// # fn is_a_store<S: UserStore + TokenStore + Outbox>() {}
/// # is_a_store::<Traced<auth_core::MemoryStore>>();
/// ```
#[macro_export]
macro_rules! methods_of {
    (UserStore => $then:ident $($first:tt)*) => {
        $crate::methods_of! { @named $then! { $($first)* UserStore:
            fn insert_user(user: &User) -> Result<UserInsert, StoreError>;
            fn find_by_id(id: UserId) -> Result<Option<User>, StoreError>;
            fn find_by_email(email: &Email) -> Result<Option<User>, StoreError>;
            fn find_users(from: UserId, limit: u32) -> Result<Vec<User>, StoreError>;
            fn mark_contested(email: &Email, rival: UserId, at: DateTime<Utc>) -> Result<GuardedWrite, StoreError>;
            fn verify_email(id: UserId, epoch: Epoch, with: &EmailVerification) -> Result<GuardedWrite, StoreError>;
            fn set_password(id: UserId, epoch: Epoch, password: &NewPassword) -> Result<GuardedWrite, StoreError>;
            fn set_email(id: UserId, epoch: Epoch, email: &NewEmail) -> Result<SetEmailOutcome, StoreError>;
            fn set_name(id: UserId, epoch: Epoch, name: Option<&Name>) -> Result<GuardedWrite, StoreError>;
            fn rehash_password(id: UserId, epoch: Epoch, hash: &PasswordHash) -> Result<GuardedWrite, StoreError>;
            fn set_status(id: UserId, epoch: Epoch, status: UserStatus) -> Result<GuardedWrite, StoreError>;
            fn advance_epoch(id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError>;
            fn delete(id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError>;
            fn delete_unverified(id: UserId, epoch: Epoch) -> Result<GuardedWrite, StoreError>;
            fn purge_unverified(before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
        } }
    };
    (TokenStore => $then:ident $($first:tt)*) => {
        $crate::methods_of! { @named $then! { $($first)* TokenStore:
            fn insert_session(session: &Session) -> Result<(), StoreError>;
            fn find_session(id: SessionId) -> Result<Option<Session>, StoreError>;
            fn find_sessions_by_user(user_id: UserId) -> Result<Vec<Session>, StoreError>;
            fn rotate(rotation: &SessionRotation) -> Result<GuardedWrite, StoreError>;
            fn revoke_session(user_id: UserId, id: SessionId) -> Result<Revocation, StoreError>;
            fn insert_one_time(token: &OneTimeToken) -> Result<OneTimeInsert, StoreError>;
            fn find_one_time(id: IntentId) -> Result<Option<OneTimeToken>, StoreError>;
            fn spend(id: IntentId, at: DateTime<Utc>) -> Result<Spend, StoreError>;
            fn purge_sessions(now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
            fn purge_one_time(now: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
        } }
    };
    (Store => $then:ident $($first:tt)*) => {
        $crate::methods_of! { @named $then! { $($first)* Store:
            fn find_session_and_user(id: SessionId) -> Result<Option<(Session, Option<User>)>, StoreError>;
        } }
    };
    (Outbox => $then:ident $($first:tt)*) => {
        $crate::methods_of! { @named $then! { $($first)* Outbox:
            fn insert_intent(intent: &Intent) -> Result<(), StoreError>;
            fn claim(now: DateTime<Utc>, until: DateTime<Utc>, limit: u32) -> Result<Vec<ClaimedIntent>, StoreError>;
            fn complete(id: IntentId, attempt: u32) -> Result<Settlement, StoreError>;
            fn retry(id: IntentId, attempt: u32, due_at: DateTime<Utc>) -> Result<Settlement, StoreError>;
            fn move_to_dead_letters(id: IntentId, attempt: u32, at: DateTime<Utc>, reason: &str) -> Result<Settlement, StoreError>;
            fn dead_letters(limit: u32) -> Result<Vec<DeadLetter>, StoreError>;
            fn find_dead_letter(id: IntentId) -> Result<Option<DeadLetter>, StoreError>;
            fn remove_dead_letter(id: IntentId) -> Result<Removal, StoreError>;
            fn purge_dead_letters(before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
            fn stats() -> Result<OutboxStats, StoreError>;
        } }
    };
    (Mailer => $then:ident $($first:tt)*) => {
        $crate::methods_of! { @named $then! { $($first)* Mailer:
            fn send(mail: &Mail) -> Result<(), MailError>;
        } }
    };
    (RateLimiter => $then:ident $($first:tt)*) => {
        $crate::methods_of! { @named $then! { $($first)* RateLimiter:
            fn acquire(bucket: &Bucket, rule: &Rule) -> Result<AcquireOutcome, StoreError>;
            fn release(bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
            fn reset(bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
        } }
    };
    // The types have the names that they have here, whatever is imported where this is written.
    (@named $($then:tt)*) => {
        const _: () = {
            use $crate::__private::*;
            $($then)*
        };
    };
}

/// What the macro names.
#[doc(hidden)]
pub mod named {
    pub use std::option::Option;
    pub use std::result::Result;

    pub use chrono::{DateTime, Utc};

    pub use crate::store::{
        ClaimedIntent, DeadLetter, EmailVerification, GuardedWrite, Intent, NewEmail, NewPassword,
        OneTimeInsert, Outbox, OutboxStats, Removal, Revocation, SessionRotation, SetEmailOutcome,
        Settlement, Spend, Store, StoreError, TokenStore, UserInsert, UserStore,
    };
    pub use crate::{
        AcquireOutcome, Bucket, Email, Epoch, IntentId, Mail, MailError, Mailer, Name, OneTimeToken,
        PasswordHash, RateLimiter, Rule, Session, SessionId, User, UserId, UserStatus,
    };
}
