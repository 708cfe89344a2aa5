//! The step: one event in, an [`Outcome`] out. Pure: it reads state and models through what it is handed, and writes nowhere.

use std::fmt::Write as _;

use riverrun_event::partitioner::partition_of;
use riverrun_event::{AppName, Event, Position, Record, Text, TopicName};
use riverrun_log::NewRecord;
use riverrun_topology::{Draft, Flow, Pipeline, Step, StepContext, StepError};

/// What a step decided.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Records out, in order.
    pub records: Vec<NewRecord>,
}

/// A pipeline made ready to step events.
pub struct Stepper {
    steps: Vec<Step>,
    to: TopicName,
    to_partitions: u32,
    source: Text,
}

impl Stepper {
    /// Prepares `pipeline` to write to `to`, its own output topic or that of a replay, with that many partitions.
    #[must_use]
    pub fn new(app: &AppName, pipeline: &Pipeline, to: TopicName, to_partitions: u32) -> Self {
        let source = format!("/{app}/{}", pipeline.name).into();
        Self { steps: pipeline.steps.clone(), to, to_partitions, source }
    }

    /// Steps one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event does not fit the pipeline; then nothing of it may be kept.
    pub fn step(&self, record: &Record, context: &mut StepContext<'_>) -> Result<Outcome, StepError> {
        let span = tracing::trace_span!("step", position = %record.position);
        let _entered = span.enter();
        let mut drafts = Vec::with_capacity(1);
        run(&self.steps, Draft::new(record.event.clone(), record.accepted), context, &mut drafts)?;
        let records = drafts.into_iter().enumerate().map(|(ordinal, draft)| self.output(record, ordinal, draft));
        Ok(Outcome { records: records.collect() })
    }

    /// Names an output after its cause, so that it has the same id whenever the step runs again.
    fn output(&self, cause: &Record, ordinal: usize, draft: Draft) -> NewRecord {
        let time = draft.event_time();
        let mut event = draft.into_event();
        event.time = Some(time);
        event.id = output_id(&cause.position, ordinal);
        event.source = self.source.clone();
        let attributes = &mut event.attributes;
        attributes.reserve(4);
        attributes.set("rrcause", Text::written(|text| cause.position.write_to(text)));
        attributes.set("causationid", cause.event.id.clone());
        attributes.set("causationsource", cause.event.source.clone());
        if attributes.get("correlationid").is_none() {
            attributes.set("correlationid", cause.event.id.clone());
        }
        self.place(event)
    }

    fn place(&self, event: Event) -> NewRecord {
        NewRecord { topic: self.to.clone(), partition: partition_of(&event, self.to_partitions), event }
    }
}

/// `<topic>/<partition>@<offset>/to.<n>`: the sink `to` emitted it as the n-th output of the record at that position.
fn output_id(cause: &Position, ordinal: usize) -> Text {
    Text::written(|text| {
        cause.write_to(text)?;
        write!(text, "/to.{ordinal}")
    })
}

fn run(
    steps: &[Step],
    mut draft: Draft,
    context: &mut StepContext<'_>,
    finished: &mut Vec<Draft>,
) -> Result<(), StepError> {
    let mut rest = steps;
    while let Some((step, later)) = rest.split_first() {
        rest = later;
        match step.operator.apply(&step.name, &mut draft, context)? {
            Flow::Pass => {}
            Flow::Drop => return Ok(()),
            Flow::Replace(drafts) => {
                return drafts.into_iter().try_for_each(|draft| run(rest, draft, context, finished));
            }
        }
    }
    finished.push(draft);
    Ok(())
}
