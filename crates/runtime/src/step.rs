//! The step: one event in, an [`Outcome`] out; or one timer. Pure: it reads state and models through what it is handed, and
//! writes nowhere.

use std::fmt::Write as _;

use riverrun_event::limits::FAN_OUT_BYTES_MAX;
use riverrun_event::partitioner::partition_of;
use riverrun_event::{AppName, Event, OperatorName, Position, Record, Text, TopicName};
use riverrun_log::NewRecord;
use riverrun_topology::operators::flat_map::flood;
use riverrun_topology::{Draft, EventError, Partitioner, Peeked, Pipeline, Sink, StepContext, StepError, Timer};

use crate::program::{Exit, Finished, Fired, Program};

/// What a step decided.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records out, in order.
    pub records: Vec<NewRecord>,
    /// What `peek` steps saw, in order.
    pub peeked: Vec<Peeked>,
    /// How many times an event came too late for a step.
    pub late: u64,
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
    /// The topic; none where a replay has no use for it: it reads where events have met before.
    pub topic: Option<TopicName>,
    /// How many partitions it has.
    pub partitions: u32,
}

/// What a step starts from. Outputs are named after it, so that they have the same ids whenever it runs again.
#[derive(Clone, Copy)]
enum Origin<'a> {
    Record(&'a Record),
    Timer(&'a Timer),
}

/// What a timer gave, event by event: each goes on by itself, so that one that fails behind the step spoils no other.
pub struct FiredEvents {
    fired: Fired,
    timer: Timer,
}

/// An event that a timer gave and a step behind could not process.
#[derive(Debug)]
pub struct Failed {
    /// The event as the timer's step gave it.
    pub event: Event,
    /// What it was made from.
    pub cause: Option<Position>,
    /// What went wrong.
    pub error: EventError,
}

impl Stepper {
    /// Prepares `pipeline`; `written` says what is written in the place of each of its topics.
    #[must_use]
    pub fn new(app: &AppName, pipeline: &Pipeline, written: impl Fn(&TopicName) -> Written) -> Self {
        let program = Program::new(pipeline);
        let topics = program.exits().iter().map(|exit| exit.sink.topics().map(&written).collect()).collect();
        Self { program, topics, source: format!("/{app}/{}", pipeline.name).into() }
    }

    /// Whether events of a topic come to no step: they only feed models.
    #[must_use]
    pub fn has_no_use_for(&self, topic: &TopicName) -> bool {
        self.program.entry(topic).is_none()
    }

    /// The source of the events it makes.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
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
        self.outcome(Origin::Record(record), finished, context)
    }

    /// Lets the step a timer belongs to do what it was set for; none when there is no such step any more.
    ///
    /// # Errors
    /// [`StepError::Event`] when it fails; then nothing of it may be kept.
    pub fn fire(&self, timer: Timer, context: &mut StepContext<'_>) -> Result<Option<FiredEvents>, StepError> {
        let fired = self.program.fire(&timer, context)?;
        Ok(fired.map(|fired| FiredEvents { fired, timer }))
    }

    /// Steps what a timer gave, and says of each event what became of it before the next one is stepped.
    ///
    /// # Errors
    /// [`StepError::Fatal`] as it comes, and [`StepError::Event`] where `done` gives it back.
    pub fn step_fired(
        &self,
        events: FiredEvents,
        context: &mut StepContext<'_>,
        mut done: impl FnMut(Result<Outcome, Failed>) -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let FiredEvents { fired, timer } = events;
        let mut ordinals = Ordinals(vec![0; self.topics.len()]);
        for mut draft in fired.drafts {
            let (event, cause) = (draft.rendered().clone(), draft.cause().map(|cause| cause.position.clone()));
            let mut finished = Vec::with_capacity(1);
            let ran = self.program.run_fired(fired.next, draft, context, &mut finished);
            let outcome = ran.and_then(|()| self.outcome_with(Origin::Timer(&timer), finished, context, &mut ordinals));
            match outcome {
                Ok(outcome) => done(Ok(outcome))?,
                Err(StepError::Event(error)) => done(Err(Failed { event, cause, error }))?,
                Err(fatal) => return Err(fatal),
            }
        }
        Ok(())
    }

    fn outcome(
        &self,
        origin: Origin<'_>,
        finished: Vec<Finished>,
        context: &mut StepContext<'_>,
    ) -> Result<Outcome, StepError> {
        let mut ordinals = Ordinals::new(finished.len(), self.topics.len());
        self.outcome_with(origin, finished, context, &mut ordinals)
    }

    fn outcome_with(
        &self,
        origin: Origin<'_>,
        finished: Vec<Finished>,
        context: &mut StepContext<'_>,
        ordinals: &mut Ordinals,
    ) -> Result<Outcome, StepError> {
        let mut records = Vec::with_capacity(finished.len());
        let mut bytes = 0;
        for event in finished {
            let ordinal = ordinals.next(event.exit);
            let (exit, output) = self.output(origin, ordinal, event)?;
            bytes += output.as_ref().and_then(|output| output.event.data.as_ref()).map_or(0, |data| data.len());
            if bytes > FAN_OUT_BYTES_MAX && !records.is_empty() {
                return Err(flood(&exit.name));
            }
            records.extend(output);
        }
        let late = std::mem::take(&mut context.late_count);
        Ok(Outcome { records, peeked: std::mem::take(context.peeked), late })
    }

    /// The record an event leaves as; none where a replay writes nothing.
    fn output(
        &self,
        origin: Origin<'_>,
        ordinal: usize,
        event: Finished,
    ) -> Result<(&Exit, Option<NewRecord>), StepError> {
        let Finished { exit: index, mut draft } = event;
        let lost = || StepError::Fatal("an event left where the pipeline has no exit".to_owned());
        let exit = self.program.exits().get(index).ok_or_else(lost)?;
        let chosen = match &exit.sink {
            Sink::Topic(_) => 0,
            Sink::Route(route) => route.choose(&exit.name, &mut draft)?,
        };
        let written = self.topics.get(index).and_then(|topics| topics.get(chosen)).ok_or_else(lost)?;
        let Some(topic) = written.topic.clone() else { return Ok((exit, None)) };
        if let Some(partitioner) = &exit.repartition {
            let record = dealt_out(origin, ordinal, exit, partitioner, topic, written.partitions, draft)?;
            return Ok((exit, Some(record)));
        }
        let event = self.named(origin, ordinal, exit, draft);
        let partition = partition_of(&event, written.partitions);
        Ok((exit, Some(NewRecord { topic, partition, event })))
    }

    /// Names an output after what it comes from.
    fn named(&self, origin: Origin<'_>, ordinal: usize, exit: &Exit, draft: Draft) -> Event {
        let time = draft.event_time();
        let cause = draft.cause().cloned();
        let mut event = draft.into_event();
        event.time = Some(time);
        event.id = output_id(origin, &exit.name, ordinal);
        event.source = self.source.clone();
        let (position, id, source) = match (&cause, origin) {
            (Some(cause), _) => (&cause.position, &cause.id, &cause.source),
            (None, Origin::Record(record)) => (&record.position, &record.event.id, &record.event.source),
            // What a timer made of nothing has no cause but the timer, which its id names.
            (None, Origin::Timer(_)) => return event,
        };
        let attributes = &mut event.attributes;
        attributes.reserve(4);
        attributes.set("rrcause", Text::written(|text| position.write_to(text)));
        attributes.set("causationid", id.clone());
        attributes.set("causationsource", source.clone());
        if attributes.get("correlationid").is_none() {
            attributes.set("correlationid", id.clone());
        }
        event
    }
}

