//! Flights of each aircraft in each week, exactly once: stored flights, read, counted in a tumbling window, each new count
//! committed with the state it comes from.
//!
//! The log is filled before the clock starts, which runs as in the pipeline.

use std::path::PathBuf;
use std::time::Duration;

use riverrun::App;
use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_bare::workload::later_seconds;
use serde_json::json;

use crate::flights::{load, renamed};
use crate::pipeline::{IDLE, append, open, options, temporary_directory};

/// The file has flights in the order of their departure, nearly; none is too late.
const APP: &str = "\
app: bench
topics:
  flights: { partitions: 4, key: data.tailnum }
pipelines:
  weekly:
    from: flights
    steps:
      - count: { window: { tumbling: 7d, grace: 1d } }
    to: counts
";

/// What is processed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many input events; the flights are repeated, each time a month later
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Worker threads
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Where the temporary directory is made; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Fills a log, counts and prints the figures.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<()> {
    let directory = temporary_directory(arguments.directory.as_deref())?;
    let app = App::parse(APP, "riverrun.yaml")?;
    let log = open(directory.path())?;
    // Without an aircraft there is nothing to count by.
    let flights: Vec<_> =
        load(&arguments.flights, "tailnum")?.into_iter().filter(|flight| flight.key.is_some()).collect();
    let repeated = (0..arguments.events).zip(flights.iter().cycle()).map(|(number, flight)| {
        let later = u64::try_from(later_seconds(number, flights.len())).unwrap_or_default();
        let mut event = renamed(flight, number);
        event.time = event.time.map(|time| time.plus(Duration::from_secs(later)));
        event
    });
    append(&app, &log, "flights", repeated).await?;
    log.close();
    drop(log);
    let options = options(directory.path(), arguments.workers);
    let measurement = Measurement::begin()?;
    let server = app.serve(options).await?;
    server.idle_for(IDLE).await;
    let elapsed = measurement.elapsed().saturating_sub(IDLE);
    measurement.report(("part", "count"), arguments.events, elapsed, &[("workers", json!(arguments.workers))])?;
    Ok(server.shutdown().await?)
}
