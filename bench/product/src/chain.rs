//! Five stateless steps over decoded events: the runtime's step, without log, worker or commit around it.

use std::path::PathBuf;

use bytes::Bytes;
use riverrun::App;
use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;
use riverrun_event::{
    ModelName, Offset, OperatorName, Partition, PipelineName, Record, Time, TopicName, TopicPartition,
};
use riverrun_runtime::step::{Stepper, Written};
use riverrun_topology::{Clocks, KeyedState, ModelVersion, Models, NoAnswers, StepContext, StepError, Timers};
use serde_json::json;

use crate::flights::load;

/// Outputs that are kept before they are let go, as a commit would keep them.
const BATCH: usize = 1_000;

const APP: &str = "\
app: bench
topics:
  flights: { key: data.tailnum }
pipelines:
  late:
    from: flights
    steps:
      - filter: data.air_time != null && data.arr_delay != null
      - set: { data.speed_kmh: data.distance * 1.609344 / (data.air_time / 60) }
      - map:
          carrier: data.carrier
          flight: data.flight
          tailnum: data.tailnum
          origin: data.origin
          dest: data.dest
          arr_delay: data.arr_delay
          speed_kmh: data.speed_kmh
      - rename: { data.arr_delay: data.minutes_late }
      - filter: data.minutes_late > 0
    to: late-flights
";

/// What is processed.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The flights, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many events; the flights are repeated
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Taken as the other parts take it; nothing is kept
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// A task that has neither models nor state.
struct Nothing;

/// Steps all and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let app = App::parse(APP, "riverrun.yaml")?;
    let pipeline = app.topology().pipelines.get(&PipelineName::new("late")?).ok_or("the app has no pipeline")?;
    let written = |topic: &TopicName| Written { topic: Some(topic.clone()), partitions: 4 };
    let stepper = Stepper::new(&app.topology().app, pipeline, written);
    let mut records = records(&arguments.flights)?;
    let count = u64::try_from(records.len())?;
    let mut outputs = Vec::with_capacity(BATCH);
    let mut emitted = 0;
    let measurement = Measurement::begin()?;
    for number in 0..arguments.events {
        let record = records.get_mut(usize::try_from(number % count)?).ok_or("there are no flights")?;
        record.position.offset = Offset(number);
        outputs.append(&mut step(&stepper, record)?);
        if outputs.len() >= BATCH {
            emitted += outputs.len();
            std::hint::black_box(&outputs);
            outputs.clear();
        }
    }
    emitted += outputs.len();
    measurement.report(("part", "chain"), arguments.events, measurement.elapsed(), &[("emitted", json!(emitted))])
}

fn step(stepper: &Stepper, record: &Record) -> Outcome<Vec<riverrun_log::NewRecord>> {
    let mut context = StepContext {
        models: &mut Nothing,
        state: &mut Nothing,
        answers: &mut NoAnswers,
        timers: &mut Timers::default(),
        clocks: Clocks::START,
        port: 0,
        record: Some(record),
        peeked: &mut Vec::new(),
        late: &mut Vec::new(),
        late_count: 0,
    };
    Ok(stepper.step(record, &mut context)?.records)
}

/// The flights as the log gives them out.
fn records(flights: &std::path::Path) -> Outcome<Vec<Record>> {
    let partition = TopicPartition::new(TopicName::new("flights")?, Partition(0));
    let accepted = Time::from_unix(0, 0);
    let record = |event| Record { position: partition.at(Offset(0)), accepted, event };
    Ok(load(flights, "tailnum")?.into_iter().map(record).collect())
}

impl Models for Nothing {
    fn version(&mut self, _: &ModelName, _: &[u8], _: Time) -> Result<Option<ModelVersion>, StepError> {
        Ok(None)
    }
}

impl KeyedState for Nothing {
    fn get(&mut self, _: &OperatorName, _: &[u8]) -> Result<Option<Bytes>, StepError> {
        Ok(None)
    }

    fn put(&mut self, _: &OperatorName, _: &[u8], _: Option<Bytes>) {}

    fn scan(&mut self, _: &OperatorName, _: &[u8], _: &[u8], _: usize) -> Result<Vec<(Bytes, Bytes)>, StepError> {
        Ok(Vec::new())
    }
}
