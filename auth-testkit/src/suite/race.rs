//! Running many calls at once, from one starting signal.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use auth_core::store::StoreError;
use tokio::sync::Barrier;
use tokio::task::{JoinError, JoinHandle};

use super::check::{Broken, Outcome, ensure};

/// The number of tasks that race for one record.
pub(super) const RACERS: usize = 64;

/// The number of instances of a service that clean up at the same time.
const PURGERS: usize = 8;

/// Limits the records that each may delete by one call: more than most stores delete by one statement.
const PURGE_LIMIT: u32 = 250;

/// The number of records that they delete.
pub(super) const MANY: u64 = 1200;

/// How often two different writes meet: three times with each of the head starts of [`duel`].
pub(super) const ROUNDS: usize = 42;

/// Runs each future as a task, released together; returns the outcomes in the given order.
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

/// Purges from several tasks at once, each until a call deletes fewer than it may; returns how many records
/// all of them deleted.
///
/// A task that was given fewer reads at once a part of the records, by their numbers: none may be left.
pub(super) async fn purge_together<P, L>(
    method: &str,
    purge: impl Fn(u32) -> P + Clone + Send + Sync + 'static,
    is_left: impl Fn(usize) -> L + Clone + Send + Sync + 'static,
) -> Outcome<u64>
where
    P: Future<Output = Result<u64, StoreError>> + Send,
    L: Future<Output = Result<bool, StoreError>> + Send,
{
    let purgers = (0..PURGERS).map(|number| {
        let (purge, is_left) = (purge.clone(), is_left.clone());
        async move {
            let mut purged = 0;
            loop {
                let more = purge(PURGE_LIMIT).await?;
                purged += more;
                if more < u64::from(PURGE_LIMIT) {
                    break;
                }
            }
            for record in (0..usize::try_from(MANY).unwrap_or(usize::MAX)).skip(number).step_by(PURGERS) {
                if is_left(record).await? {
                    return Ok((purged, true));
                }
            }
            Ok((purged, false))
        }
    });
    let ended = race(purgers).await?;
    let early = ended.iter().filter(|(_, left)| *left).count();
    ensure!(
        early == 0,
        "`{method}` deleted fewer than its limit for {early} of {PURGERS} callers, while records were left"
    );
    Ok(ended.into_iter().map(|(purged, _)| purged).sum())
}

/// Limits how many awaits of a call are tried as the last one that its caller waits for.
pub(super) const POLLS: u32 = 32;

/// Polls a call at most this many times and then drops it, as a caller does who goes away; returns the
/// outcome of a call that ended before.
pub(super) async fn drop_after<T>(
    polls: u32,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<Option<T>, StoreError> {
    let (mut call, mut left) = (pin!(call), polls);
    poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(ended) => Poll::Ready(ended.map(Some)),
        Poll::Pending if left <= 1 => Poll::Ready(Ok(None)),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
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
