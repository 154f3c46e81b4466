//! A store, limiter or mailer that yields before and after each call, so that the future of a flow
//! can be dropped at each of these points.

use async_trait::async_trait;
use auth_core::store::{
    ClaimedIntent, DeadLetter, Deletion, EmailChange, EmailVerification, Guarded, Intent, NewEmail,
    NewPassword, OneTimeInsert, Outbox, OutboxStats, Removal, Revocation, SessionRotation, Settlement, Spend,
    StoreError, TokenStore, UserInsert, UserStore,
};
use auth_core::{
    Bucket, Email, Epoch, IntentId, Mail, MailError, Mailer, OneTimeToken, PasswordHash, RateLimiter,
    Reservation, Rule, Session, SessionId, User, UserId, UserStatus,
};
use chrono::{DateTime, Utc};
use tokio::task::yield_now;

/// Wraps what it slows down.
#[derive(Debug)]
pub(crate) struct Slow<S>(pub(crate) S);

macro_rules! slow {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl<S: $trait> $trait for Slow<S> {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                yield_now().await;
                let answer = $trait::$method(&self.0, $($argument),*).await;
                yield_now().await;
                answer
            })*
        }
    };
}

type Time = DateTime<Utc>;

slow! { UserStore:
    fn insert(user: &User) -> Result<UserInsert, StoreError>;
    fn find_by_id(id: UserId) -> Result<Option<User>, StoreError>;
    fn find_by_email(email: &Email) -> Result<Option<User>, StoreError>;
    fn contest(email: &Email, rival: UserId, at: Time) -> Result<Guarded, StoreError>;
    fn verify_email(id: UserId, epoch: Epoch, with: &EmailVerification) -> Result<Guarded, StoreError>;
    fn set_password(id: UserId, epoch: Epoch, password: &NewPassword) -> Result<Guarded, StoreError>;
    fn set_email(id: UserId, epoch: Epoch, email: &NewEmail) -> Result<EmailChange, StoreError>;
    fn rehash_password(id: UserId, epoch: Epoch, hash: &PasswordHash) -> Result<Guarded, StoreError>;
    fn set_status(id: UserId, epoch: Epoch, status: UserStatus) -> Result<Guarded, StoreError>;
    fn advance_epoch(id: UserId, epoch: Epoch) -> Result<Guarded, StoreError>;
    fn delete(id: UserId) -> Result<Deletion, StoreError>;
    fn purge_unverified(before: Time, limit: u32) -> Result<u64, StoreError>;
}

slow! { TokenStore:
    fn insert_session(session: &Session) -> Result<(), StoreError>;
    fn find_session(id: SessionId) -> Result<Option<Session>, StoreError>;
    fn find_sessions_by_user(user_id: UserId) -> Result<Vec<Session>, StoreError>;
    fn rotate(rotation: &SessionRotation) -> Result<Guarded, StoreError>;
    fn revoke_session(user_id: UserId, id: SessionId) -> Result<Revocation, StoreError>;
    fn insert_one_time(token: &OneTimeToken) -> Result<OneTimeInsert, StoreError>;
    fn find_one_time(id: IntentId) -> Result<Option<OneTimeToken>, StoreError>;
    fn spend(id: IntentId, at: Time) -> Result<Spend, StoreError>;
    fn purge_sessions(now: Time, limit: u32) -> Result<u64, StoreError>;
    fn purge_one_time(now: Time, limit: u32) -> Result<u64, StoreError>;
}

slow! { Outbox:
    fn insert(intent: &Intent) -> Result<(), StoreError>;
    fn claim(now: Time, until: Time, limit: u32) -> Result<Vec<ClaimedIntent>, StoreError>;
    fn complete(id: IntentId, attempt: u32) -> Result<Settlement, StoreError>;
    fn retry(id: IntentId, attempt: u32, due_at: Time) -> Result<Settlement, StoreError>;
    fn bury(id: IntentId, attempt: u32, at: Time, reason: &str) -> Result<Settlement, StoreError>;
    fn dead_letters(limit: u32) -> Result<Vec<DeadLetter>, StoreError>;
    fn find_dead_letter(id: IntentId) -> Result<Option<DeadLetter>, StoreError>;
    fn remove_dead_letter(id: IntentId) -> Result<Removal, StoreError>;
    fn purge_dead_letters(before: Time, limit: u32) -> Result<u64, StoreError>;
    fn stats() -> Result<OutboxStats, StoreError>;
}

slow! { Mailer:
    fn send(mail: &Mail) -> Result<(), MailError>;
}

slow! { RateLimiter:
    fn reserve(bucket: &Bucket, rule: &Rule) -> Result<Reservation, StoreError>;
    fn look(bucket: &Bucket, rule: &Rule) -> Result<Reservation, StoreError>;
    fn give_back(bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
    fn clear(bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
}
