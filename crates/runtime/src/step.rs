//! The step: one event in, an [`Outcome`] out. Pure: it reads state and models through what it is handed, and writes nowhere.

use std::fmt::Write as _;

use riverrun_event::limits::FAN_OUT_BYTES_MAX;
use riverrun_event::partitioner::partition_of;
use riverrun_event::{AppName, Event, OperatorName, Record, Text, TopicName};
use riverrun_log::NewRecord;
use riverrun_topology::operators::flat_map::flood;
use riverrun_topology::{Draft, Peeked, Pipeline, Sink, StepContext, StepError};

use crate::program::{Exit, Finished, Program};

/// What a step decided.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records out, in order.
    pub records: Vec<NewRecord>,
    /// What `peek` steps saw, in order.
    pub peeked: Vec<Peeked>,
}

/// A pipeline made ready to step events.
pub struct Stepper {
    program: Program,
    /// For each exit of the program the topics it writes, in the order of its sink.
    topics: Vec<Vec<Written>>,
    source: Text,
}

/// A topic that is written, the pipeline's own or that of a replay.
#[derive(Clone, Debug)]
pub struct Written {
    /// The topic.
    pub topic: TopicName,
    /// How many partitions it has.
    pub partitions: u32,
}

impl Stepper {
    /// Prepares `pipeline`; `written` says what is written in the place of each of its topics.
    #[must_use]
    pub fn new(app: &AppName, pipeline: &Pipeline, written: impl Fn(&TopicName) -> Written) -> Self {
        let program = Program::new(pipeline);
        let topics = program.exits().iter().map(|exit| exit.sink.topics().map(&written).collect()).collect();
        Self { program, topics, source: format!("/{app}/{}", pipeline.name).into() }
    }

    /// Steps one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event does not fit the pipeline; then nothing of it may be kept.
    pub fn step(&self, record: &Record, context: &mut StepContext<'_>) -> Result<Outcome, StepError> {
        let span = tracing::trace_span!("step", position = %record.position);
        let _entered = span.enter();
        let mut finished = Vec::with_capacity(1);
        let draft = Draft::new(record.event.clone(), record.accepted);
        self.program.run(&record.position.topic, draft, context, &mut finished)?;
        let mut records = Vec::with_capacity(finished.len());
        let mut ordinals = Ordinals::new(finished.len(), self.topics.len());
        let mut bytes = 0;
        for event in finished {
            let ordinal = ordinals.next(event.exit);
            let (exit, output) = self.output(record, ordinal, event)?;
            bytes += output.event.data.as_ref().map_or(0, |data| data.len());
            if bytes > FAN_OUT_BYTES_MAX && !records.is_empty() {
                return Err(flood(&exit.name));
            }
            records.push(output);
        }
        Ok(Outcome { records, peeked: std::mem::take(context.peeked) })
    }

    /// Names an output after its cause, so that it has the same id whenever the step runs again.
    fn output(&self, cause: &Record, ordinal: usize, event: Finished) -> Result<(&Exit, NewRecord), StepError> {
        let Finished { exit: index, mut draft } = event;
        let lost = || StepError::Fatal("an event left where the pipeline has no exit".to_owned());
        let exit = self.program.exits().get(index).ok_or_else(lost)?;
        let chosen = match &exit.sink {
            Sink::Topic(_) => 0,
            Sink::Route(route) => route.choose(&exit.name, &mut draft)?,
        };
        let written = self.topics.get(index).and_then(|topics| topics.get(chosen)).ok_or_else(lost)?;
        let time = draft.event_time();
        let mut event = draft.into_event();
        event.time = Some(time);
        event.id = output_id(cause, &exit.name, ordinal);
        event.source = self.source.clone();
        let attributes = &mut event.attributes;
        attributes.reserve(4);
        attributes.set("rrcause", Text::written(|text| cause.position.write_to(text)));
        attributes.set("causationid", cause.event.id.clone());
        attributes.set("causationsource", cause.event.source.clone());
        if attributes.get("correlationid").is_none() {
            attributes.set("correlationid", cause.event.id.clone());
        }
        Ok((exit, written.place(event)))
    }
}

impl Written {
    fn place(&self, event: Event) -> NewRecord {
        NewRecord { topic: self.topic.clone(), partition: partition_of(&event, self.partitions), event }
    }
}

/// `<topic>/<partition>@<offset>/<exit>.<n>`: the n-th output of the record at that position that left there.
fn output_id(cause: &Record, exit: &OperatorName, ordinal: usize) -> Text {
    Text::written(|text| {
        cause.position.write_to(text)?;
        write!(text, "/{exit}.{ordinal}")
    })
}

/// Counts outputs per exit. One output, the common case, needs no memory for that.
struct Ordinals(Vec<usize>);

impl Ordinals {
    fn new(events: usize, exits: usize) -> Self {
        Self(if events > 1 { vec![0; exits] } else { Vec::new() })
    }

    fn next(&mut self, exit: usize) -> usize {
        let Some(count) = self.0.get_mut(exit) else { return 0 };
        *count += 1;
        *count - 1
    }
}
