//! One connection that all calls share, replaced when it is lost.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use auth_core::StoreError;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, ScriptInvocation};

use crate::counting::Answer;

/// Limits the time to connect, handshakes included. Callers wait for a connection no longer than for any
/// other call.
const CONNECTING: Duration = Duration::from_secs(5);

/// How long calls fail at once after a call without an answer: a caller that waits for a hung server holds
/// memory and a browser's connection.
const SILENCE: Duration = Duration::from_secs(1);

/// A connection, or the attempt to make one.
type Link = Shared<BoxFuture<'static, RedisResult<MultiplexedConnection>>>;

/// The shared connection.
pub(crate) struct Connection {
    client: Client,
    state: Mutex<State>,
    /// Whether the last call failed, to log the start and the end of an outage.
    lost: AtomicBool,
}

struct State {
    link: Link,
    /// The number of earlier links, by which a caller identifies the link that failed.
    generation: u64,
    silent_until: Option<Instant>,
}

/// Whether a call whose answer was lost may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Repeating the call is safe.
    Once,
    /// Repeating the call would release too much.
    Never,
}

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("Redis did not answer within {0:?}")]
    NoAnswer(Duration),
    #[error("Redis did not answer a moment ago")]
    Silent,
    #[error(transparent)]
    Failed(#[from] RedisError),
}

impl From<Lost> for StoreError {
    fn from(lost: Lost) -> Self {
        Self::unavailable(lost)
    }
}

impl Connection {
    /// Connects and checks that this call works.
    pub(crate) async fn open(client: Client, probe: &ScriptInvocation<'_>) -> Result<Self, Lost> {
        let connection = Self {
            state: Mutex::new(State { link: link(&client), generation: 0, silent_until: None }),
            client,
            lost: AtomicBool::new(false),
        };
        connection.answer(probe, Repeat::Never, CONNECTING).await?;
        Ok(connection)
    }

    /// Makes a call that takes no longer than `patience`.
    pub(crate) async fn ask(
        &self,
        call: &ScriptInvocation<'_>,
        repeat: Repeat,
        patience: Duration,
    ) -> Result<Answer, Lost> {
        if self.state().silent_until.is_some_and(|until| Instant::now() < until) {
            return Err(Lost::Silent);
        }
        let answer = self.answer(call, repeat, patience).await;
        match &answer {
            Err(error) if !self.lost.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "rate limits are lost: Redis does not count");
            }
            Ok(_) if self.lost.swap(false, Ordering::Relaxed) => {
                tracing::info!("Redis counts rate limits again");
            }
            _ => {}
        }
        answer
    }

    async fn answer(
        &self,
        call: &ScriptInvocation<'_>,
        repeat: Repeat,
        patience: Duration,
    ) -> Result<Answer, Lost> {
        let answered = tokio::time::timeout(patience, async {
            match self.attempt(call).await {
                // A connection that broke while idle fails at its next use.
                Err(error) if repeat == Repeat::Once && !is_of_the_server(&error) => self.attempt(call).await,
                answer => answer,
            }
        });
        let Ok(answer) = answered.await else {
            self.fall_silent();
            return Err(Lost::NoAnswer(patience));
        };
        Ok(answer?)
    }

    async fn attempt(&self, call: &ScriptInvocation<'_>) -> RedisResult<Answer> {
        let (link, generation) = {
            let state = self.state();
            (state.link.clone(), state.generation)
        };
        let answer = match link.await {
            Ok(mut connection) => call.invoke_async(&mut connection).await,
            Err(error) => Err(error),
        };
        if answer.as_ref().is_err_and(|error| !is_of_the_server(error)) {
            self.renew(generation);
        }
        answer
    }

    /// Replaces the link that failed, unless another caller has done so.
    fn renew(&self, failed: u64) {
        let mut state = self.state();
        if state.generation == failed {
            state.generation += 1;
            state.link = link(&self.client);
            // It continues if the caller that needs it goes away.
            tokio::spawn(state.link.clone().map(drop));
        }
    }

    fn fall_silent(&self) {
        let mut state = self.state();
        state.silent_until = Some(Instant::now() + SILENCE);
        let (generation, made) = (state.generation, state.link.peek().is_some());
        drop(state);
        // The machine may have vanished without closing the connection. A link in progress has its own time
        // limit.
        if made {
            self.renew(generation);
        }
    }

    /// Locks the state. A panic of another thread cannot leave it half written.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints the address alone.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.client.get_connection_info().addr())
    }
}

/// Whether the server sent this error: then the connection works.
fn is_of_the_server(error: &RedisError) -> bool {
    error.code().is_some() && !error.is_unrecoverable_error()
}

fn link(client: &Client) -> Link {
    let client = client.clone();
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECTING)).set_response_timeout(None);
    async move { client.get_multiplexed_async_connection_with_config(&config).await }.boxed().shared()
}
