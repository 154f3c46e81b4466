//! The future of a rate-limited operation.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::limit::LimitStatus;

type Outcome<T, E> = (Result<T, E>, Vec<LimitStatus>);

/// A rate-limited operation of [`Auth`](crate::Auth) under way.
///
/// Await it for its outcome. To learn the state of its rate limits too, for response headers, await
/// [`with_limits`](Self::with_limits). Like any future it does nothing until it is awaited.
///
/// # Examples
///
/// ```
/// # use auth_core::{Auth, Client, Limit, Mailbox, MemoryStore, RootSecret, KeyRing, SystemRandom};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let auth = Auth::builder(MemoryStore::new(), Mailbox::new())
/// #     .key_ring(KeyRing::generate(&SystemRandom)?)
/// #     .root_secret(RootSecret::generate(&SystemRandom)?)
/// #     .build()?;
/// let client = Client::new("192.0.2.7".parse().ok(), None);
/// let (outcome, limits) = auth.forgot_password("ada@example.com", &client).with_limits().await;
/// outcome?;
/// assert_eq!(limits[0].limit, Limit::ForgotClient);
/// assert_eq!((limits[0].count, limits[0].remaining), (10, 9));
/// # Ok(())
/// # }
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct Limited<'a, T, E>(Pin<Box<dyn Future<Output = Outcome<T, E>> + Send + 'a>>);

impl<'a, T: 'a, E: 'a> Limited<'a, T, E> {
    pub(super) fn new(operation: impl Future<Output = Outcome<T, E>> + Send + 'a) -> Self {
        Self(Box::pin(operation))
    }

    /// The outcome, and the state of each limit that the request was counted against.
    ///
    /// Limits by mailbox and by account are never listed: their state would reveal whether an account
    /// exists. The list is empty when the request was refused before it was counted.
    pub fn with_limits(self) -> impl Future<Output = (Result<T, E>, Vec<LimitStatus>)> + Send + 'a {
        self.0
    }
}

impl<T, E> Future for Limited<'_, T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(|(outcome, _)| outcome)
    }
}

impl<T, E> fmt::Debug for Limited<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").finish_non_exhaustive()
    }
}

/// Runs a flow with a request of this client, and returns its report beside its outcome.
macro_rules! limited {
    ($client:ident, $request:ident => $flow:expr) => {
        $crate::auth::Limited::new(async move {
            let mut $request = $crate::flow::permit::Request::of($client);
            let outcome = $flow.await;
            (outcome, $request.report.into_statuses())
        })
    };
}
pub(super) use limited;
