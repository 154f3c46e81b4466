//! Measures the calls of stores, mailers and rate limiters.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::{Clock, MailError, MailErrorKind, StoreError, StoreErrorKind, SystemClock, methods_of};
use metrics::histogram;

use crate::list::{MAILER, STORE};

/// Measures every call of a store, a mailer or a rate limiter.
///
/// It implements each trait of [`methods_of`] that the wrapped value implements, and passes every call
/// through unchanged. A call that its caller gives up counts as `abandoned`, so a hanging database shows.
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

/// A call in progress. If it is dropped before its end, it counts as abandoned.
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
            "mailer" => histogram!(MAILER, "outcome" => outcome).record(took),
            _ => histogram!(
                STORE,
                "store" => store,
                "operation" => operation,
                "outcome" => outcome
            )
            .record(took),
        }
    }
}

/// Names an error by the outcome that a metric shows.
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

methods_of! { UserStore => timed "users" }
methods_of! { TokenStore => timed "tokens" }
methods_of! { Store => timed "tokens" }
methods_of! { Outbox => timed "outbox" }
methods_of! { RateLimiter => timed "limiter" }
methods_of! { Mailer => timed "mailer" }
