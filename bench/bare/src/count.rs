//! The limit of a count per key and window: stored batches from memory, a map of counts, each new count written in synced commits.
//!
//! A commit holds what the product's holds: the outputs, the changed rows of the state, the ends. Threads share the partitions as
//! in the pipeline. Windows that are over are never taken out of the map.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::thread;

use chrono::{DateTime, SecondsFormat};
use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_bare::flights::load_flights;
use riverrun_bare::workload::later_seconds;
use serde_json::json;

use crate::pipeline::{Partition, store_inputs_at, temporary_directory};
use crate::record::{Record, decompress, next_record};
use crate::store::{PARTITIONS, Store, Writer};

/// Seconds of a window.
const WINDOW_SECONDS: i64 = 7 * 86_400;

/// What is processed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many input events; the flights are repeated, each time a month later
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Input events a commit
    #[arg(long, default_value_t = 1_000)]
    batch: u64,
    /// Threads that share the four partitions
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Where the temporary directory is made; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Counts all and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let mut flights = load_flights(&arguments.flights)?;
    flights.retain(|flight| !flight.key.is_empty());
    let later = |number| later_seconds(number, flights.len());
    let stored = store_inputs_at(&flights, arguments.events, arguments.batch, later)?;
    let directory = temporary_directory(arguments.directory.as_deref())?;
    let threads = arguments.threads.clamp(1, PARTITIONS);
    let mut shares: Vec<Vec<(usize, Partition)>> = (0..threads).map(|_| Vec::new()).collect();
    for (partition, batches) in stored.into_iter().enumerate() {
        shares.get_mut(partition % threads).ok_or("no thread for a partition")?.push((partition, batches));
    }
    let measurement = Measurement::begin()?;
    let store = Store::open(directory.path())?;
    let workers: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let store = store.clone();
            thread::spawn(move || count(share, store))
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")??;
    }
    let more = [("threads", json!(threads)), ("batch", json!(arguments.batch))];
    measurement.report(("limit", "count"), arguments.events, measurement.elapsed(), &more)
}

/// One thread: each stored batch is one commit; partitions take turns.
fn count(mut share: Vec<(usize, Partition)>, store: Store) -> Outcome<()> {
    let mut writer = Writer::new(store);
    let mut counts: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut offsets = [0_u64; PARTITIONS];
    while share.iter().any(|(_, batches)| !batches.is_empty()) {
        for (partition, batches) in &mut share {
            let (Some(stored), Some(offset)) = (batches.pop_front(), offsets.get_mut(*partition)) else { continue };
            let bytes = decompress(&stored)?;
            let mut left = bytes.as_slice();
            let mut changed = HashSet::new();
            while let Some(input) = next_record(&mut left)? {
                let start = input.time - input.time.rem_euclid(WINDOW_SECONDS);
                let row = [input.key, b"\0\x01", &start.to_be_bytes()].concat();
                let count = counts.entry(row.clone()).or_default();
                *count += 1;
                emit(&mut writer, &input, &format!("flights/{partition}@{offset}"), start, *count)?;
                changed.insert(row);
                *offset += 1;
            }
            for row in changed {
                let count = counts.get(&row).copied().unwrap_or_default();
                writer.push_state(row, count);
            }
            writer.commit()?;
        }
    }
    Ok(())
}

fn emit(writer: &mut Writer, input: &Record<'_>, position: &str, start: i64, count: u64) -> Outcome<()> {
    let (id, source) = (std::str::from_utf8(input.id)?, std::str::from_utf8(input.source)?);
    let attributes = format!("rrcause={position}\0causationid={id}\0causationsource={source}\0correlationid={id}");
    let (from, to) = (shown(start), shown(start + WINDOW_SECONDS));
    let data = format!("{{\"window\":{{\"start\":\"{from}\",\"end\":\"{to}\"}},\"count\":{count}}}");
    writer.push(&Record {
        id: format!("{position}/to.0").as_bytes(),
        source: b"/bench/weekly",
        attributes: attributes.as_bytes(),
        data: data.as_bytes(),
        ..*input
    })
}

fn shown(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default().to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
