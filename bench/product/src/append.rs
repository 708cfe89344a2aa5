//! The local log's append: flights in batches, four partitions, with or without remembering identities.

use std::path::PathBuf;
use std::time::Instant;

use riverrun_bare::Outcome;
use riverrun_bare::figures::{Measurement, percentile_ms};
use riverrun_event::partitioner::partition_of;
use riverrun_event::{Event, TopicName};
use riverrun_log::{AppendBatch, Log, NewRecord, Retention, TopicSpec, Topics};
use riverrun_log_local::{LocalLog, Options};
use serde_json::json;

use crate::flights::{load, renamed};

/// Partitions of the topic, as in the flights app.
const PARTITIONS: u32 = 4;

/// What is appended.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many events; the flights are repeated, each with an id of its own
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Events a batch
    #[arg(long, default_value_t = 1_000)]
    batch: u64,
    /// Check and remember identities
    #[arg(long)]
    ids: bool,
    /// The flights, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// Where the temporary directory is made; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Appends and prints the figures.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<()> {
    let flights = load(&arguments.flights, "tailnum")?;
    let directory = crate::pipeline::temporary_directory(arguments.directory.as_deref())?;
    let topic = TopicName::new("flights")?;
    let log = LocalLog::open(directory.path(), options(arguments.ids))?;
    let spec = TopicSpec { name: topic.clone(), partitions: PARTITIONS, retention: Retention::default() };
    log.ensure(&[spec]).await?;
    let mut latencies = Vec::new();
    let mut batch = AppendBatch::default();
    let measurement = Measurement::begin()?;
    let mut began = Instant::now();
    for (number, flight) in (1..=arguments.events).zip(flights.iter().cycle()) {
        batch.records.push(record(&topic, flight, number));
        if number % arguments.batch.max(1) == 0 || number == arguments.events {
            log.append(std::mem::take(&mut batch)).await?;
            latencies.push(began.elapsed());
            began = Instant::now();
        }
    }
    let elapsed = measurement.elapsed();
    latencies.sort_unstable();
    let more = [
        ("ids", json!(arguments.ids)),
        ("batch", json!(arguments.batch)),
        ("p50_ms", json!(percentile_ms(&latencies, 0.5))),
        ("p99_ms", json!(percentile_ms(&latencies, 0.99))),
    ];
    measurement.report(("part", "append"), arguments.events, elapsed, &more)
}

fn record(topic: &TopicName, flight: &Event, number: u64) -> NewRecord {
    let event = renamed(flight, number);
    NewRecord { topic: topic.clone(), partition: partition_of(&event, PARTITIONS), event }
}

/// Without identities the window is no day long.
fn options(ids: bool) -> Options {
    let mut options = Options::default();
    if !ids {
        options.deduplication_days = 0;
    }
    options
}
