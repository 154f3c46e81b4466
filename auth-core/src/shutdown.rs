//! The request to stop, as background work sees it.

use tokio::sync::watch;

/// Completes once its trigger was dropped.
#[derive(Debug, Clone)]
pub(crate) struct Shutdown(watch::Receiver<()>);

/// Requests the stop when it is dropped.
#[derive(Debug)]
pub(crate) struct Trigger(#[expect(dead_code, reason = "its drop is the signal")] watch::Sender<()>);

impl Shutdown {
    /// A trigger, and what it triggers.
    pub(crate) fn new() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(());
        (Trigger(sender), Self(receiver))
    }

    /// Waits for the trigger.
    pub(crate) async fn requested(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}
