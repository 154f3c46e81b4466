//! Load: as fast as the server answers, or at a steady rate.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::results::Failure;

/// One request after another, over one connection.
pub(crate) type Client = Box<dyn FnMut(&mut Connection) -> Result<(), Failure> + Send>;

/// How long each request took, sorted.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that at least this many of a thousand do not exceed.
    pub(crate) fn per_mille(&self, share: usize) -> Duration {
        let at = (self.0.len() * share).div_ceil(1000).saturating_sub(1);
        self.0.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, others: Self) {
        self.0.extend(others.0);
        self.0.sort_unstable();
    }
}

/// All clients at once, each sending its next request when the last one is answered.
pub(crate) fn as_fast_as_answered(
    address: SocketAddr,
    clients: Vec<Client>,
    window: Duration,
) -> Result<Latencies, Failure> {
    each(clients, |mut client| {
        let mut connection = Connection::open(address)?;
        let (begun, mut took) = (Instant::now(), Vec::new());
        while begun.elapsed() < window {
            let sent = Instant::now();
            client(&mut connection)?;
            took.push(sent.elapsed());
        }
        Ok(took)
    })
}

/// All clients in turn, at this number of requests a second in all. A request that had to wait for the one
/// before it is measured from when it was due.
pub(crate) fn at_a_rate(
    address: SocketAddr,
    clients: Vec<Client>,
    per_second: u32,
    window: Duration,
) -> Result<Latencies, Failure> {
    let every = Duration::from_secs(1) * u32::try_from(clients.len())? / per_second;
    let phases = (0..).map(|nth| Duration::from_secs(1) / per_second * nth);
    let begun = Instant::now();
    each(clients.into_iter().zip(phases).collect(), |(mut client, phase)| {
        let mut connection = Connection::open(address)?;
        let (mut due, mut took) = (begun + phase, Vec::new());
        while due < begun + window {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            client(&mut connection)?;
            took.push(due.elapsed());
            due += every;
        }
        Ok(took)
    })
}

/// Keeps all clients busy while `meanwhile` runs; returns the number of answers a second.
pub(crate) fn flood<T>(
    address: SocketAddr,
    clients: Vec<Client>,
    meanwhile: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, f64), Failure> {
    let (stop, answered) = (&AtomicBool::new(false), &AtomicU64::new(0));
    let result = thread::scope(|scope| {
        for mut client in clients {
            scope.spawn(move || {
                let mut connection = Connection::open(address)?;
                while !stop.load(Relaxed) {
                    client(&mut connection)?;
                    answered.fetch_add(1, Relaxed);
                }
                Ok::<_, Failure>(())
            });
        }
        // Every connection has sent something.
        thread::sleep(Duration::from_millis(300));
        answered.store(0, Relaxed);
        let begun = Instant::now();
        let result = meanwhile();
        #[expect(clippy::cast_precision_loss, reason = "counts")]
        let per_second = answered.load(Relaxed) as f64 / begun.elapsed().as_secs_f64();
        stop.store(true, Relaxed);
        result.map(|result| (result, per_second))
    })?;
    Ok(result)
}

/// Does each client's work on a separate thread.
fn each<C: Send>(
    clients: Vec<C>,
    work: impl Fn(C) -> Result<Vec<Duration>, Failure> + Sync,
) -> Result<Latencies, Failure> {
    let work = &work;
    let took: Result<Vec<_>, Failure> = thread::scope(|scope| {
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || work(client))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a client panicked")?).collect()
    });
    let mut latencies = Latencies::default();
    latencies.add(Latencies(took?.concat()));
    Ok(latencies)
}
