//! A replay as others see it: what to replay, how far it is, and why it cannot.

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_event::{Offset, PipelineName, Time, TopicName, TopicPartition};
use riverrun_log::{GroupName, Retention, TaskInputs, TopicSpec};

use crate::metrics::Counts;
use crate::progress::Progress;
use crate::runtime::{Runtime, StartError};
use crate::worker::replaying::Replaying;
use crate::worker::stepping::task_inputs;

/// What to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRequest {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The topic to write; created with the partitions of the pipeline's own.
    pub to: TopicName,
    /// Inputs accepted earlier are left out; from the beginning without it. A pipeline with state then gives other values.
    pub from: Option<Time>,
    /// Ignore the recorded order and frontiers.
    pub recompute: bool,
}

/// Why a replay cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No such pipeline.
    #[error("there is no pipeline {0}")]
    UnknownPipeline(PipelineName),
    /// The output topic belongs to the app already.
    #[error("topic {0} is one of the app's own topics; name a new one")]
    TopicInUse(TopicName),
    /// Something it needs could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running replay. Dropping it does not end it; the runtime's shutdown does.
#[derive(Clone)]
pub struct Replay {
    tasks: Vec<TaskInputs>,
    starts: BTreeMap<TopicPartition, Offset>,
    ends: BTreeMap<TopicPartition, Offset>,
    progress: Arc<Progress>,
}

/// How far a replay is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Input events behind it.
    pub processed: u64,
    /// Input events it will process.
    pub total: u64,
    /// What it did so far, in this run.
    pub counts: Counts,
    /// Whether every task is at its end.
    pub finished: bool,
    /// Why it stopped, if it did.
    pub stopped: Option<String>,
}

impl Runtime {
    /// Starts a replay, or goes on with one that was interrupted: its place is in the log.
    ///
    /// # Errors
    /// [`ReplayError`] when it cannot start.
    pub async fn replay(&self, request: &ReplayRequest) -> Result<Replay, ReplayError> {
        let pipeline = self.topology.pipelines.get(&request.pipeline);
        let pipeline = pipeline.ok_or_else(|| ReplayError::UnknownPipeline(request.pipeline.clone()))?;
        if self.topology.topics.contains_key(&request.to) {
            return Err(ReplayError::TopicInUse(request.to.clone()));
        }
        let partitions = self.topology.topics.get(&pipeline.to).map_or(1, |topic| topic.partitions);
        let spec = TopicSpec { name: request.to.clone(), partitions, retention: Retention::default() };
        self.log.ensure(&[spec]).await.map_err(StartError::Topics)?;
        self.start_models_of(pipeline)?;

        let app = &self.topology.app;
        let progress = Arc::new(Progress::default());
        let tasks = task_inputs(&self.topology, pipeline);
        let (starts, ends) = self.bounds(&tasks, request.from)?;
        let work = Replaying {
            log: Arc::clone(&self.log),
            stepping: self.stepping(pipeline, request.to.clone(), None),
            models: Arc::clone(&self.models),
            followed: GroupName::pipeline(app, &pipeline.name),
            recompute: request.recompute,
            starts: starts.clone(),
            ends: ends.clone(),
            label: format!("{}.replay:{}", pipeline.name, request.to),
            progress: Arc::clone(&progress),
            metrics: self.options.metrics.clone(),
            shutdown: self.shutdown.subscribe(),
        };
        let group = GroupName::replay(app, &pipeline.name, &request.to);
        self.spawn(work, group, &tasks, self.options.workers, &progress)?;
        Ok(Replay { tasks, starts, ends, progress })
    }

    /// Where a replay starts and ends in each input partition.
    #[expect(clippy::type_complexity, reason = "two maps of the same kind, named at the call")]
    fn bounds(
        &self,
        tasks: &[TaskInputs],
        from: Option<Time>,
    ) -> Result<(BTreeMap<TopicPartition, Offset>, BTreeMap<TopicPartition, Offset>), StartError> {
        let (mut starts, mut ends) = (BTreeMap::new(), BTreeMap::new());
        for input in tasks.iter().flat_map(|task| &task.inputs) {
            let described = self.log.describe(&input.topic)?;
            let offsets = described.offsets_of(input.partition).cloned().unwrap_or_default();
            let start = match from {
                Some(time) => self.log.offset_at(input, time)?,
                None => offsets.start,
            };
            starts.insert(input.clone(), start);
            ends.insert(input.clone(), offsets.end);
        }
        Ok((starts, ends))
    }
}

impl Replay {
    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> ReplayProgress {
        let (counts, tasks) = self.progress.snapshot();
        let behind = |task: &TaskInputs| -> u64 {
            let positions = tasks.get(&task.task).map(|progress| &progress.positions);
            let of_input = |input: &TopicPartition| {
                let start = self.starts.get(input).copied().unwrap_or_default();
                let end = self.ends.get(input).copied().unwrap_or_default();
                let next = positions.and_then(|positions| positions.get(input)).copied().unwrap_or(start);
                next.min(end).0.saturating_sub(start.0)
            };
            task.inputs.iter().map(of_input).sum()
        };
        let total = self
            .ends
            .iter()
            .map(|(input, end)| end.0.saturating_sub(self.starts.get(input).map_or(0, |start| start.0)));
        ReplayProgress {
            processed: self.tasks.iter().map(behind).sum(),
            total: total.sum(),
            counts,
            finished: self.tasks.iter().all(|task| tasks.get(&task.task).is_some_and(|progress| progress.finished)),
            stopped: self.progress.stopped().borrow().clone(),
        }
    }

    /// Resolves when it has finished or stopped.
    pub async fn finished(&self) -> ReplayProgress {
        loop {
            let progress = self.progress();
            if progress.finished || progress.stopped.is_some() {
                return progress;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
