//! Where events go: the sink of a service, and the default sink, which logs.

use std::fmt::Debug;

use super::{Event, Severity};

/// Receives events, for logs, audit trails and metrics.
///
/// [`AuthBuilder::event_sink`](crate::AuthBuilder::event_sink) sets the sink. [`TracingSink`] logs every
/// event.
///
/// # Security
///
/// Events hold no secret and no e-mail address. They may hold the client's network address.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use auth_core::{Event, EventKind, EventSink};
///
/// /// Counts reused refresh tokens.
/// #[derive(Debug, Default)]
/// struct Reuses(AtomicU64);
///
/// impl EventSink for Reuses {
///     fn record(&self, event: &Event) {
///         if let EventKind::TokenReuse { .. } = event.kind {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait EventSink: Debug + Send + Sync {
    /// Receives one event. `Auth` calls it inside requests: it must not block and must not panic.
    ///
    /// # Atomicity
    ///
    /// None. Events of concurrent requests arrive in any order, and a crash may lose the last ones.
    fn record(&self, event: &Event);
}

/// Whether client addresses are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAddresses {
    /// Logs no client address.
    #[default]
    Omit,
    /// Logs client addresses unchanged.
    Log,
}

/// The default sink: writes `tracing` events with target `auth` and the name in the field `event`.
#[derive(Debug, Clone, Copy, Default)]
pub struct TracingSink {
    addresses: ClientAddresses,
}

impl TracingSink {
    /// Creates a sink that logs or omits client addresses.
    pub const fn new(addresses: ClientAddresses) -> Self {
        Self { addresses }
    }
}

impl EventSink for TracingSink {
    fn record(&self, event: &Event) {
        let Event { ip, kind, .. } = event;
        let client = ip.filter(|_| self.addresses == ClientAddresses::Log).map(tracing::field::display);
        let user = kind.user_id().map(tracing::field::display);
        let session = kind.session_id().map(tracing::field::display);
        let name = kind.name();
        match kind.severity() {
            Severity::Info => {
                tracing::info!(target: "auth", event = name, client, user, session, details = ?kind);
            }
            Severity::Warn => {
                tracing::warn!(target: "auth", event = name, client, user, session, details = ?kind);
            }
            Severity::Error => {
                tracing::error!(target: "auth", event = name, client, user, session, details = ?kind);
            }
        }
    }
}
