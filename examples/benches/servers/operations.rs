//! The cost of each operation.

use std::time::Instant;

use serde_json::json;

use crate::fixture::Fixture;
use crate::floors::Floors;
use crate::http::request;
use crate::load::{Client, as_fast_as_answered};
use crate::process::Server;
use crate::results::{Failure, millis, record, window};

const CONNECTIONS: usize = 8;

pub(crate) fn measure(
    store: &str,
    server: &Server,
    fixture: &Fixture,
    floors: &Floors,
) -> Result<(), Failure> {
    let nothing = cost(server, nothing)?.0;
    let operations: [(&str, Vec<Client>, f64, &str); 4] = [
        ("log in", fixture.log_ins(CONNECTIONS), floors.hash + floors.log_in, "one hash, its statements"),
        ("refresh", fixture.refreshes(server, CONNECTIONS)?, floors.refresh, "its statements"),
        ("GET /users/me", fixture.reads(server, CONNECTIONS)?, floors.read, "its statements"),
        ("register", fixture.registrations(CONNECTIONS), floors.hash, "one hash"),
    ];
    for (operation, clients, floor, of) in operations {
        let (cpu, latencies, per_second) = cost(server, || clients)?;
        let floor = floor + nothing;
        record(&json!({
            "kind": "macro", "store": store, "operation": operation, "connections": CONNECTIONS,
            "per_second": per_second.round(), "p50_ms": millis(latencies.per_mille(500)),
            "p95_ms": millis(latencies.per_mille(950)), "p99_ms": millis(latencies.per_mille(990)),
            "cpu_ms": cpu, "floor_ms": floor, "floor": format!("{of}, an empty request"), "ratio": cpu / floor,
        }))?;
    }
    Ok(())
}

/// A route that does nothing: the cost of HTTP alone.
fn nothing() -> Vec<Client> {
    let request = request("GET", "/.well-known/jwks.json", "", "");
    let client = |_| -> Client {
        let request = request.clone();
        Box::new(move |connection| connection.expect(200, &request).map(drop))
    };
    (0..CONNECTIONS).map(client).collect()
}

/// Milliseconds of the server's processor time for each request, and how the requests went.
fn cost(
    server: &Server,
    clients: impl FnOnce() -> Vec<Client>,
) -> Result<(f64, crate::load::Latencies, f64), Failure> {
    let clients = clients();
    let (cpu, begun) = (server.cpu()?, Instant::now());
    let latencies = as_fast_as_answered(server.address, clients, window())?;
    let (spent, took) = (server.cpu()?.saturating_sub(cpu), begun.elapsed());
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let count = latencies.count() as f64;
    Ok((spent.as_secs_f64() * 1e3 / count, latencies, count / took.as_secs_f64()))
}
