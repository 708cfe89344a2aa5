//! Steps records of one task into one commit. Live work and replays share it, so that they cannot differ.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use riverrun_event::{AppName, Offset, Partition, Record, TopicName, TopicPartition};
use riverrun_log::{Assigned, Log, ReadError, TaskCommit, TaskId, TaskInputs};
use riverrun_topology::{Clocks, EventError, OnError, Pipeline, StepContext, StepError, Timers, Topology};

use super::{Interruption, Ownership};
use crate::dead_letter::dead_letter;
use crate::metrics::Counts;
use crate::models::{Feed, Frontier, Lookup, ModelStore, VersionCache, is_own, look_ups, lookup::OwnModels};
use crate::overlay::{Overlay, SharedOverlay};
use crate::peeks::Peeks;
use crate::step::{Outcome, Stepper, Written};

/// Most bytes one task takes from one input partition for one commit: large enough to spread the cost of a sync, small enough
/// that a commit stays far below the log's 4 MiB cycle.
pub(crate) const READ_BYTES_MAX: usize = 512 * 1024;

/// A pipeline made ready for its tasks.
pub(crate) struct Stepping {
    pub(crate) pipeline: Pipeline,
    stepper: Stepper,
    own: Vec<Feed>,
    models: Arc<ModelStore>,
    /// Where failed events go; a replay sets none aside.
    dead_letters: Option<TopicName>,
}

/// A task of a pipeline or of its replay.
pub(crate) struct SteppingTask {
    pub(crate) ownership: Ownership,
    pub(crate) positions: BTreeMap<TopicPartition, Offset>,
    pub(crate) state: RefCell<Overlay>,
    pub(crate) counts: Counts,
    /// What is to be logged after the next commit.
    peeks: Peeks,
    pub(crate) last_accepted: Option<riverrun_event::Time>,
    own: OwnModels,
    cache: VersionCache,
}

/// What became of a run of records.
pub(crate) enum Stepped {
    /// All are in the commit.
    All,
    /// `on_error: stop`: those before this one are in the commit.
    StoppedAt(Offset, String),
}

impl Stepping {
    /// Prepares a pipeline; `written` says what is written in the place of each of its topics.
    pub(crate) fn new(
        topology: &Topology,
        pipeline: &Pipeline,
        written: impl Fn(&TopicName) -> Written,
        models: Arc<ModelStore>,
        dead_letters: Option<TopicName>,
    ) -> Self {
        let app: &AppName = &topology.app;
        let own = used_models(pipeline).filter_map(|name| topology.models.get(name));
        let own = own.filter(|model| is_own(topology, pipeline, model)).cloned().map(Feed::new).collect();
        Self { stepper: Stepper::new(app, pipeline, written), pipeline: pipeline.clone(), own, models, dead_letters }
    }

    /// The broadcast models the pipeline looks up.
    pub(crate) fn broadcast_models(&self) -> impl Iterator<Item = &riverrun_event::ModelName> {
        let own = |name: &riverrun_event::ModelName| self.own.iter().any(|feed| feed.model().name == *name);
        used_models(&self.pipeline).filter(move |name| !own(name))
    }

    /// How far the broadcast models are known right now.
    pub(crate) fn frontier(&self) -> Frontier {
        self.models.frontier(self.broadcast_models())
    }

    /// Takes over a task.
    pub(crate) fn open(&self, assigned: Assigned) -> SteppingTask {
        let partition = Partition(assigned.task.0);
        let own = |feed: &Feed| {
            let model = feed.model();
            let operator = riverrun_event::OperatorName::of_model(&model.name);
            (model.name.clone(), (operator, TopicPartition::new(model.from.clone(), partition)))
        };
        SteppingTask {
            ownership: Ownership { task: assigned.task, epoch: assigned.epoch },
            own: self.own.iter().map(own).collect(),
            positions: assigned.positions,
            state: RefCell::new(Overlay::new(assigned.state)),
            counts: Counts::default(),
            peeks: Peeks::default(),
            last_accepted: None,
            cache: VersionCache::default(),
        }
    }

    /// Steps `records` in order into `commit`.
    pub(crate) fn step_all(
        &self,
        task: &mut SteppingTask,
        records: &[Record],
        frontier: Option<&Frontier>,
        commit: &mut TaskCommit,
    ) -> Result<Stepped, Interruption> {
        if let Some(frontier) = frontier {
            task.cache.begin(frontier);
        }
        for record in records {
            task.counts.received += 1;
            task.last_accepted = Some(record.accepted);
            match self.step_one(task, record, frontier) {
                Ok(outcome) => {
                    task.state.get_mut().keep();
                    task.counts.emitted += u64::try_from(outcome.records.len()).unwrap_or(u64::MAX);
                    task.counts.dropped += u64::from(outcome.records.is_empty());
                    task.counts.peeked += u64::try_from(outcome.peeked.len()).unwrap_or(u64::MAX);
                    task.peeks.add(&record.position, outcome.peeked);
                    commit.records.extend(outcome.records);
                }
                Err(StepError::Fatal(reason)) => return Err(Interruption::Restart(reason)),
                Err(StepError::Event(error)) => {
                    task.state.get_mut().undo();
                    if self.pipeline.on_error == OnError::Stop {
                        task.counts.received -= 1;
                        let reason = format!("{error} (at {}, event {:?})", record.position, record.event.id);
                        return Ok(Stepped::StoppedAt(record.position.offset, reason));
                    }
                    self.set_aside(task, record, &error, commit);
                }
            }
        }
        Ok(Stepped::All)
    }

