//! Steps records of one task into one commit. Live work and replays share it, so that they cannot differ.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{AppName, Event, Offset, OperatorName, Partition, Position, Record, TopicName, TopicPartition};
use riverrun_log::{Assigned, CommitInterval, Log, ReadError, TaskCommit, TaskId, TaskInputs};
use riverrun_topology::operators::lookup::{Calling, Question};
use riverrun_topology::{
    Clocks, EventError, Model, OnError, Operator, Pipeline, Placement, Stage, StepContext, StepError, Timers, Topology,
};
use tokio::sync::watch;

use super::timing::{Advanced, read_clocks};
use super::{Interruption, Ownership};
use crate::calls::Calls;
use crate::dead_letter::dead_letter_of;
use crate::metrics::Counts;
use crate::models::{Feed, Frontier, Lookup, ModelStore, VersionCache, is_own, look_ups_by_step, lookup::OwnModels};
use crate::overlay::{Overlay, SharedOverlay};
use crate::peeks::Peeks;
use crate::stage_name::StageName;
use crate::step::{Outcome, Stepper, Written};

/// Most bytes of what replays and timers put into one commit.
pub(crate) const COMMIT_BYTES_MAX: usize = CommitInterval::AT_ONCE.bytes;

/// A stage of a pipeline made ready for its tasks.
pub(crate) struct Stepping {
    pub(crate) pipeline: Pipeline,
    pub(crate) stage: Stage,
    pub(crate) stepper: Stepper,
    /// Whether a step of it keeps state, and may set timers.
    pub(crate) keeps_time: bool,
    /// The steps of it that ask services outside.
    look_ups: HashMap<OperatorName, Calling>,
    /// Tells the workers that such a service has answered.
    pub(crate) answered: watch::Sender<u64>,
    own: Vec<Feed>,
    pub(crate) models: Arc<ModelStore>,
    /// Where failed events go, with its partitions; a replay sets none aside.
    dead_letters: Option<(TopicName, u32)>,
}

/// A task of a pipeline or of its replay.
pub(crate) struct SteppingTask {
    pub(crate) ownership: Ownership,
    pub(crate) positions: BTreeMap<TopicPartition, Offset>,
    pub(crate) state: RefCell<Overlay>,
    pub(crate) timers: Timers,
    pub(crate) clocks: Clocks,
    /// What the clocks said at the last commit.
    pub(crate) committed_clocks: Clocks,
    pub(crate) counts: Counts,
    /// What is to be logged after the next commit.
    peeks: Peeks,
    pub(crate) last_accepted: Option<riverrun_event::Time>,
    pub(crate) own: OwnModels,
    pub(crate) cache: VersionCache,
    pub(crate) calls: Calls,
    /// Records that were looked at ahead of their turn, and what they wait for.
    pub(crate) looked_at: BTreeMap<Position, Option<Question>>,
}

/// What became of a run of records.
pub(crate) enum Stepped {
    /// All are in the commit.
    All,
    /// Those before this one are in the commit, which is large enough; this one is to come in the next.
    PausedAt(Offset),
    /// Those before this one are in the commit; the timer or record there waits for an answer from outside.
    WaitsAt(Offset, String, Question),
    /// `on_error: stop`: those before this one are in the commit.
    StoppedAt(Offset, String),
}

impl Stepping {
    /// Prepares a stage of a pipeline; `written` says what is written in the place of each of its topics.
    pub(crate) fn new(
        topology: &Topology,
        pipeline: &Pipeline,
        stage: Stage,
        written: impl Fn(&TopicName) -> Written,
        models: Arc<ModelStore>,
        dead_letters: Option<TopicName>,
    ) -> Self {
        let app: &AppName = &topology.app;
        let own = used_models(pipeline, &stage).into_iter().filter_map(|name| topology.models.get(name));
        let is_here = |model: &&Model| stage.behind.is_none() || model.placement == Placement::Copartitioned;
        let own = own.filter(is_here).filter(|model| is_own(topology, pipeline, model));
        let own = own.cloned().map(Feed::new).collect();
        let steps = pipeline.all_steps().into_iter().filter(|step| stage.steps.contains(&step.name));
        let keeps_time = steps.clone().any(|step| step.operator.is_keyed());
        let look_ups = steps.filter_map(|step| match &step.operator {
            Operator::Lookup(lookup) => Some((step.name.clone(), lookup.calling.clone())),
            _ => None,
        });
        let look_ups = look_ups.collect();
        Self {
            stepper: Stepper::new(app, pipeline, written),
            dead_letters: dead_letters.map(|topic| (topic, topology.task_count(pipeline).max(1))),
            pipeline: pipeline.clone(),
            stage,
            keeps_time,
            look_ups,
            answered: watch::Sender::new(0),
            own,
            models,
        }
    }

    /// Whether a step of it asks services outside.
    pub(crate) fn looks_up(&self) -> bool {
        !self.look_ups.is_empty()
    }

