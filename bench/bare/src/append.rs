//! The limit of a local append: flights in synced batches, four partitions, with or without a row per id.

use std::path::PathBuf;
use std::time::Instant;

use riverrun_bare::Outcome;
use riverrun_bare::figures::{Measurement, percentile_ms};
use riverrun_bare::flights::load_flights;
use serde_json::json;

use crate::record::Record;
use crate::store::{Store, Writer};

/// What is appended.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many events; the flights are repeated, each with an id of its own
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Events a commit
    #[arg(long, default_value_t = 1_000)]
    batch: u64,
    /// Write an identity row of 16 bytes to 32 per event, as a deduplicating log does
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
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let flights = load_flights(&arguments.flights)?;
    let directory = crate::pipeline::temporary_directory(arguments.directory.as_deref())?;
    let mut writer = Writer::new(Store::open(directory.path())?);
    let mut latencies = Vec::new();
    let measurement = Measurement::begin()?;
    let mut began = Instant::now();
    for (number, flight) in (1..=arguments.events).zip(flights.iter().cycle()) {
        let id = format!("{}-{number}", flight.id);
        let record = Record::of(flight, &id);
        writer.push(&record)?;
        if arguments.ids {
            writer.push_id(&record);
        }
        if number % arguments.batch.max(1) == 0 || number == arguments.events {
            writer.commit()?;
            latencies.push(began.elapsed());
            began = Instant::now();
        }
    }
    latencies.sort_unstable();
    let more = [
        ("ids", json!(arguments.ids)),
        ("batch", json!(arguments.batch)),
        ("p50_ms", json!(percentile_ms(&latencies, 0.5))),
        ("p99_ms", json!(percentile_ms(&latencies, 0.99))),
    ];
    measurement.report(("limit", "append"), arguments.events, measurement.elapsed(), &more)
}
