//! A replay as others see it: what to replay, how far it is, and why it cannot.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use riverrun_event::{NameError, Offset, PipelineName, Time, TopicName, TopicPartition};
use riverrun_log::{GroupName, Membership, ReadError, Retention, TaskInputs, TopicSpec};
use riverrun_topology::{Pipeline, Stage};

use crate::claim::{Claim, Refused};
use crate::metrics::Counts;
use crate::progress::Progress;
use crate::runtime::{Runtime, StartError};
use crate::stage_name::StageName;
use crate::worker::replaying::Replaying;
use crate::worker::stepping::task_inputs;

/// What to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRequest {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The topic to write; created with the partitions of the pipeline's own. A pipeline that writes several topics writes
    /// `<to>.<topic>` for each of them.
    pub to: TopicName,
    /// Inputs accepted earlier are left out; from the beginning without it. A pipeline with state then gives other values.
    pub from: Option<Time>,
    /// Ignore the recorded order and frontiers.
    pub recompute: bool,
    /// Ask services outside where the recorded run has no answer of theirs; without it such a replay stops there.
    pub ask: bool,
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
    /// The output topic holds records that this replay did not write.
    #[error("topic {topic} holds {holds}; a replay of {asked} needs a topic of its own")]
    TopicHolds {
        /// The topic.
        topic: TopicName,
        /// What is in it, or is being written to it.
        holds: String,
        /// What was asked for.
        asked: String,
    },
    /// The pipeline writes several topics, and the name of one of those that are to be written for them cannot be.
    #[error("the topic {topic} cannot be written: {reason}; name a shorter one")]
    TopicName {
        /// The name.
        topic: String,
        /// Why not.
        reason: NameError,
    },
    /// Something it needs could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// A running replay. Dropping it does not end it; the runtime's shutdown does.
#[derive(Clone)]
pub struct Replay {
    request: ReplayRequest,
    /// The topics it writes.
    topics: Vec<TopicName>,
    stages: Vec<StageReplay>,
}

/// The replay of one stage of the pipeline. A stage behind a repartition reads where the events have met before: their order
/// there counts.
#[derive(Clone)]
struct StageReplay {
    tasks: Vec<TaskInputs>,
    starts: BTreeMap<TopicPartition, Offset>,
    ends: BTreeMap<TopicPartition, Offset>,
    progress: Arc<Progress>,
}

/// The topic a replay writes, by the one it stands for.
type Written = BTreeMap<TopicName, TopicName>;

