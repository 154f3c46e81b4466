//! `LastCheck`: whether the stores answer, asked at most once a second.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use auth_core::{Auth, error_chain};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long the result of a check is repeated: 1 s, much less than the time between two checks of a load
/// balancer.
const REPEATED_FOR: Duration = Duration::from_secs(1);

/// The last check of the stores. Checks that come at once share one, so that a flood of them costs the stores
/// one read a second.
#[derive(Debug, Default)]
pub(crate) struct LastCheck(Mutex<Option<(Instant, Result<(), String>)>>);

impl LastCheck {
    /// Checks the stores, or returns the result of a check in the last second.
    ///
    /// The check runs to its end even if the request is dropped: a client that disconnects at once must not
    /// cost the stores more than one that waits.
    ///
    /// # Panics
    ///
    /// With the panic of a store.
    pub(crate) async fn check(self: &Arc<Self>, auth: &Auth, patience: Duration) -> Result<(), String> {
        let (this, auth) = (Arc::clone(self), auth.clone());
        match tokio::spawn(async move { this.check_now(&auth, patience).await }).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => Err("the server is stopping".to_owned()),
            },
        }
    }

    async fn check_now(&self, auth: &Auth, patience: Duration) -> Result<(), String> {
        let mut last = self.0.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < REPEATED_FOR
        {
            return result.clone();
        }
        let result = match tokio::time::timeout(patience, auth.check_stores()).await {
            Ok(checked) => checked.map_err(|error| error_chain(&error)),
            Err(_) => Err("the stores did not answer in time".to_owned()),
        };
        *last = Some((Instant::now(), result.clone()));
        result
    }
}
