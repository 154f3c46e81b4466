use std::future::Future;
use std::sync::Arc;

use auth_core::store::StoreError;
use tokio::sync::Barrier;
use tokio::task::{JoinError, JoinHandle};

use super::check::{Broken, Outcome};

/// How many tasks race for one record.
pub(super) const RACERS: usize = 64;

/// How often two different writes meet: enough for the wrong order to happen.
pub(super) const ROUNDS: usize = 40;

/// Runs all futures as tasks of their own, released together; answers in the order given.
pub(super) async fn race<T, F>(racers: impl IntoIterator<Item = F>) -> Outcome<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<T, StoreError>> + Send + 'static,
{
    let racers: Vec<F> = racers.into_iter().collect();
    let barrier = Arc::new(Barrier::new(racers.len()));
    let tasks: Vec<_> = racers.into_iter().map(|racer| start(racer, &barrier)).collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(finish(task.await)?);
    }
    Ok(outcomes)
}

/// Runs two different writes at the same time.
pub(super) async fn duel<A, B>(
    one: impl Future<Output = Result<A, StoreError>> + Send + 'static,
    other: impl Future<Output = Result<B, StoreError>> + Send + 'static,
) -> Outcome<(A, B)>
where
    A: Send + 'static,
    B: Send + 'static,
{
    let barrier = Arc::new(Barrier::new(2));
    let (one, other) = (start(one, &barrier), start(other, &barrier));
    Ok((finish(one.await)?, finish(other.await)?))
}

fn start<T: Send + 'static>(
    racer: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    barrier: &Arc<Barrier>,
) -> JoinHandle<Result<T, StoreError>> {
    let barrier = Arc::clone(barrier);
    tokio::spawn(async move {
        barrier.wait().await;
        racer.await
    })
}

fn finish<T>(ended: Result<Result<T, StoreError>, JoinError>) -> Outcome<T> {
    let result = ended.map_err(|error| Broken(format!("a concurrent call ended badly: {error}")))?;
    Ok(result?)
}
