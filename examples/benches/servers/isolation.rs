//! The latency of other requests during a flood of log-ins.

use std::thread;

use serde_json::json;

use crate::fixture::Fixture;
use crate::load::{Latencies, at_a_rate, flood};
use crate::process::Server;
use crate::results::{Failure, millis, record, window};

/// Number of pairs of a quiet round and a round under flood.
const ROUNDS: usize = 5;
const FLOOD: usize = 64;
const READS_PER_SECOND: u32 = 200;
const REFRESHES_PER_SECOND: u32 = 100;

pub(crate) fn measure(store: &str, server: &Server, fixture: &Fixture) -> Result<(), Failure> {
    let (mut quiet, mut flooded, mut log_ins) = (Seen::default(), Seen::default(), Vec::new());
    // Buffers that outlive a request exist before memory is read.
    flood(server.address, fixture.log_ins(FLOOD), || Seen::look(server, fixture))?;
    let (idle, _) = server.memory_kib()?;
    server.forget_peak()?;
    for _ in 0..ROUNDS {
        quiet.add(Seen::look(server, fixture)?);
        let (seen, per_second) =
            flood(server.address, fixture.log_ins(FLOOD), || Seen::look(server, fixture))?;
        flooded.add(seen);
        log_ins.push(per_second);
    }
    let (_, peak) = server.memory_kib()?;
    let routes = [
        ("GET /users/me", READS_PER_SECOND, &quiet.reads, &flooded.reads),
        ("refresh", REFRESHES_PER_SECOND, &quiet.refreshes, &flooded.refreshes),
    ];
    for (route, rate, quiet, flooded) in routes {
        let (calm, busy) = (quiet.per_mille(990), flooded.per_mille(990));
        record(&json!({
            "kind": "isolation", "store": store, "route": route, "rate": rate, "flood": FLOOD,
            "quiet_p50_ms": millis(quiet.per_mille(500)), "flood_p50_ms": millis(flooded.per_mille(500)),
            "quiet_p99_ms": millis(calm), "flood_p99_ms": millis(busy),
            "ratio": busy.as_secs_f64() / calm.as_secs_f64(),
        }))?;
    }
    log_ins.sort_unstable_by(f64::total_cmp);
    let per_second = log_ins.get(ROUNDS / 2).copied().unwrap_or_default();
    record(&json!({
        "kind": "memory", "store": store, "idle_mib": idle / 1024, "peak_mib": peak / 1024,
        "log_ins_per_second": per_second.round(),
    }))
}

/// Reads and refreshes at their steady rates at the same time.
#[derive(Default)]
struct Seen {
    reads: Latencies,
    refreshes: Latencies,
}

impl Seen {
    fn look(server: &Server, fixture: &Fixture) -> Result<Self, Failure> {
        let (reads, refreshes) = (fixture.reads(server, 4)?, fixture.refreshes(server, 4)?);
        let (address, window) = (server.address, window());
        thread::scope(|scope| {
            let reads = scope.spawn(move || at_a_rate(address, reads, READS_PER_SECOND, window));
            let refreshes = at_a_rate(address, refreshes, REFRESHES_PER_SECOND, window)?;
            Ok(Self { reads: reads.join().map_err(|_| "a client panicked")??, refreshes })
        })
    }

    fn add(&mut self, more: Self) {
        self.reads.add(more.reads);
        self.refreshes.add(more.refreshes);
    }
}
