//! The limit of the flights pipeline: stored batches from memory, parsed, enriched from four tables, written in synced commits.
//! Threads share the partitions among them as tasks share workers; each commits on its own into the one store. An output has the key
//! of its input, so it stays in the partition number of its input and no two threads write the same partition.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_bare::flights::{Flight, Models, load_flights, load_models};
use serde_json::json;
use tempfile::TempDir;

use crate::enrich::{Output, enrich};
use crate::record::{Batch, Record, decompress, next_record};
use crate::store::{PARTITIONS, Store, Writer, partition_of};

/// What is processed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights, NDJSON or NDJSON.gz, with the tables beside them
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many input events; the flights are repeated
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

/// The stored batches of one partition, in order.
pub(crate) type Partition = VecDeque<Vec<u8>>;

/// Processes all and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let models = Arc::new(load_models(&arguments.flights)?);
    let stored = store_inputs(&load_flights(&arguments.flights)?, arguments.events, arguments.batch)?;
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
            let (store, models) = (store.clone(), Arc::clone(&models));
            thread::spawn(move || process(share, store, &models))
        })
        .collect();
    let mut emitted = 0;
    for worker in workers {
        emitted += worker.join().map_err(|_| "a worker panicked")??;
    }
    let more = [("emitted", json!(emitted)), ("threads", json!(threads)), ("batch", json!(arguments.batch))];
    measurement.report(("limit", "pipeline"), arguments.events, measurement.elapsed(), &more)
}

/// A temporary directory in `place`, removed when dropped.
pub(crate) fn temporary_directory(place: Option<&Path>) -> Outcome<TempDir> {
    Ok(match place {
        Some(place) => tempfile::tempdir_in(place)?,
        None => tempfile::tempdir()?,
    })
}

/// The inputs as the log stores them, before the clock starts.
fn store_inputs(flights: &[Flight], events: u64, batch: u64) -> Outcome<[Partition; PARTITIONS]> {
    store_inputs_at(flights, events, batch, |_| 0)
}

/// The same, the event of each number so many seconds later.
pub(crate) fn store_inputs_at(
    flights: &[Flight],
    events: u64,
    batch: u64,
    later: impl Fn(u64) -> i64,
) -> Outcome<[Partition; PARTITIONS]> {
    let mut stored: [Partition; PARTITIONS] = Default::default();
    let mut pending: [Batch; PARTITIONS] = Default::default();
    for (number, flight) in (0..events).zip(flights.iter().cycle()) {
        let id = format!("{}-{number}", flight.id);
        let record = Record { time: flight.time + later(number), ..Record::of(flight, &id) };
        let partition = partition_of(record.key);
        let (Some(open), Some(batches)) = (pending.get_mut(partition), stored.get_mut(partition)) else { continue };
        open.push(&record)?;
        if open.records == batch.max(1) {
            batches.push_back(open.take_compressed());
        }
    }
    for (open, batches) in pending.iter_mut().zip(&mut stored).filter(|(open, _)| open.records > 0) {
        batches.push_back(open.take_compressed());
    }
    Ok(stored)
}

/// One thread: each stored batch is one commit; partitions take turns.
fn process(mut share: Vec<(usize, Partition)>, store: Store, models: &Models) -> Outcome<u64> {
    let mut writer = Writer::new(store);
    let mut output = Output::default();
    let mut emitted = 0;
    let mut offsets = [0_u64; PARTITIONS];
    while share.iter().any(|(_, batches)| !batches.is_empty()) {
        for (partition, batches) in &mut share {
            let (Some(stored), Some(offset)) = (batches.pop_front(), offsets.get_mut(*partition)) else { continue };
            let bytes = decompress(&stored)?;
            let mut left = bytes.as_slice();
            while let Some(input) = next_record(&mut left)? {
                let position = format!("flights/{partition}@{offset}");
                *offset += 1;
                if enrich(&input, &position, models, &mut output)? {
                    emit(&mut writer, &input, &position, &output)?;
                    emitted += 1;
                }
            }
            writer.commit()?;
        }
    }
    Ok(emitted)
}

fn emit(writer: &mut Writer, input: &Record<'_>, position: &str, output: &Output) -> Outcome<()> {
    let id = format!("{position}/to.0");
    writer.push(&Record {
        id: id.as_bytes(),
        source: b"/flights/departures",
        attributes: output.attributes.as_bytes(),
        data: output.data.as_bytes(),
        ..*input
    })
}
