//! The background work of one process: delivers intents and cleans up.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use crate::context::Context;
use crate::shutdown::Shutdown;
use crate::{clean_up, delivery};

/// Runs both until `shutdown` completes, then lets each finish what it is doing.
pub(crate) async fn run(ctx: &Arc<Context>, shutdown: impl Future<Output = ()> + Send) {
    let (trigger, requested) = Shutdown::new();
    let mails = delivery::run(Arc::clone(ctx), requested.clone());
    let clean_ups = clean_up::run(Arc::clone(ctx), requested);
    let mut both = pin!(async { tokio::join!(mails, clean_ups) });
    let mut shutdown = pin!(shutdown);
    tokio::select! {
        () = &mut shutdown => drop(trigger),
        _ = &mut both => return,
    }
    both.await;
}
