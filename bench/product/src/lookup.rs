//! A lookup that takes its time: one partition, a key for each event, an async function behind which a slow service would stand.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use riverrun::App;
use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;

use crate::flights::numbered;
use crate::pipeline::{IDLE, append, open, options, temporary_directory};

/// As many calls at once as are made without saying so.
const APP: &str = "\
app: bench
topics:
  flights: { partitions: 1, key: id }
pipelines:
  asked:
    from: flights
    steps:
      - lookup: { call: service, with: key, as: data.answer }
    to: answered
";

/// What is asked.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many events, each with a key of its own
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// How long an answer takes, in milliseconds
    #[arg(long, default_value_t = 50)]
    service_ms: u64,
    /// Where the temporary directory is made; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Fills a log, asks and prints the figures.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<()> {
    let directory = temporary_directory(arguments.directory.as_deref())?;
    let service = Duration::from_millis(arguments.service_ms);
    let app = App::parse(APP, "riverrun.yaml")?.lookup("service", move |_| async move {
        tokio::time::sleep(service).await;
        Ok(Bytes::from_static(b"true"))
    });
    let log = open(directory.path())?;
    append(&app, &log, "flights", numbered(&arguments.flights, arguments.events)?.into_iter()).await?;
    log.close();
    drop(log);
    let measurement = Measurement::begin()?;
    let server = app.serve(options(directory.path(), 1)).await?;
    server.idle_for(IDLE).await;
    let elapsed = measurement.elapsed().saturating_sub(IDLE);
    measurement.report(("part", "lookup"), arguments.events, elapsed, &[])?;
    Ok(server.shutdown().await?)
}
