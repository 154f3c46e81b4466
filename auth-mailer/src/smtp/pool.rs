use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::Instant;

/// How many idle connections are kept: as many as `MailPolicy::concurrency` mails at once by default.
const MAX_IDLE: usize = 4;
/// How long one is kept: servers close idle connections, most after a minute or more.
const IDLE_LIFETIME: Duration = Duration::from_secs(30);

/// Connections that are between two mails.
///
/// lettre's own pool takes a connection back from a sending that was given up; the reply that was not
/// read then answers the next command, and a refused mail can pass for sent. Here a connection that is
/// in use belongs to its sending alone and is closed with it.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Idle>>);

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Pool {
    /// The connection used last that still answers within `patience`.
    pub(super) async fn take(&self, patience: Duration) -> Option<AsyncSmtpConnection> {
        loop {
            let idle = {
                let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|idle| idle.since.elapsed() < IDLE_LIFETIME);
                idle.pop()
            };
            let mut connection = idle?.connection;
            // Behind a firewall that has forgotten it, a connection is silent for minutes.
            if let Ok(true) = tokio::time::timeout(patience, connection.test_connected()).await {
                return Some(connection);
            }
        }
    }

    pub(super) fn give_back(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }
}