/// An event on its way to where it meets others: it stays what it is, with its id and source, and only notes where it was.
fn dealt_out(
    origin: Origin<'_>,
    ordinal: usize,
    exit: &Exit,
    partitioner: &Partitioner,
    topic: TopicName,
    partitions: u32,
    mut draft: Draft,
) -> Result<NewRecord, StepError> {
    let turn = match origin {
        Origin::Record(record) => record.position.offset.0.wrapping_add(ordinal as u64),
        Origin::Timer(timer) => timer.time.unix_seconds().unsigned_abs().wrapping_add(ordinal as u64),
    };
    let partition = partitioner.partition(&exit.name, &mut draft, partitions, turn)?;
    let time = draft.event_time();
    let cause = draft.cause().map(|cause| cause.position.clone());
    let mut event = draft.into_event();
    event.time = Some(time);
    let position = match (cause, origin) {
        (Some(position), _) => Some(position),
        (None, Origin::Record(record)) => Some(record.position.clone()),
        (None, Origin::Timer(_)) => None,
    };
    if let Some(position) = position {
        event.attributes.set("rrcause", Text::written(|text| position.write_to(text)));
    }
    Ok(NewRecord { topic, partition, event })
}

/// `<topic>/<partition>@<offset>/<exit>.<n>`: the n-th output of the record at that position that left there. For a timer:
/// `<operator>/<hash of the key>/<time>/<exit>.<n>`.
fn output_id(origin: Origin<'_>, exit: &OperatorName, ordinal: usize) -> Text {
    Text::written(|text| {
        match origin {
            Origin::Record(record) => record.position.write_to(text)?,
            Origin::Timer(timer) => text.write_str(&timer_id(timer))?,
        }
        write!(text, "/{exit}.{ordinal}")
    })
}

/// `<operator>/<hash of the key>/<time>`: what a timer gave is named after it.
pub(crate) fn timer_id(timer: &Timer) -> String {
    format!("{}/{:016x}/{}", timer.operator, hash(&timer.key), timer.time)
}

/// FNV-1a, 64 bit (Fowler, Noll, Vo): short, and the same on every machine and in every version.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
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
