//! Point reads of a view by the library: a table of flights, filled, closed and opened again, read by its keys in a scattered order.

use std::path::PathBuf;

use riverrun::App;
use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_bare::workload::{row_key, scattered};
use serde_json::json;

use crate::flights::numbered;
use crate::pipeline::{IDLE, append, open, options, temporary_directory};

const APP: &str = "\
app: bench
topics:
  flights: { partitions: 4, key: id }
pipelines:
  newest:
    from: flights
    steps:
      - table: { view: newest }
    to: passed
";

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

/// Fills the view, reads and prints the figures.
pub(crate) async fn run(arguments: &Arguments) -> Outcome<()> {
    let directory = temporary_directory(arguments.directory.as_deref())?;
    let app = App::parse(APP, "riverrun.yaml")?;
    let log = open(directory.path())?;
    append(&app, &log, "flights", numbered(&arguments.flights, arguments.rows)?.into_iter()).await?;
    log.close();
    drop(log);
    let server = app.clone().serve(options(directory.path(), 1)).await?;
    server.idle_for(IDLE).await;
    server.shutdown().await?;
    let server = app.serve(options(directory.path(), 1)).await?;
    server.idle_for(IDLE).await;
    let view = server.view("newest").ok_or("the app has no view")?;
    let keys: Vec<String> = (0..arguments.rows).map(row_key).collect();
    let mut bytes = 0_u64;
    let measurement = Measurement::begin()?;
    for number in scattered(arguments.rows).take(usize::try_from(arguments.events)?) {
        let key = keys.get(usize::try_from(number)?).ok_or("a row that is none")?;
        let row = view.get_json(key.as_bytes())?.ok_or("a row is missing")?;
        bytes += u64::try_from(row.len())?;
    }
    measurement.report(("part", "views"), arguments.events, measurement.elapsed(), &[("bytes", json!(bytes))])?;
    Ok(server.shutdown().await?)
}
