//! `LastCheck`: whether the stores answer, asked at most once a second.

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
    pub(crate) async fn check(&self, auth: &Auth, patience: Duration) -> Result<(), String> {
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
