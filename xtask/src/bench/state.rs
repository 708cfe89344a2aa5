//! A million keys of state: what memory the process takes, and how soon after kill -9 it processes events again.

use std::time::Instant;

use super::door::Load;
use super::figures::median;
use super::server::Server;
use super::{Place, Plan};
use crate::Failure;

/// Every event has a key of its own, so each makes a row.
const APP: &str = "\
app: bench
data_dir: ./data
cache: 32MiB
topics:
  flights: { partitions: 4, key: id }
pipelines:
  counts:
    from: flights
    steps:
      - count: { view: counts }
    to: counted
";

/// The `cache` of the app, in MB.
const CACHE_MB: f64 = 33.554_432;

/// What was measured.
pub(crate) struct State {
    pub(crate) keys: u64,
    pub(crate) peak_memory_mb: f64,
    pub(crate) cache_mb: f64,
    pub(crate) processing_again_ms: f64,
}

/// Counts a million keys, kills the server without warning, and starts it again.
pub(crate) fn state(plan: &Plan, place: &Place) -> Result<State, Failure> {
    println!("\n== state of many keys");
    let keys = plan.events(1_000_000);
    let folder = place.fresh("state")?;
    let mut server = Server::spawn_app(APP, &folder)?;
    server.accept_one("first")?;
    Load { events: keys, batch: 100 }.send(&server)?;
    server.settle("counts")?;
    let peak_memory_mb = server.peak_memory_mb()?;
    let mut times = Vec::new();
    for round in 0..plan.rounds() {
        server.kill()?;
        let begun = Instant::now();
        server = Server::spawn_app(APP, &folder)?;
        let id = format!("after-{round}");
        server.accept_one(&id)?;
        server.has_row("counts", &id)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    server.stop()?;
    let processing_again_ms = median(times).unwrap_or_default();
    println!("peak {peak_memory_mb:.0} MB, processing again after {processing_again_ms:.0} ms");
    Ok(State { keys, peak_memory_mb, cache_mb: CACHE_MB, processing_again_ms })
}
