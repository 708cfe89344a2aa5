//! The limit of a view's point reads: rows of flights in a bare LSM, read by their keys in a scattered order.
//!
//! Reading begins when all rows are in files, as after the product's start, with memtables of the size the product's state has.

use std::path::PathBuf;

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_bare::flights::load_flights;
use riverrun_bare::workload::{row_key, scattered};
use serde_json::json;

use crate::pipeline::temporary_directory;

/// As the product's keyspace of state has it.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// What is read.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights whose data the rows hold, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many rows there are
    #[arg(long, default_value_t = 100_000)]
    rows: u64,
    /// How many reads
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Where the temporary directory is made; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Writes the rows, reads and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let flights = load_flights(&arguments.flights)?;
    let directory = temporary_directory(arguments.directory.as_deref())?;
    let database = Database::builder(directory.path()).open()?;
    let rows = database.keyspace("rows", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES))?;
    for (number, flight) in (0..arguments.rows).zip(flights.iter().cycle()) {
        rows.insert(row_key(number), flight.data.as_bytes())?;
    }
    database.persist(PersistMode::SyncData)?;
    rows.rotate_memtable_and_wait()?;
    let keys: Vec<String> = (0..arguments.rows).map(row_key).collect();
    let mut bytes = 0_u64;
    let measurement = Measurement::begin()?;
    for number in scattered(arguments.rows).take(usize::try_from(arguments.events)?) {
        let key = keys.get(usize::try_from(number)?).ok_or("a row that is none")?;
        let row = rows.get(key)?.ok_or("a row is missing")?;
        bytes += u64::try_from(row.len())?;
    }
    measurement.report(("limit", "views"), arguments.events, measurement.elapsed(), &[("bytes", json!(bytes))])
}
