//! The flights pipeline: stored flights, read, filtered, enriched from four models, edited, committed, as the example's app says.
//!
//! The log is filled before the clock starts. The clock runs from opening the log until nothing is left to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use riverrun::{App, ServeOptions};
use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_event::partitioner::partition_of;
use riverrun_event::{Event, TopicName};
use riverrun_log::{AppendBatch, Log, NewRecord, Retention, TopicSpec, Topics};
use riverrun_log_local::{LocalLog, Options};
use serde_json::json;
use tempfile::TempDir;

use crate::flights::{load, load_beside, renamed};

/// The topics that feed the models, and the field that keys them.
const TABLES: [(&str, &str); 4] =
    [("planes", "tailnum"), ("airlines", "carrier"), ("weather", "origin"), ("airports", "faa")];

/// Events of one append while the log is filled.
const FILL_BATCH: usize = 1_000;

/// Nothing was left to do for this long: the end. Taken off the time again.
pub(crate) const IDLE: Duration = Duration::from_millis(200);

/// What is processed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights, NDJSON or NDJSON.gz, with the tables beside them
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// The app file
    #[arg(long, default_value = "examples/flights/riverrun.yaml")]
    app: PathBuf,
    /// How many input events; the flights are repeated
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Worker threads
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Where the temporary directory is made; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Fills a log, runs the pipeline and prints the figures.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<()> {
    let directory = temporary_directory(arguments.directory.as_deref())?;
    let app = App::load(&arguments.app)?;
    fill(&app, directory.path(), arguments).await?;
    let options = options(directory.path(), arguments.workers);
    let measurement = Measurement::begin()?;
    let server = app.serve(options).await?;
    server.idle_for(IDLE).await;
    let elapsed = measurement.elapsed().saturating_sub(IDLE);
    measurement.report(("part", "pipeline"), arguments.events, elapsed, &[("workers", json!(arguments.workers))])?;
    Ok(server.shutdown().await?)
}

/// Serves what lies in a directory, without doors.
pub(crate) fn options(directory: &Path, workers: usize) -> ServeOptions {
    ServeOptions {
        workers: Some(workers),
        doors: false,
        data_dir: Some(directory.to_owned()),
        embedded: true,
        ..ServeOptions::default()
    }
}

/// A temporary directory in `place`, removed when dropped.
pub(crate) fn temporary_directory(place: Option<&Path>) -> Outcome<TempDir> {
    Ok(match place {
        Some(place) => tempfile::tempdir_in(place)?,
        None => tempfile::tempdir()?,
    })
}

/// Appends the tables and the repeated flights, without remembering identities.
async fn fill(app: &App, directory: &Path, arguments: &Arguments) -> Outcome<()> {
    let log = open(directory)?;
    for (topic, key) in TABLES {
        append(app, &log, topic, load_beside(&arguments.flights, topic, key)?.into_iter()).await?;
    }
    let flights = load(&arguments.flights, "tailnum")?;
    let repeated = (0..arguments.events).zip(flights.iter().cycle()).map(|(number, flight)| renamed(flight, number));
    append(app, &log, "flights", repeated).await?;
    log.close();
    Ok(())
}

/// A log that remembers no identities, to be filled.
pub(crate) fn open(directory: &Path) -> Outcome<LocalLog> {
    Ok(LocalLog::open(directory, Options { deduplication_days: 0, ..Options::default() })?)
}

pub(crate) async fn append(app: &App, log: &LocalLog, topic: &str, events: impl Iterator<Item = Event>) -> Outcome<()> {
    let name = TopicName::new(topic)?;
    let declared = app.topology().topics.get(&name).ok_or_else(|| format!("the app has no topic {topic}"))?;
    let spec = TopicSpec { name: name.clone(), partitions: declared.partitions, retention: Retention::default() };
    log.ensure(&[spec]).await?;
    let mut batch = AppendBatch::default();
    for event in events {
        let partition = partition_of(&event, declared.partitions);
        batch.records.push(NewRecord { topic: name.clone(), partition, event });
        if batch.records.len() == FILL_BATCH {
            log.append(std::mem::take(&mut batch)).await?;
        }
    }
    if !batch.records.is_empty() {
        log.append(batch).await?;
    }
    Ok(())
}