    fn cached_for(&self) -> HashMap<OperatorName, Duration> {
        let cached = self.look_ups.iter().filter_map(|(name, calling)| Some((name.clone(), calling.cache?)));
        cached.collect()
    }

    /// How a step asks.
    pub(crate) fn calling(&self, operator: &OperatorName) -> Option<&Calling> {
        self.look_ups.get(operator)
    }

    /// Whether a topic only feeds models that live in the tasks.
    pub(crate) fn only_feeds(&self, topic: &TopicName) -> bool {
        self.stepper.has_no_use_for(topic)
    }

    /// Names the stage.
    pub(crate) fn name(&self) -> StageName {
        StageName { pipeline: self.pipeline.name.clone(), behind: self.stage.behind.clone() }
    }

    /// The source of the events the pipeline makes.
    pub(crate) fn source(&self) -> &str {
        self.stepper.source()
    }

    /// The broadcast models the stage looks up.
    pub(crate) fn broadcast_models(&self) -> impl Iterator<Item = &riverrun_event::ModelName> {
        let own = |name: &riverrun_event::ModelName| self.own.iter().any(|feed| feed.model().name == *name);
        used_models(&self.pipeline, &self.stage).into_iter().filter(move |name| !own(name))
    }

    /// How far the broadcast models are known right now.
    pub(crate) fn frontier(&self) -> Frontier {
        self.models.frontier(self.broadcast_models())
    }

    /// Takes over a task.
    pub(crate) fn open(&self, assigned: Assigned) -> Result<SteppingTask, Interruption> {
        let partition = Partition(assigned.task.0);
        let own = |feed: &Feed| {
            let model = feed.model();
            let operator = riverrun_event::OperatorName::of_model(&model.name);
            (model.name.clone(), (operator, TopicPartition::new(model.from.clone(), partition)))
        };
        let clocks = if self.keeps_time { read_clocks(assigned.state.as_ref())? } else { Clocks::START };
        Ok(SteppingTask {
            ownership: Ownership { task: assigned.task, epoch: assigned.epoch },
            own: self.own.iter().map(own).collect(),
            positions: assigned.positions,
            state: RefCell::new(Overlay::new(assigned.state)),
            timers: Timers::default(),
            clocks,
            committed_clocks: clocks,
            counts: Counts::default(),
            peeks: Peeks::default(),
            last_accepted: None,
            cache: VersionCache::default(),
            calls: Calls::new(self.answered.clone(), self.cached_for()),
            looked_at: BTreeMap::new(),
        })
    }

    /// Steps `records` in order into `commit`, after the timers that each of them makes due.
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
            let offset = record.position.offset;
            match self.advance(task, record, frontier, commit)? {
                Advanced::All => {}
                Advanced::Paused => return Ok(Stepped::PausedAt(offset)),
                Advanced::Waits(timer, question) => return Ok(Stepped::WaitsAt(offset, timer, question)),
                Advanced::Stopped(reason) => return Ok(Stepped::StoppedAt(offset, reason)),
            }
            let used = task.calls.used();
            match self.step_one(task, record, frontier, true) {
                Ok(outcome) => {
                    task.state.get_mut().keep();
                    task.counts.received += 1;
                    task.counts.dropped += u64::from(outcome.records.is_empty());
                    task.count_outputs(&outcome);
                    task.peeks.add(&record.position, outcome.peeked);
                    commit.records.extend(outcome.records);
                }
                Err(StepError::Fatal(reason)) => return Err(Interruption::Restart(reason)),
                Err(StepError::Waits(question)) => {
                    task.undo();
                    task.calls.unuse(used);
                    return Ok(Stepped::WaitsAt(offset, record.position.to_string(), question));
                }
                Err(StepError::Event(error)) => {
                    task.undo();
                    if self.pipeline.on_error == OnError::Stop {
                        let reason = format!("{error} (at {}, event {:?})", record.position, record.event.id);
                        return Ok(Stepped::StoppedAt(offset, reason));
                    }
                    task.counts.received += 1;
                    let event = Event { time: Some(record.event_time()), ..record.event.clone() };
                    let position = record.position.to_string();
                    self.set_event_aside(task, event, Some(&record.position), &position, &error, commit);
                }
            }
            task.last_accepted = Some(record.accepted);
        }
        Ok(Stepped::All)
    }

    /// Looks at a record ahead of its turn, for what it will ask; nothing of it is kept.
    pub(crate) fn probe(
        &self,
        task: &mut SteppingTask,
        record: &Record,
        frontier: Option<&Frontier>,
    ) -> Result<Option<Question>, Interruption> {
        let stepped = self.step_one(task, record, frontier, false);
        task.undo();
        match stepped {
            Err(StepError::Waits(question)) => Ok(Some(question)),
            Err(StepError::Fatal(reason)) => Err(Interruption::Restart(reason)),
            // What it comes to is found when it is its turn.
            Ok(_) | Err(StepError::Event(_)) => Ok(None),
        }
    }

    fn step_one(
        &self,
        task: &mut SteppingTask,
        record: &Record,
        frontier: Option<&Frontier>,
        counts: bool,
    ) -> Result<Outcome, StepError> {
        for feed in self.own.iter().filter(|feed| feed.model().from == record.position.topic) {
            feed.apply(record, task.state.get_mut())?;
        }
        let SteppingTask { state, own, cache, timers, clocks, calls, .. } = task;
        let mut models = Lookup { store: &self.models, frontier, own, state, cache };
        let mut overlay = SharedOverlay(state);
        let (mut peeked, mut late) = (Vec::new(), Vec::new());
        // Most pipelines ask nobody, and need no name for each event.
        let cause = if self.looks_up() { record.position.to_string() } else { String::new() };
        let mut answers = calls.answers(&cause, record.accepted, counts);
        let mut context = StepContext {
            models: &mut models,
            state: &mut overlay,
            answers: &mut answers,
            timers,
            clocks: *clocks,
            port: 0,
            record: Some(record),
            peeked: &mut peeked,
            late: &mut late,
            late_count: 0,
        };
        self.stepper.step(record, &mut context)
    }

    /// Counts an event that failed, and writes its dead letter where there are any.
    pub(crate) fn set_event_aside(
        &self,
        task: &mut SteppingTask,
        event: Event,
        cause: Option<&Position>,
        place: &str,
        error: &EventError,
        commit: &mut TaskCommit,
    ) {
        let pipeline = self.pipeline.name.as_str();
        if self.pipeline.on_error == OnError::Skip {
            task.counts.skipped += 1;
            tracing::warn!(pipeline, place, %error, "an event was skipped");
            return;
        }
        task.counts.dead_letters += 1;
        match &self.dead_letters {
            Some((topic, partitions)) => {
                tracing::warn!(pipeline, place, %error, "an event became a dead letter");
                // Stages behind a repartition may have more tasks than the topic has partitions.
                let partition = Partition(task.ownership.task.0 % partitions);
                commit.records.push(dead_letter_of(topic, partition, pipeline, event, cause, error));
            }
            None => {
                tracing::debug!(pipeline, place, %error, "an event failed in a replay as before");
            }
        }
    }
}

