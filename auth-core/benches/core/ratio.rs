//! Medians of interleaved rounds, and their ratios.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// The reason why a measurement failed.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does the work once, in one of the compared ways.
pub(crate) type Contender<'a> = (&'static str, Box<dyn FnMut() + 'a>);

/// The time of one piece of work.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    /// Time on the clock.
    pub(crate) wall: Duration,
    /// Time on all processors of all threads of this process, if the system reports it.
    pub(crate) cpu: Option<Duration>,
}

/// Runs all contenders in turn, `rounds` times `repeat` pieces of work each, and prints their medians.
pub(crate) fn medians<const N: usize>(
    title: &str,
    rounds: usize,
    repeat: u32,
    mut contenders: [Contender<'_>; N],
) -> [Cost; N] {
    let mut costs: [Vec<Cost>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..=rounds {
        for ((_, work), costs) in contenders.iter_mut().zip(&mut costs) {
            let (start, cpu) = (Instant::now(), process_cpu());
            (0..repeat).for_each(|_| work());
            let wall = start.elapsed() / repeat;
            let cpu = process_cpu().zip(cpu).map(|(after, before)| after.saturating_sub(before) / repeat);
            // The first round warms up.
            if round > 0 {
                costs.push(Cost { wall, cpu });
            }
        }
    }
    println!("\n{title}: medians of {rounds} interleaved rounds of {repeat}");
    let costs = costs.map(|costs| Cost {
        wall: median(costs.iter().map(|cost| cost.wall)).unwrap_or_default(),
        cpu: median(costs.iter().filter_map(|cost| cost.cpu)),
    });
    for ((name, _), cost) in contenders.iter().zip(&costs) {
        let cpu = cost.cpu.map_or_else(|| "unknown".to_owned(), |cpu| format!("{cpu:.2?}"));
        println!("  {name:<44} {:>10.2?} wall {cpu:>10} cpu", cost.wall);
    }
    costs
}

/// A cost with its name.
#[derive(Clone, Copy)]
pub(crate) struct Named<'a>(pub(crate) &'a str, pub(crate) Cost);

/// Prints the ratio of a cost to its floor, and appends it to the file that `BENCH_RESULTS` names.
/// `scripts/bench/all` makes its table from this file.
pub(crate) fn compare(name: &str, cost: Cost, Named(floor_name, floor): Named<'_>, expected: Option<f64>) {
    let wall = cost.wall.as_secs_f64() / floor.wall.as_secs_f64();
    let cpu = cost.cpu.zip(floor.cpu).map(|(cost, floor)| cost.as_secs_f64() / floor.as_secs_f64());
    let shown = cpu.map_or_else(|| "unknown".to_owned(), |ratio| format!("{ratio:.3}"));
    let limit = expected.map_or_else(String::new, |limit| format!("   (expected at most {limit})"));
    println!("  {name} / {floor_name}: {wall:.3} wall, {shown} cpu{limit}");
    let nanos = |cost: Cost| u64::try_from(cost.cpu.unwrap_or(cost.wall).as_nanos()).unwrap_or(u64::MAX);
    record(&serde_json::json!({
        "kind": "micro", "name": name, "floor": floor_name, "nanos": nanos(cost), "floor_nanos": nanos(floor),
        "ratio": cpu.unwrap_or(wall), "limit": expected,
    }));
}

fn record(line: &serde_json::Value) {
    let Some(path) = std::env::var_os("BENCH_RESULTS") else { return };
    let file = fs::OpenOptions::new().create(true).append(true).open(path);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{line}")) {
        eprintln!("BENCH_RESULTS: {error}");
    }
}

fn median(values: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Reads the processor time of all running threads from Linux's scheduler.
fn process_cpu() -> Option<Duration> {
    let nanos_of = |task: fs::DirEntry| -> Option<u64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let nanos = fs::read_dir("/proc/self/task").ok()?.flatten().filter_map(nanos_of).sum();
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}