/// How far a replay is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Starts a replay, or goes on with one that was interrupted: its place is in the log. One that runs already is not started
    /// again; both callers watch the same.
    ///
    /// # Errors
    /// [`ReplayError`] when it cannot start.
    pub async fn replay(&self, request: &ReplayRequest) -> Result<Replay, ReplayError> {
        let pipeline = self.topology.pipelines.get(&request.pipeline);
        let pipeline = pipeline.ok_or_else(|| ReplayError::UnknownPipeline(request.pipeline.clone()))?;
        self.check_transformers(pipeline)?;
        let written = request.written(pipeline)?;
        if let Some(topic) = written.values().find(|topic| self.topology.topics.contains_key(topic)) {
            return Err(ReplayError::TopicInUse(topic.clone()));
        }
        // One at a time, so that two callers cannot both find a topic free.
        let _asking = self.asking.lock().await;
        if let Some(running) = self.running_replay(&written) {
            return if running.request == *request {
                Ok(running)
            } else {
                Err(request.refused(running.request.kind()))
            };
        }
        let mut holds_records = false;
        for topic in written.values() {
            holds_records |= self.holds_records(topic)?;
        }
        let spec = |(own, topic): (&TopicName, &TopicName)| TopicSpec {
            name: topic.clone(),
            partitions: self.partitions_of(own),
            retention: Retention::default(),
        };
        self.log.ensure(&written.iter().map(spec).collect::<Vec<_>>()).await.map_err(StartError::Topics)?;
        let stages = self.topology.stages(pipeline);
        for stage in &stages {
            self.claim(request, pipeline, stage, holds_records).await?;
        }
        let replay = self.start_replay(pipeline, request, written, stages)?;
        self.replays.lock().unwrap_or_else(PoisonError::into_inner).push(replay.clone());
        Ok(replay)
    }

    /// Whether a replay is being started or has not come to its end.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.asking.try_lock().is_err()
            || self.replays.lock().unwrap_or_else(PoisonError::into_inner).iter().any(Replay::is_running)
    }

    /// The replay that writes one of the topics right now; forgets those that are over.
    fn running_replay(&self, written: &Written) -> Option<Replay> {
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        replays.retain(Replay::is_running);
        let writes = |replay: &&Replay| written.values().any(|topic| replay.topics.contains(topic));
        replays.iter().find(writes).cloned()
    }

    async fn claim(
        &self,
        request: &ReplayRequest,
        pipeline: &Pipeline,
        stage: &Stage,
        holds_records: bool,
    ) -> Result<(), ReplayError> {
        let group = self.replay_group(request, stage);
        let tasks = task_inputs(&self.topology, pipeline, stage);
        let claim = Claim {
            log: Arc::clone(&self.log),
            membership: Membership { group, tasks, seat: 0, seats: 1, takes_over: false },
            asked: request.kind(),
            holds_records,
            metrics: self.options.metrics.clone(),
        };
        claim.make().await.map_err(|refused| match refused {
            Refused::Holds(holds) => request.refused(holds),
            Refused::Failed(reason) => StartError::Read(ReadError::Failed(reason)).into(),
        })
    }

    fn holds_records(&self, topic: &TopicName) -> Result<bool, StartError> {
        match self.log.describe(topic) {
            Ok(described) => Ok(described.offsets.iter().any(|offsets| offsets.end > Offset(0))),
            Err(ReadError::UnknownTopic(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn start_replay(
        &self,
        pipeline: &Pipeline,
        request: &ReplayRequest,
        written: Written,
        stages: Vec<Stage>,
    ) -> Result<Replay, StartError> {
        self.start_models_of(pipeline)?;
        let start = |stage: Stage| self.start_stage_replay(pipeline, request, &written, stage);
        let stages = stages.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Replay { request: request.clone(), topics: written.into_values().collect(), stages })
    }

    fn start_stage_replay(
        &self,
        pipeline: &Pipeline,
        request: &ReplayRequest,
        written: &Written,
        stage: Stage,
    ) -> Result<StageReplay, StartError> {
        let progress = Arc::new(Progress::default());
        let group = self.replay_group(request, &stage);
        let tasks = task_inputs(&self.topology, pipeline, &stage);
        let (starts, ends) = self.bounds(&tasks, request.from)?;
        let stepping = self.stepping(pipeline, stage, |topic| written.get(topic).cloned(), None);
        let name = stepping.name();
        let work = Replaying {
            log: Arc::clone(&self.log),
            model_ends: self.ends_of_models(&stepping)?,
            stepping,
            models: Arc::clone(&self.models),
            followed: name.group(&self.topology.app),
            recompute: request.recompute,
            asks: request.ask,
            starts: starts.clone(),
            ends: ends.clone(),
            label: format!("{name}.replay:{}", request.to),
            progress: Arc::clone(&progress),
            metrics: self.options.metrics.clone(),
            shutdown: self.shutdown.subscribe(),
        };
        self.spawn(work, group, &tasks, self.options.workers, &progress)?;
        Ok(StageReplay { tasks, starts, ends, progress })
    }

    fn replay_group(&self, request: &ReplayRequest, stage: &Stage) -> GroupName {
        let name = StageName { pipeline: request.pipeline.clone(), behind: stage.behind.clone() };
        name.replay_group(&self.topology.app, &request.to)
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

impl ReplayRequest {
    /// What the records of its topic are: those of another kind cannot stand beside them.
    pub(crate) fn kind(&self) -> String {
        let from = self.from.map_or_else(|| "the beginning".to_owned(), |time| time.to_string());
        let how = if self.recompute { "recomputed" } else { "as recorded" };
        format!("{} from {from}, {how}", self.pipeline)
    }

    /// The topic that is written in the place of each of the pipeline's own.
    fn written(&self, pipeline: &Pipeline) -> Result<Written, ReplayError> {
        let outputs = pipeline.outputs();
        if let [output] = *outputs {
            return Ok(Written::from([(output.clone(), self.to.clone())]));
        }
        let below = |output: &TopicName| {
            let topic = format!("{}.{output}", self.to);
            let name = TopicName::new(&topic).map_err(|reason| ReplayError::TopicName { topic, reason })?;
            Ok((output.clone(), name))
        };
        outputs.into_iter().map(below).collect()
    }

    pub(crate) fn refused(&self, holds: String) -> ReplayError {
        ReplayError::TopicHolds { topic: self.to.clone(), holds, asked: self.kind() }
    }
}

impl Replay {
    /// The topics it writes.
    #[must_use]
    pub fn topics(&self) -> &[TopicName] {
        &self.topics
    }

    fn is_running(&self) -> bool {
        let progress = self.progress();
        !progress.finished && progress.stopped.is_none()
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> ReplayProgress {
        let mut stages = self.stages.iter().map(StageReplay::progress);
        let first = stages.next().unwrap_or_default();
        stages.fold(first, |mut all, stage| {
            all.processed += stage.processed;
            all.total += stage.total;
            all.counts.add(stage.counts);
            all.finished &= stage.finished;
            all.stopped = all.stopped.or(stage.stopped);
            all
        })
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

impl StageReplay {
    fn progress(&self) -> ReplayProgress {
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
}
