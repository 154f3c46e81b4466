use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::store::{
    ClaimedIntent, DeadLetter, Deletion, EmailChange, EmailVerification, Guarded, Intent, JoinedStore,
    NewEmail, NewPassword, OneTimeInsert, Outbox, OutboxStats, Removal, Revocation, SessionRotation,
    Settlement, Spend, StoreError, StoreErrorKind, TokenStore, UserInsert, UserStore,
};
use auth_core::{
    Bucket, Clock, Email, Epoch, IntentId, Mail, MailError, MailErrorKind, Mailer, OneTimeToken,
    PasswordHash, RateLimiter, Reservation, Rule, Session, SessionId, SystemClock, User, UserId, UserStatus,
};
use chrono::{DateTime, Utc};
use metrics::histogram;

/// Measures every call of a store, a mailer or a rate limiter.
///
/// It implements whichever of [`UserStore`], [`TokenStore`], [`JoinedStore`], [`Outbox`], [`Mailer`] and
/// [`RateLimiter`] the wrapped value implements, and changes nothing about it. A call whose caller went away, or whose
/// time was over, counts as `abandoned`: a database that hangs is seen.
#[derive(Debug, Clone)]
pub struct Timed<S> {
    inner: S,
}

impl<S> Timed<S> {
    /// Wraps a value.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

/// A call that has begun. Dropped before its end, it was abandoned.
struct Call {
    store: &'static str,
    operation: &'static str,
    begun_at: Duration,
    outcome: &'static str,
}

impl Call {
    fn begin(store: &'static str, operation: &'static str) -> Self {
        Self { store, operation, begun_at: SystemClock.monotonic(), outcome: "abandoned" }
    }

    async fn time<T, E: Outcome>(mut self, work: impl Future<Output = Result<T, E>> + Send) -> Result<T, E> {
        let result = work.await;
        self.outcome = result.as_ref().map_or_else(Outcome::of, |_| "ok");
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let took = SystemClock.monotonic().saturating_sub(self.begun_at);
        let Self { store, operation, outcome, .. } = *self;
        match store {
            "mailer" => histogram!("auth_mailer_seconds", "outcome" => outcome).record(took),
            _ => histogram!(
                "auth_store_seconds",
                "store" => store,
                "operation" => operation,
                "outcome" => outcome
            )
            .record(took),
        }
    }
}

/// What an error is called.
trait Outcome {
    fn of(&self) -> &'static str;
}

impl Outcome for StoreError {
    fn of(&self) -> &'static str {
        match self.kind() {
            StoreErrorKind::Unavailable => "unavailable",
            StoreErrorKind::Conflict => "conflict",
            StoreErrorKind::Corrupt => "corrupt",
        }
    }
}

impl Outcome for MailError {
    fn of(&self) -> &'static str {
        match self.kind() {
            MailErrorKind::Transient => "transient",
            MailErrorKind::Permanent => "permanent",
            MailErrorKind::Unknown => "unknown",
        }
    }
}

/// Implements a trait by timing every method.
macro_rules! timed {
    ($name:literal $trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl<S: $trait> $trait for Timed<S> {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                let call = Call::begin($name, stringify!($method));
                call.time($trait::$method(&self.inner, $($argument),*)).await
            })*
        }
    };
}

timed! { "users" UserStore:
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

timed! { "tokens" TokenStore:
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

timed! { "tokens" JoinedStore:
    fn find_session_and_user(id: SessionId) -> Result<Option<(Session, Option<User>)>, StoreError>;
}

timed! { "outbox" Outbox:
    fn insert(intent: &Intent) -> Result<(), StoreError>;
    fn claim(now: DateTime<Utc>, until: DateTime<Utc>, limit: u32) -> Result<Vec<ClaimedIntent>, StoreError>;
    fn complete(id: IntentId, attempt: u32) -> Result<Settlement, StoreError>;
    fn retry(id: IntentId, attempt: u32, due_at: DateTime<Utc>) -> Result<Settlement, StoreError>;
    fn bury(id: IntentId, attempt: u32, at: DateTime<Utc>, reason: &str) -> Result<Settlement, StoreError>;
    fn dead_letters(limit: u32) -> Result<Vec<DeadLetter>, StoreError>;
    fn find_dead_letter(id: IntentId) -> Result<Option<DeadLetter>, StoreError>;
    fn remove_dead_letter(id: IntentId) -> Result<Removal, StoreError>;
    fn purge_dead_letters(before: DateTime<Utc>, limit: u32) -> Result<u64, StoreError>;
    fn stats() -> Result<OutboxStats, StoreError>;
}

timed! { "limiter" RateLimiter:
    fn reserve(bucket: &Bucket, rule: &Rule) -> Result<Reservation, StoreError>;
    fn look(bucket: &Bucket, rule: &Rule) -> Result<Reservation, StoreError>;
    fn give_back(bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
    fn clear(bucket: &Bucket, rule: &Rule) -> Result<(), StoreError>;
}

timed! { "mailer" Mailer:
    fn send(mail: &Mail) -> Result<(), MailError>;
}
