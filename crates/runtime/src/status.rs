//! How the runtime is doing, as plain values for `/status`, health and the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use riverrun_event::{ModelName, Offset, Partition, Time, TopicName, TopicPartition};
use riverrun_log::{GroupName, ReadError, TaskId, TaskInputs};

use crate::metrics::Counts;
use crate::progress::{Progress, TaskProgress};
use crate::runtime::Runtime;
use crate::stage_name::StageName;
use crate::worker::stepping::task_inputs;

/// One pipeline, or one stage of it.
#[derive(Clone, Debug)]
pub struct PipelineStatus {
    /// Its name; behind a repartition that of the stage.
    pub name: StageName,
    /// Whether it runs.
    pub state: PipelineState,
    /// What it has done since the process started.
    pub counts: Counts,
    /// Its tasks, in order.
    pub tasks: Vec<TaskStatus>,
}

/// Whether a pipeline runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PipelineState {
    /// It runs.
    Running,
    /// It stopped in front of an event, as its `on_error: stop` asks, or because the log did.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// One task.
#[derive(Clone, Debug)]
pub struct TaskStatus {
    /// The task.
    pub task: TaskId,
    /// Records it has not processed yet.
    pub lag_events: u64,
    /// How long ago the last record it processed was accepted; 0 when nothing waits.
    pub lag_seconds: f64,
    /// When its next timer of the wall clock is due.
    pub wakes_at: Option<Time>,
    /// Its inputs.
    pub inputs: Vec<InputStatus>,
}

/// One input partition of a task.
#[derive(Clone, Debug)]
pub struct InputStatus {
    /// The input.
    pub partition: TopicPartition,
    /// The next offset to process.
    pub next: Offset,
    /// The durable end.
    pub end: Offset,
}

/// What doors have taken in for a topic, where tasks let it in.
#[derive(Clone, Debug)]
pub struct DoorStatus {
    /// The topic.
    pub topic: TopicName,
    /// What was let in since the process started: what is dropped was here before.
    pub counts: Counts,
    /// Per partition, the events that wait to be let in.
    pub waiting: Vec<u64>,
}

/// One partition of a broadcast model.
#[derive(Clone, Debug)]
pub struct ModelStatus {
    /// The model.
    pub model: ModelName,
    /// The partition of the topic that feeds it.
    pub partition: Partition,
    /// The next offset to apply.
    pub next: Offset,
    /// The durable end.
    pub end: Offset,
}

impl PipelineStatus {
    /// Whether it runs and nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == PipelineState::Running && self.tasks.iter().all(|task| task.lag_events == 0)
    }

    /// Whether a timer of the wall clock is due.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        self.tasks.iter().any(|task| task.wakes_at.is_some_and(|due| due <= now))
    }
}

impl Runtime {
    /// How the pipelines are.
    ///
    /// # Errors
    /// [`ReadError`] when the ends of their inputs cannot be read.
    pub fn pipelines(&self) -> Result<Vec<PipelineStatus>, ReadError> {
        self.running.iter().map(|(name, progress)| self.pipeline_status(name, progress)).collect()
    }

    fn pipeline_status(&self, name: &StageName, progress: &Progress) -> Result<PipelineStatus, ReadError> {
        let (counts, done) = progress.snapshot();
        let state = match progress.stopped().borrow().clone() {
            None => PipelineState::Running,
            Some(reason) => PipelineState::Stopped { reason },
        };
        let declared = self.topology.pipelines.get(&name.pipeline).and_then(|pipeline| {
            let stage = self.topology.stages(pipeline).into_iter().find(|stage| stage.behind == name.behind)?;
            Some(task_inputs(&self.topology, pipeline, &stage))
        });
        let declared = declared.unwrap_or_default();
        let elsewhere = declared.iter().filter(|task| !done.contains_key(&task.task));
        let elsewhere: Vec<TopicPartition> = elsewhere.flat_map(|task| task.inputs.clone()).collect();
        let committed = self.committed_elsewhere(&name.group(&self.topology.app), &elsewhere)?;
        let tasks = declared.into_iter().map(|task| {
            let done = done.get(&task.task);
            self.task_status(task, done, &committed)
        });
        let tasks = tasks.collect::<Result<_, ReadError>>()?;
        Ok(PipelineStatus { name: name.clone(), state, counts, tasks })
    }

    /// How far a group has committed inputs whose tasks are not of this process.
    pub(crate) fn committed_elsewhere(
        &self,
        group: &GroupName,
        inputs: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, ReadError> {
        // None is usual, and asked often: it must not cost a question to the log.
        if inputs.is_empty() {
            return Ok(BTreeMap::new());
        }
        Ok(self.log.committed(group, inputs).transpose()?.unwrap_or_default())
    }

    /// `committed` holds what other processes have committed of tasks that are theirs.
    fn task_status(
        &self,
        task: TaskInputs,
        done: Option<&TaskProgress>,
        committed: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<TaskStatus, ReadError> {
        let mut inputs = Vec::new();
        for partition in task.inputs {
            let described = self.log.describe(&partition.topic)?;
            let offsets = described.offsets_of(partition.partition).cloned().unwrap_or_default();
            // A task that has not been assigned yet has everything before it.
            let own = done.and_then(|done| done.positions.get(&partition));
            let next = own.or_else(|| committed.get(&partition)).copied().unwrap_or(offsets.start);
            inputs.push(InputStatus { partition, next, end: offsets.end });
        }
        let lag_events = inputs.iter().map(|input| input.end.0.saturating_sub(input.next.0)).sum();
        let last = done.and_then(|done| done.last_accepted).filter(|_| lag_events > 0);
        let lag_seconds = last.map_or(0.0, |accepted| Time::now().since(accepted).as_secs_f64());
        let wakes_at = done.and_then(|done| done.wakes_at);
        Ok(TaskStatus { task: task.task, lag_events, lag_seconds, wakes_at, inputs })
    }

    /// How far the broadcast models are.
    ///
    /// # Errors
    /// [`ReadError`] when the ends of their topics cannot be read.
    pub fn models(&self) -> Result<Vec<ModelStatus>, ReadError> {
        let started: BTreeSet<ModelName> =
            self.started_models.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        let mut statuses = Vec::new();
        for model in self.models.models().filter(|model| started.contains(&model.name)) {
            let ends = self.log.describe(&model.from)?.offsets;
            let reached = self.models.frontier(std::iter::once(&model.name));
            let reached = reached.0.get(&model.name).cloned().unwrap_or_default();
            for ((partition, next), offsets) in (0..).zip(reached).zip(ends) {
                let partition = riverrun_event::Partition(partition);
                statuses.push(ModelStatus { model: model.name.clone(), partition, next, end: offsets.end });
            }
        }
        Ok(statuses)
    }
}
