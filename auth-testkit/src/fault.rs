//! `Faulty`: a wrapper that makes calls fail, wait or get lost.

use std::collections::HashMap;
use std::fmt;
use std::future::{self, Future};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::{MailError, MailErrorKind, StoreError, methods_of};
use tokio::sync::watch;

/// How long a call waits for others to meet.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fault of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is not made; it answers `Unavailable`, or for a mail `Transient`.
    ErrorBefore,
    /// The call is made and its work is done, but it answers `Unavailable`, or for a mail `Unknown`:
    /// the connection broke before the answer arrived.
    ErrorAfterCommit,
    /// The call is made after this long.
    Delay(Duration),
    /// The call is not made; it panics.
    Panic,
    /// The call is not made and never answers.
    Hang,
    /// The call is made as soon as this many calls with this fault have arrived, or after
    /// [`Faulty::release`]: for races in which all have read before one writes. It panics after half a
    /// minute, so that a test without enough calls fails.
    Meet(usize),
}

/// Wraps a store, a mailer or a rate limiter; records each call, and makes chosen calls fail.
///
/// It implements those traits of [`methods_of`] that the wrapped value implements. A clone shares
/// calls and faults with the original.
///
/// # Examples
///
/// ```
/// # use auth_core::{Email, MemoryStore};
/// # use auth_core::store::{StoreErrorKind, UserStore};
/// # use auth_testkit::{Fault, Faulty};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = Faulty::new(MemoryStore::new());
/// store.fail_method("find_by_email", Fault::ErrorBefore);
/// let error = store.find_by_email(&Email::parse("ada@example.com")?).await.unwrap_err();
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// assert_eq!(store.calls(), ["find_by_email"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Faulty<S: ?Sized> {
    plan: Arc<Mutex<Plan>>,
    inner: Arc<S>,
}

#[derive(Default)]
struct Plan {
    calls: Vec<&'static str>,
    by_call: HashMap<usize, Fault>,
    by_method: HashMap<&'static str, Fault>,
    every: Option<Fault>,
    /// How many calls have arrived that must meet.
    arrived: watch::Sender<usize>,
}

impl<S: Send + Sync> Faulty<S> {
    /// Wraps a value. No call fails at first.
    pub fn new(inner: S) -> Self {
        Self::sharing(Arc::new(inner))
    }
}

impl<S: Send + Sync + ?Sized> Faulty<S> {
    /// Wraps a value that other code uses, too.
    pub fn sharing(inner: Arc<S>) -> Self {
        Self { plan: Arc::default(), inner }
    }

    /// The wrapped value: its calls are not recorded and do not fail.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The methods called since the last [`reset`](Self::reset), in the order of their calls.
    pub fn calls(&self) -> Vec<&'static str> {
        self.plan().calls.clone()
    }

    /// Gives a fault to one call: the one that will have this index in [`calls`](Self::calls).
    pub fn fail_call(&self, index: usize, fault: Fault) {
        self.plan().by_call.insert(index, fault);
    }

    /// Gives a fault to every call of one method.
    pub fn fail_method(&self, method: &'static str, fault: Fault) {
        self.plan().by_method.insert(method, fault);
    }

    /// Gives a fault to every call that has no other.
    pub fn fail_every_call(&self, fault: Fault) {
        self.plan().every = Some(fault);
    }

    /// Lets all calls continue that wait to [meet](Fault::Meet) others.
    pub fn release(&self) {
        self.plan().arrived.send_replace(usize::MAX);
    }

    /// Clears all faults and all calls. Calls that wait to meet others continue.
    pub fn reset(&self) {
        *self.plan() = Plan::default();
    }

    /// Counts one more arrival; returns the receiver of the count.
    fn arrive(&self) -> watch::Receiver<usize> {
        let plan = self.plan();
        plan.arrived.send_modify(|arrived| *arrived = arrived.saturating_add(1));
        plan.arrived.subscribe()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call; returns its fault.
    fn note(&self, method: &'static str) -> Option<Fault> {
        let mut plan = self.plan();
        let index = plan.calls.len();
        plan.calls.push(method);
        let fault = plan.by_call.get(&index).or_else(|| plan.by_method.get(method)).copied();
        fault.or(plan.every)
    }

    /// Makes a call, or what its fault makes of it. `work` does nothing until it is awaited.
    #[expect(clippy::panic, reason = "a panic is what the test asked for")]
    async fn call<T: Send, E: Failure>(
        &self,
        method: &'static str,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E>
    where
        S: Send + Sync,
    {
        match self.note(method) {
            None => work.await,
            Some(Fault::ErrorBefore) => Err(E::before()),
            Some(Fault::ErrorAfterCommit) => work.await.and_then(|_| Err(E::after())),
            Some(Fault::Meet(count)) => {
                let mut arrived = self.arrive();
                // An error of `wait_for` means that the plan was reset.
                let meeting = async { drop(arrived.wait_for(|arrived| *arrived >= count).await) };
                let met = tokio::time::timeout(PATIENCE, meeting).await;
                assert!(met.is_ok(), "`{method}` waited in vain for {count} calls to meet");
                work.await
            }
            Some(Fault::Delay(duration)) => {
                tokio::time::sleep(duration).await;
                work.await
            }
            Some(Fault::Panic) => panic!("`{method}` panics by `Fault::Panic`"),
            Some(Fault::Hang) => future::pending().await,
        }
    }
}

impl<S: ?Sized> Clone for Faulty<S> {
    fn clone(&self) -> Self {
        Self { plan: Arc::clone(&self.plan), inner: Arc::clone(&self.inner) }
    }
}

impl<S: fmt::Debug + ?Sized> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Faulty").field(&&*self.inner).finish()
    }
}

