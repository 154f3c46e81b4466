//! What runs in the background: sending promised mails, and cleaning up.

pub(crate) mod cleanup;
pub(crate) mod outbox;

use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch;

pub use cleanup::CleanedUp;
pub(crate) use cleanup::schedule;
pub use outbox::Delivered;

use crate::auth::Inner;

/// Runs both until `shutdown` completes, then lets each finish what it is doing.
pub(crate) async fn run(auth: &Arc<Inner>, shutdown: impl Future<Output = ()> + Send) {
    let (stop, stopped) = watch::channel(());
    let mails = outbox::run(Arc::clone(auth), stopped.clone());
    let clean_ups = cleanup::run(Arc::clone(auth), stopped);
    let mut both = pin!(async { tokio::join!(mails, clean_ups) });
    let mut shutdown = pin!(shutdown);
    tokio::select! {
        () = &mut shutdown => drop(stop),
        _ = &mut both => return,
    }
    both.await;
}

/// Completes when the sender was dropped.
async fn stop_requested(stopped: &mut watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// The messages of an error and of its sources, for logs.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