    fn step_one(
        &self,
        task: &mut SteppingTask,
        record: &Record,
        frontier: Option<&Frontier>,
    ) -> Result<Outcome, StepError> {
        for feed in self.own.iter().filter(|feed| feed.model().from == record.position.topic) {
            feed.apply(record, task.state.get_mut())?;
        }
        let cache = &mut task.cache;
        let mut models = Lookup { store: &self.models, frontier, own: &task.own, state: &task.state, cache };
        let mut state = SharedOverlay(&task.state);
        let mut context = StepContext {
            models: &mut models,
            state: &mut state,
            timers: &mut Timers::default(),
            clocks: Clocks::START,
            port: 0,
            record: Some(record),
            peeked: &mut Vec::new(),
            late: &mut Vec::new(),
        };
        self.stepper.step(record, &mut context)
    }

    fn set_aside(&self, task: &mut SteppingTask, record: &Record, error: &EventError, commit: &mut TaskCommit) {
        if self.pipeline.on_error == OnError::Skip {
            task.counts.skipped += 1;
            tracing::warn!(pipeline = %self.pipeline.name, position = %record.position, %error, "an event was skipped");
            return;
        }
        task.counts.dead_letters += 1;
        let pipeline = self.pipeline.name.as_str();
        match &self.dead_letters {
            Some(topic) => {
                tracing::warn!(pipeline, position = %record.position, %error, "an event became a dead letter");
                commit.records.push(dead_letter(topic, task.ownership.task, pipeline, record, error));
            }
            None => {
                tracing::debug!(pipeline, position = %record.position, %error, "an event failed in a replay as before")
            }
        }
    }
}

/// The models a pipeline's snapshots name, each once.
fn used_models(pipeline: &Pipeline) -> impl Iterator<Item = &riverrun_event::ModelName> {
    look_ups(pipeline).map(|entry| &entry.model).collect::<BTreeSet<_>>().into_iter()
}

impl SteppingTask {
    /// A commit of this task that changes nothing yet.
    pub(crate) fn commit(&self) -> TaskCommit {
        TaskCommit::new(self.ownership.task, self.ownership.epoch)
    }

    /// The counts since the last call.
    pub(crate) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// What `peek` steps saw since the last call.
    pub(crate) fn take_peeks(&mut self) -> Peeks {
        std::mem::take(&mut self.peeks)
    }
}

/// The tasks of a pipeline: task n reads partition n of each input that has one.
pub(crate) fn task_inputs(topology: &Topology, pipeline: &Pipeline) -> Vec<TaskInputs> {
    let inputs = |task: u32| {
        let has = |topic: &&TopicName| topology.topics.get(*topic).is_some_and(|declared| task < declared.partitions);
        let topics = pipeline.inputs().into_iter().filter(has);
        topics.map(|topic| TopicPartition::new(topic.clone(), Partition(task))).collect()
    };
    (0..topology.task_count(pipeline)).map(|task| TaskInputs { task: TaskId(task), inputs: inputs(task) }).collect()
}

/// What a read found.
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    /// Where the next read begins: behind the records, and behind offsets that have no record (any more).
    pub(crate) next: Offset,
}

/// Reads from `next`, or from the start where retention has removed it: what is gone cannot be processed any more. Offsets
/// without records up to the durable end are passed over, so that nobody waits for what will never come.
pub(crate) fn read_from(
    log: &dyn Log,
    input: &TopicPartition,
    next: Offset,
    bytes_max: usize,
) -> Result<Found, Interruption> {
    let found = read_kept(log, input, next, bytes_max)?;
    if !found.records.is_empty() {
        return Ok(found);
    }
    let described = log.describe(&input.topic).map_err(interruption)?;
    let end = described.offsets_of(input.partition).map_or(next, |offsets| offsets.end);
    if end <= next {
        return Ok(found);
    }
    // Records may have come between the read and the look at the end; only a read after it tells.
    let found = read_kept(log, input, next, bytes_max)?;
    Ok(if found.records.is_empty() { Found { next: end, ..found } } else { found })
}

fn read_kept(log: &dyn Log, input: &TopicPartition, next: Offset, bytes_max: usize) -> Result<Found, Interruption> {
    let records = match log.read(&input.at(next), bytes_max) {
        Err(ReadError::BelowStart { asked, start }) => {
            tracing::warn!(%asked, %start, "retention removed records before they were processed");
            log.read(&start, bytes_max)
        }
        read => read,
    };
    let records = records.map_err(interruption)?;
    let next = records.last().map_or(next, |last| last.position.offset.next());
    Ok(Found { records, next })
}

fn interruption(error: ReadError) -> Interruption {
    match error {
        ReadError::Damaged { .. } => Interruption::Stop(error.to_string()),
        error => Interruption::Restart(error.to_string()),
    }
}
