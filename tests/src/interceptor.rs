//! What stands between the flows and a store, limiter or mailer: nothing; a pause before and after each call,
//! so that the future of a flow can be dropped at each of these points; or a mistake, for the controls.

use std::fmt::Debug;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::store::{
    GuardedWrite, OneTimeInsert, OutboxStats, Removal, Revocation, SetEmailOutcome, Settlement, Spend,
    UserInsert,
};
use auth_core::{AcquireOutcome, methods_of};
use tokio::task::yield_now;

/// How calls are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behavior {
    /// Unchanged.
    AsTheyAre,
    /// With a pause before and after each.
    Slowly,
    /// What fails, panics or is late reads as "there is none", "lost" or "no".
    HidingFaults,
    /// What fails was done, it says.
    LyingAboutErrors,
    /// This method, `Trait::method` where traits share its name, does nothing and says that it was done.
    Forgetting(&'static str),
    /// The call of this number panics and says all that it was given.
    Panicking(Nth),
}

/// Passes calls on in a manner.
#[derive(Debug)]
pub struct Interceptor<S>(pub Behavior, pub S);

/// What a method can answer.
trait Answer: Sized {
    const DONE: Option<Self>;
    const REFUSED: Option<Self>;
}

impl<T> Answer for Option<T> {
    const DONE: Option<Self> = None;
    const REFUSED: Option<Self> = Some(None);
}

impl<T> Answer for Vec<T> {
    const DONE: Option<Self> = None;
    const REFUSED: Option<Self> = Some(Self::new());
}

macro_rules! answers {
    ($($type:ty: $done:expr, $refused:expr;)*) => {
        $(impl Answer for $type {
            const DONE: Option<Self> = $done;
            const REFUSED: Option<Self> = $refused;
        })*
    };
}

answers! {
    (): Some(()), None;
    u64: Some(0), None;
    OutboxStats: None, None;
    UserInsert: Some(Self::Inserted), Some(Self::EmailTaken);
    GuardedWrite: Some(Self::Applied), Some(Self::Stale);
    SetEmailOutcome: Some(Self::Applied), Some(Self::Stale);
    Revocation: Some(Self::Revoked), Some(Self::NotFound);
    OneTimeInsert: Some(Self::Inserted), Some(Self::Exists);
    Spend: Some(Self::Spent), Some(Self::NotSpendable);
    Settlement: Some(Self::Settled), Some(Self::LeaseLost);
    Removal: Some(Self::Removed), Some(Self::NotFound);
    AcquireOutcome: Some(Self::Granted { remaining: 1, reset_after: Duration::ZERO }),
        Some(Self::Refused { retry_after: Duration::from_secs(1) });
}

impl Behavior {
    async fn call<T, E, F>(self, method: &str, call: F) -> Result<T, E>
    where
        T: Answer + Send,
        E: Send,
        F: Future<Output = Result<T, E>> + Send,
    {
        match self {
            Self::Slowly => {
                yield_now().await;
                let answer = call.await;
                yield_now().await;
                answer
            }
            Self::HidingFaults => match T::REFUSED {
                Some(refused) => Ok(at_once(call).await.and_then(Result::ok).unwrap_or(refused)),
                None => call.await,
            },
            Self::LyingAboutErrors => call.await.or_else(|error| T::DONE.ok_or(error)),
            Self::Forgetting(forgotten) if method.ends_with(forgotten) => {
                Ok(T::DONE.expect("something to be done"))
            }
            Self::AsTheyAre | Self::Forgetting(_) | Self::Panicking(_) => call.await,
        }
    }

    fn begin(self, method: &str, arguments: &dyn Debug) {
        if let Self::Panicking(nth) = self
            && nth.0.fetch_sub(1, Ordering::Relaxed) == 0
        {
            panic!("{method} of {arguments:?} {arguments:#?}");
        }
    }
}

/// One of the calls of all that share it, by its number from zero on.
#[derive(Debug, Clone, Copy)]
pub struct Nth(&'static AtomicI64);

impl Nth {
    /// The call of this number.
    pub fn new(number: i64) -> Self {
        Self(Box::leak(Box::new(AtomicI64::new(number))))
    }

    /// Returns whether there were this many calls.
    pub fn came(self) -> bool {
        self.0.load(Ordering::Relaxed) < 0
    }
}

impl PartialEq for Nth {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }
}

impl Eq for Nth {}

/// What a call answers the first time it is asked, unless it panics.
async fn at_once<F: Future>(call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(context)));
        Poll::Ready(match polled {
            Ok(Poll::Ready(answer)) => Some(answer),
            Ok(Poll::Pending) | Err(_) => None,
        })
    })
    .await
}

macro_rules! around {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl<S: $trait> $trait for Interceptor<S> {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                let method = concat!(stringify!($trait), "::", stringify!($method));
                self.0.begin(method, &($(&$argument,)*));
                self.0.call(method, $trait::$method(&self.1, $($argument),*)).await
            })*
        }
    };
}

methods_of! { UserStore => around }
methods_of! { TokenStore => around }
methods_of! { Store => around }
methods_of! { Outbox => around }
methods_of! { Mailer => around }
methods_of! { RateLimiter => around }