/// An error that a fault can report.
trait Failure: Send {
    /// Nothing was done.
    fn before() -> Self;
    /// It was done, but the caller cannot know.
    fn after() -> Self;
}

impl Failure for StoreError {
    fn before() -> Self {
        Self::unavailable("a fault before the call")
    }

    fn after() -> Self {
        Self::unavailable("a fault after the call")
    }
}

impl Failure for MailError {
    fn before() -> Self {
        Self::new(MailErrorKind::Transient, "a fault before the mail was sent")
    }

    fn after() -> Self {
        Self::new(MailErrorKind::Unknown, "a fault after the mail was sent")
    }
}

/// Implements a trait by passing every method through [`Faulty::call`].
macro_rules! pass_through {
    ($trait:ident: $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl<S: $trait + ?Sized> $trait for Faulty<S> {
            $(async fn $method(&self, $($argument: $type),*) -> $answer {
                self.call(stringify!($method), $trait::$method(&*self.inner, $($argument),*)).await
            })*
        }
    };
}

methods_of! { UserStore => pass_through }
methods_of! { TokenStore => pass_through }
methods_of! { Store => pass_through }
methods_of! { Outbox => pass_through }
methods_of! { Mailer => pass_through }
methods_of! { RateLimiter => pass_through }

#[cfg(test)]
mod tests {
    use auth_core::store::{Intent, Outbox, StoreErrorKind, UserStore};
    use auth_core::{Email, IntentId, Mail, Mailer, MemoryStore};
    use chrono::DateTime;

    use super::*;

    fn email() -> Email {
        Email::parse("ada@example.com").unwrap()
    }

    fn intent() -> Intent {
        let created_at = DateTime::UNIX_EPOCH;
        let mail = auth_core::store::MailRequest::PasswordReset;
        Intent { id: IntentId::from_bytes([1; 16]), email: email(), mail, languages: None, created_at }
    }

    #[tokio::test]
    async fn only_an_error_after_the_call_leaves_its_effect() {
        let store = Faulty::new(MemoryStore::new());
        store.fail_call(0, Fault::ErrorBefore);
        store.fail_call(1, Fault::ErrorAfterCommit);
        for queued in [0, 1, 1] {
            let outcome = Outbox::insert_intent(&store, &intent()).await;
            assert_eq!(outcome.is_ok(), store.calls().len() == 3);
            assert_eq!(store.inner().stats().await.unwrap().queued, queued);
        }
        assert_eq!(store.calls(), ["insert_intent", "insert_intent", "insert_intent"]);
    }

    #[tokio::test]
    async fn a_fault_of_a_call_precedes_those_of_its_method_and_of_all() {
        let store = Faulty::new(MemoryStore::new());
        store.fail_every_call(Fault::ErrorBefore);
        store.fail_method("stats", Fault::Delay(Duration::ZERO));
        store.fail_call(1, Fault::ErrorAfterCommit);
        assert!(store.stats().await.is_ok());
        assert_eq!(store.stats().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert!(store.find_by_email(&email()).await.is_err());
        store.clone().reset();
        assert!(store.find_by_email(&email()).await.is_ok());
        assert_eq!(store.calls(), ["find_by_email"]);
    }

    #[tokio::test]
    async fn it_hangs_and_panics_on_demand_and_wraps_what_is_shared() {
        let shared: Arc<dyn UserStore> = Arc::new(MemoryStore::new());
        let store = Faulty::sharing(shared);
        store.fail_call(0, Fault::Hang);
        store.fail_call(1, Fault::Panic);
        let (hanging, wanted) = (store.clone(), email());
        let call = tokio::spawn(async move { hanging.find_by_email(&wanted).await.is_ok() });
        let asked = std::time::Instant::now();
        while store.calls().is_empty() {
            assert!(asked.elapsed() < Duration::from_mins(1), "nothing was called");
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        assert!(!call.is_finished());
        call.abort();
        let panicking = store.clone();
        let call = tokio::spawn(async move { panicking.find_by_email(&email()).await.is_ok() });
        assert!(call.await.unwrap_err().is_panic());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_wait_for_others_in_vain_panic() {
        let store = Faulty::new(MemoryStore::new());
        store.fail_method("find_by_email", Fault::Meet(3));
        let call = || {
            let store = store.clone();
            tokio::spawn(async move { store.find_by_email(&email()).await.is_ok() })
        };
        let (one, other) = (call(), call());
        assert!(one.await.unwrap_err().is_panic() && other.await.unwrap_err().is_panic());
        assert!(call().await.unwrap(), "the third has met them");
    }

    #[tokio::test]
    async fn a_mail_that_fails_late_was_sent() {
        let mailbox = auth_core::Mailbox::new();
        let mailer = Faulty::new(mailbox.clone());
        mailer.fail_call(0, Fault::ErrorBefore);
        mailer.fail_call(1, Fault::ErrorAfterCommit);
        let message = auth_core::Message::PasswordChanged { at: DateTime::UNIX_EPOCH };
        let mail =
            Mail { id: IntentId::from_bytes([1; 16]), to: email(), name: None, message, languages: None };
        assert_eq!(mailer.send(&mail).await.unwrap_err().kind(), MailErrorKind::Transient);
        assert!(mailbox.mails().is_empty());
        assert_eq!(mailer.send(&mail).await.unwrap_err().kind(), MailErrorKind::Unknown);
        assert_eq!(mailbox.mails().len(), 1);
    }
}