/// The models that the steps of a stage look up, each once.
fn used_models<'p>(pipeline: &'p Pipeline, stage: &Stage) -> BTreeSet<&'p riverrun_event::ModelName> {
    let within = look_ups_by_step(pipeline).filter(|(step, _)| stage.steps.contains(*step));
    within.map(|(_, entry)| &entry.model).collect()
}

impl SteppingTask {
    /// A commit of this task that changes nothing yet.
    pub(crate) fn commit(&self) -> TaskCommit {
        TaskCommit::new(self.ownership.task, self.ownership.epoch)
    }

    /// A change of nothing but how far the inputs were read.
    pub(crate) fn positions_only(&self) -> TaskCommit {
        let mut commit = self.commit();
        commit.positions = self.positions.iter().map(|(input, next)| (input.clone(), *next)).collect();
        commit
    }

    /// Counts what came out of a step or a timer.
    pub(crate) fn count_outputs(&mut self, outcome: &Outcome) {
        self.counts.emitted += u64::try_from(outcome.records.len()).unwrap_or(u64::MAX);
        self.counts.peeked += u64::try_from(outcome.peeked.len()).unwrap_or(u64::MAX);
        self.counts.late += outcome.late;
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

/// The tasks of a stage: task n reads partition n of each input that has one.
pub(crate) fn task_inputs(topology: &Topology, pipeline: &Pipeline, stage: &Stage) -> Vec<TaskInputs> {
    let inputs = |task: u32| {
        let has = |topic: &&TopicName| topology.partitions_of(pipeline, topic).is_some_and(|count| task < count);
        let topics = stage.inputs.iter().filter(has);
        topics.map(|topic| TopicPartition::new(topic.clone(), Partition(task))).collect()
    };
    (0..stage.tasks).map(|task| TaskInputs { task: TaskId(task), inputs: inputs(task) }).collect()
}

/// What a read found.
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    /// Where the next read begins: behind the records, and behind offsets that have no record (any more).
    pub(crate) next: Offset,
    /// Whether there are as many as were asked for, and more may wait.
    pub(crate) is_full: bool,
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
    let ends = log.ends(&input.topic).map_err(interruption)?;
    let place = usize::try_from(input.partition.0).ok();
    let end = place.and_then(|place| ends.get(place)).copied().unwrap_or(next);
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
    let is_full = records.iter().map(|record| record.event.bytes()).sum::<usize>() >= bytes_max;
    Ok(Found { records, next, is_full })
}

fn interruption(error: ReadError) -> Interruption {
    match error {
        ReadError::Damaged { .. } => Interruption::Stop(error.to_string()),
        error => Interruption::Restart(error.to_string()),
    }
}
