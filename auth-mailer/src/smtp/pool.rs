//! Idle connections to the mail server.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::Instant;

/// Most idle connections: the default of `MailPolicy::concurrency`.
const MAX_IDLE: usize = 4;
/// Longest idle time of a connection: most servers close one after a minute or more.
const IDLE_LIFETIME: Duration = Duration::from_secs(30);

/// The connections that are idle between two mails.
///
/// lettre's own pool also takes a connection back from a cancelled sending. The reply that was not read
/// then looks like the answer to the next command, and a refused mail can look sent. Here a sending owns
/// its connection and closes it when it is cancelled.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<Idle>>);

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Pool {
    /// Takes the connection used last that still answers within `timeout`.
    pub(super) async fn take(&self, timeout: Duration) -> Option<AsyncSmtpConnection> {
        loop {
            let idle = {
                let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                idle.retain(|idle| idle.since.elapsed() < IDLE_LIFETIME);
                idle.pop()
            };
            let mut connection = idle?.connection;
            // A connection that a firewall has dropped is silent for minutes.
            if let Ok(true) = tokio::time::timeout(timeout, connection.test_connected()).await {
                return Some(connection);
            }
        }
    }

    pub(super) fn put(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }
}
