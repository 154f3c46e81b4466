//! How long a log-in takes while one account floods the server from many networks.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixture::Fixture;
use crate::floors::Floors;
use crate::http::Connection;
use crate::load::flood;
use crate::process::Server;
use crate::results::{Failure, millis, record};

/// The networks of the flood, each with one connection.
const NETWORKS: usize = 64;
const LOG_INS: usize = 30;

/// Fails if the median of a log-in under the flood is longer than twice its quiet time plus one hash.
pub(crate) fn measure(
    store: &str,
    server: &Server,
    fixture: &Fixture,
    floors: &Floors,
) -> Result<(), Failure> {
    let quiet = median(server, fixture)?;
    let (flooded, per_second) =
        flood(server.address, fixture.one_account(NETWORKS), || median(server, fixture))?;
    let bound = quiet * 2 + Duration::from_secs_f64(floors.hash / 1e3);
    record(&json!({
        "kind": "fairness", "store": store, "networks": NETWORKS, "flood_per_second": per_second.round(),
        "quiet_p50_ms": millis(quiet), "flood_p50_ms": millis(flooded), "bound_ms": millis(bound),
    }))?;
    if flooded > bound { Err("another account has to wait for the flood of one".into()) } else { Ok(()) }
}

/// The median of log-ins of another account, one after another.
fn median(server: &Server, fixture: &Fixture) -> Result<Duration, Failure> {
    let mut connection = Connection::open(server.address)?;
    let mut took = Vec::with_capacity(LOG_INS);
    for _ in 0..LOG_INS {
        let sent = Instant::now();
        connection.expect(200, &fixture.another_account())?;
        took.push(sent.elapsed());
    }
    took.sort_unstable();
    Ok(took.get(LOG_INS / 2).copied().unwrap_or_default())
}
