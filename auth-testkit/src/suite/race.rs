use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::store::StoreError;
use tokio::sync::Barrier;
use tokio::task::{JoinError, JoinHandle};

use super::check::{Broken, Outcome};

/// How many tasks race for one record.
pub(super) const RACERS: usize = 64;

/// How many instances of a service clean up at the same time.
const PURGERS: usize = 8;

/// How many records each of them may take at a time: more than most stores delete by one statement.
const PURGE_LIMIT: u32 = 250;

/// How many records there are for them.
pub(super) const MANY: u64 = 1200;

/// How often two different writes meet: three times with each of the head starts of [`duel`].
pub(super) const ROUNDS: usize = 42;

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

/// Writes this many records from as many tasks as clean up.
pub(super) async fn write_together<R, F>(
    records: Vec<R>,
    write: impl Fn(R) -> F + Clone + Send + Sync + 'static,
) -> Outcome
where
    R: Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), StoreError>> + Send,
{
    let parts: Vec<Vec<R>> = records.chunks(records.len().div_ceil(PURGERS)).map(<[R]>::to_vec).collect();
    race(parts.into_iter().map(|part| {
        let write = write.clone();
        async move {
            for record in part {
                write(record).await?;
            }
            Ok(())
        }
    }))
    .await?;
    Ok(())
}

/// Purges from several tasks at once, each until it is told that fewer were left than it may take; says
/// how many records all of them took.
pub(super) async fn purge_together<F>(
    purge: impl Fn(u32) -> F + Clone + Send + Sync + 'static,
) -> Outcome<u64>
where
    F: Future<Output = Result<u64, StoreError>> + Send,
{
    let purgers = (0..PURGERS).map(|_| {
        let purge = purge.clone();
        async move {
            let mut purged = 0;
            loop {
                let more = purge(PURGE_LIMIT).await?;
                purged += more;
                if more < u64::from(PURGE_LIMIT) {
                    return Ok(purged);
                }
            }
        }
    });
    Ok(race(purgers).await?.into_iter().sum())
}

/// Runs two different writes at the same time.
///
/// A read that is followed by a write can be overtaken only in between, so each round gives one of
/// the two another head start, up to what a round trip to a database takes.
pub(super) async fn duel<A, B>(
    round: usize,
    one: impl Future<Output = Result<A, StoreError>> + Send + 'static,
    other: impl Future<Output = Result<B, StoreError>> + Send + 'static,
) -> Outcome<(A, B)>
where
    A: Send + 'static,
    B: Send + 'static,
{
    let lead = match round / 2 % 7 {
        0 => Duration::ZERO,
        step => Duration::from_micros(25 << step),
    };
    let (one_waits, other_waits) =
        if round.is_multiple_of(2) { (Duration::ZERO, lead) } else { (lead, Duration::ZERO) };
    let barrier = Arc::new(Barrier::new(2));
    let one = start(after(one_waits, one), &barrier);
    let other = start(after(other_waits, other), &barrier);
    Ok((finish(one.await)?, finish(other.await)?))
}

/// Starts a call this much later; a timer would be too coarse.
async fn after<T>(wait: Duration, call: impl Future<Output = T> + Send) -> T {
    let released = Instant::now();
    while released.elapsed() < wait {
        tokio::task::yield_now().await;
    }
    call.await
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
