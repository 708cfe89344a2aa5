//! Starts and stops everything that runs: models, pipelines, replays; and says how they are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use riverrun_event::{ModelName, Partition, PipelineName, TopicName, TopicPartition};
use riverrun_log::{Compaction, Followed, GroupName, Log, Membership, Retention, TaskId, TaskInputs, TopicSpec};
use riverrun_topology::{Compact, Pipeline, Stage, Topic, Topology, TopologyError};
use tokio::sync::watch;

use crate::clock::WallClock;
use crate::entrances::{self, Entrances};
use crate::execution::Execution;
use crate::kept_state::{Dropped, KeptState};
use crate::metrics::Metrics;
use crate::models::{Feed, Frontier, ModelStore, is_own};
use crate::peeks::PeekLog;
use crate::progress::Progress;
use crate::replay::Replay;
use crate::stage_name::StageName;
use crate::step::Written;
use crate::views::Views;
use crate::worker::live::{Live, model_ends};
use crate::worker::model::Modelling;
use crate::worker::stepping::{Stepping, task_inputs};
use crate::worker::{Interruption, Work, Worker};

/// What to run.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// Worker threads per pipeline; never more than it has tasks.
    pub workers: usize,
    /// Which pipelines run; all without it.
    pub pipelines: Option<Vec<PipelineName>>,
    /// Where to count.
    pub metrics: Metrics,
    /// What says when timers are due while nothing comes in.
    pub clock: WallClock,
    /// Whether state is deleted whose step is gone or has changed its meaning, instead of refusing to start.
    pub drop_state: bool,
    /// How events of doors are deduplicated where the log does not do it.
    pub entrances: Option<Entrances>,
}

/// Why the runtime did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The topology cannot run.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Topology(Vec<TopologyError>),
    /// A pipeline is named that does not exist.
    #[error("there is no pipeline {asked}; there are: {known}")]
    UnknownPipeline {
        /// The name asked for.
        asked: PipelineName,
        /// The names there are.
        known: String,
    },
    /// Steps that keep state are gone or have changed, and their state would be left behind.
    #[error("{}", state_left_behind(.0))]
    StateLeftBehind(Vec<Dropped>),
    /// The state of a pipeline could not be looked at.
    #[error("the state of pipeline {pipeline} cannot be read: {reason}")]
    State {
        /// The pipeline.
        pipeline: PipelineName,
        /// Why.
        reason: String,
    },
    /// A declared topic has the name of another one's entrance.
    #[error("topic {entrance} is where doors put the events of topic {topic}; give it another name")]
    EntranceTaken {
        /// The topic with doors.
        topic: TopicName,
        /// The name that is taken.
        entrance: TopicName,
    },
    /// Topics could not be created.
    #[error(transparent)]
    Topics(#[from] riverrun_log::EnsureError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] riverrun_log::ReadError),
    /// A thread could not be started.
    #[error("a worker thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running parts of an app.
pub struct Runtime {
    pub(crate) topology: Arc<Topology>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) models: Arc<ModelStore>,
    pub(crate) views: Views,
    pub(crate) options: RuntimeOptions,
    execution: Execution,
    pub(crate) shutdown: watch::Sender<bool>,
    pub(crate) running: BTreeMap<StageName, Arc<Progress>>,
    /// Of what lets events in, per topic.
    pub(crate) doors: BTreeMap<TopicName, Arc<Progress>>,
    pub(crate) started_models: Mutex<BTreeMap<ModelName, Arc<Progress>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Replays that were asked for, until they are over.
    pub(crate) replays: Mutex<Vec<Replay>>,
    /// Held while a replay is being started.
    pub(crate) asking: tokio::sync::Mutex<()>,
}

impl Runtime {
    /// Checks the topology, creates its topics and starts its models and pipelines.
    ///
    /// # Errors
    /// [`StartError`] when it cannot run; nothing runs then.
    pub async fn start(
        topology: Arc<Topology>,
        log: Arc<dyn Log>,
        options: RuntimeOptions,
    ) -> Result<Self, StartError> {
        Self::start_in(Execution::Threads, topology, log, options).await
    }

    /// The same without threads, for tests: workers run on the caller's thread, while the `LocalSet` this is called in runs.
    ///
    /// # Errors
    /// [`StartError`] when it cannot run; nothing runs then.
    pub async fn start_local(
        topology: Arc<Topology>,
        log: Arc<dyn Log>,
        options: RuntimeOptions,
    ) -> Result<Self, StartError> {
        Self::start_in(Execution::Local, topology, log, options).await
    }

    async fn start_in(
        execution: Execution,
        topology: Arc<Topology>,
        log: Arc<dyn Log>,
        options: RuntimeOptions,
    ) -> Result<Self, StartError> {
        let mut problems = topology.check();
        // A pipeline that does not run here needs no transformers; a replay of it is refused.
        problems.retain(|problem| match (problem.lacks_in(), &options.pipelines) {
            (Some(pipeline), Some(wanted)) => wanted.contains(pipeline),
            _ => true,
        });
        if !problems.is_empty() {
            return Err(StartError::Topology(problems));
        }
        let mut specs = topic_specs(&topology);
        specs.extend(options.entrances.iter().flat_map(|_| entrances::topic_specs(&topology)));
        log.ensure(&specs).await?;
        let mut runtime = Self {
            models: Arc::new(ModelStore::new(&topology, broadcast_models(&topology))),
            views: Views::new(&topology),
            topology,
            log,
            options,
            execution,
            shutdown: watch::Sender::new(false),
            running: BTreeMap::new(),
            doors: BTreeMap::new(),
            started_models: Mutex::default(),
            threads: Mutex::default(),
            replays: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        };
        let wanted = runtime.wanted()?;
        runtime.settle_state(&wanted).await?;
        for pipeline in wanted {
            runtime.start_pipeline(&pipeline)?;
        }
        runtime.start_doors()?;
        Ok(runtime)
    }

    /// A pipeline that does not run here may lack transformers; what steps through it must not.
    pub(crate) fn check_transformers(&self, pipeline: &Pipeline) -> Result<(), StartError> {
        let lacking = self.topology.lacking(&pipeline.name);
        if lacking.is_empty() { Ok(()) } else { Err(StartError::Topology(lacking)) }
    }

    fn wanted(&self) -> Result<Vec<Pipeline>, StartError> {
        let all = &self.topology.pipelines;
        let Some(names) = &self.options.pipelines else { return Ok(all.values().cloned().collect()) };
        let find = |name: &PipelineName| {
            all.get(name).cloned().ok_or_else(|| StartError::UnknownPipeline { asked: name.clone(), known: known(all) })
        };
        names.iter().map(find).collect()
    }

    /// Sees to it that every state in the log belongs to a step, before anything runs.
    async fn settle_state(&self, pipelines: &[Pipeline]) -> Result<(), StartError> {
        let mut left_behind = Vec::new();
        for pipeline in pipelines {
            let kept = KeptState {
                log: Arc::clone(&self.log),
                topology: Arc::clone(&self.topology),
                pipeline: pipeline.clone(),
                metrics: self.options.metrics.clone(),
                may_drop: self.options.drop_state,
            };
            let settled = match self.execution {
                Execution::Threads => kept.settle().await,
                Execution::Local => kept.settle_here(|_| Duration::ZERO).await,
            };
            let failed = |reason| StartError::State { pipeline: pipeline.name.clone(), reason };
            left_behind.extend(settled.map_err(failed)?);
        }
        if self.options.drop_state {
            for dropped in &left_behind {
                tracing::warn!(%dropped, "state was deleted");
            }
            return Ok(());
        }
        if left_behind.is_empty() { Ok(()) } else { Err(StartError::StateLeftBehind(left_behind)) }
    }

    fn start_pipeline(&mut self, pipeline: &Pipeline) -> Result<(), StartError> {
        self.start_models_of(pipeline)?;
        let stages = self.topology.stages(pipeline);
        stages.into_iter().try_for_each(|stage| self.start_stage(pipeline, stage))
    }

    fn start_stage(&mut self, pipeline: &Pipeline, stage: Stage) -> Result<(), StartError> {
        let dead_letters = Some(TopicName::dead_letters_of(&pipeline.name));
        let tasks = task_inputs(&self.topology, pipeline, &stage);
        let stepping = self.stepping(pipeline, stage, |topic| Some(topic.clone()), dead_letters);
        let name = stepping.name();
        let models_at_start = self.ends_of_models(&stepping)?;
        let model_tasks = self.model_tasks(&stepping);
        let progress = Arc::new(Progress::default());
        let work = Live {
            log: Arc::clone(&self.log),
            topology: Arc::clone(&self.topology),
            stepping,
            models: Arc::clone(&self.models),
            models_at_start,
            model_tasks,
            progress: Arc::clone(&progress),
            peek_log: PeekLog::new(),
            metrics: self.options.metrics.clone(),
            clock: self.options.clock.clone(),
            views: self.views.of_stage(&name),
            label: name.to_string(),
            shutdown: self.shutdown.subscribe(),
        };
        self.spawn(work, name.group(&self.topology.app), &tasks, self.options.workers, &progress)?;
        self.running.insert(name, progress);
        Ok(())
    }

    /// The views of the app.
    #[must_use]
    pub fn views(&self) -> &Views {
        &self.views
    }

    fn model_tasks(&self, stepping: &Stepping) -> Vec<(ModelName, Arc<Progress>)> {
        let started = self.started_models.lock().unwrap_or_else(PoisonError::into_inner);
        let of_model = |name: &ModelName| Some((name.clone(), Arc::clone(started.get(name)?)));
        stepping.broadcast_models().filter_map(of_model).collect()
    }

    pub(crate) fn ends_of_models(&self, stepping: &Stepping) -> Result<Frontier, StartError> {
        model_ends(self.log.as_ref(), &self.topology, stepping.broadcast_models()).map_err(|interruption| {
            match interruption {
                Interruption::Restart(reason) | Interruption::Stop(reason) => {
                    StartError::Read(riverrun_log::ReadError::Failed(reason))
                }
            }
        })
    }

    /// Prepares a stage of a pipeline; `named` gives the name of the topic that is written in the place of each of its own.
    pub(crate) fn stepping(
        &self,
        pipeline: &Pipeline,
        stage: Stage,
        named: impl Fn(&TopicName) -> Option<TopicName>,
        dead_letters: Option<TopicName>,
    ) -> Stepping {
        let partitions = |topic: &TopicName| self.topology.partitions_of(pipeline, topic).unwrap_or(1);
        let written = |topic: &TopicName| Written { topic: named(topic), partitions: partitions(topic) };
        Stepping::new(&self.topology, pipeline, stage, written, Arc::clone(&self.models), dead_letters)
    }

    pub(crate) fn partitions_of(&self, topic: &TopicName) -> u32 {
        self.topology.topics.get(topic).map_or(1, |topic| topic.partitions)
    }

    /// Starts the broadcast models a pipeline needs, where they do not run yet.
    pub(crate) fn start_models_of(&self, pipeline: &Pipeline) -> Result<(), StartError> {
        let stages = self.topology.stages(pipeline).into_iter();
        let steppings: Vec<Stepping> =
            stages.map(|stage| self.stepping(pipeline, stage, |topic| Some(topic.clone()), None)).collect();
        for name in steppings.iter().flat_map(Stepping::broadcast_models) {
            let mut started = self.started_models.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(model) = self.topology.models.get(name).filter(|_| !started.contains_key(name)) else { continue };
            let progress = Arc::new(Progress::default());
            let group = GroupName::model(&self.topology.app, name);
            let partitions = self.topology.topics.get(&model.from).map_or(0, |topic| topic.partitions);
            let tasks = task_per_partition(&model.from, partitions);
            let followed = self.follow(name, &group, &tasks)?;
            let work = Modelling {
                log: Arc::clone(&self.log),
                feed: Feed::new(model.clone()),
                label: format!("model:{name}"),
                dead_letters: TopicName::dead_letters_of_model(name),
                store: Arc::clone(&self.models),
                progress: Arc::clone(&progress),
                metrics: self.options.metrics.clone(),
                followed,
            };
            self.spawn(work, group, &tasks, 1, &progress)?;
            started.insert(name.clone(), progress);
        }
        Ok(())
    }

    /// Shows the states of all partitions of a model, of which other processes may own some: every process reads all of it.
    fn follow(
        &self,
        model: &ModelName,
        group: &GroupName,
        tasks: &[TaskInputs],
    ) -> Result<Vec<(TopicPartition, Followed)>, StartError> {
        let mut all = Vec::new();
        for TaskInputs { task, inputs } in tasks {
            let (Some(followed), Some(input)) = (self.log.follow(group, *task), inputs.first()) else { continue };
            let followed = followed?;
            let next = followed.positions.borrow().get(input).copied().unwrap_or_default();
            self.models.publish(model, input.partition, Arc::clone(&followed.state), next);
            all.push((input.clone(), followed));
        }
        Ok(all)
    }

    /// Starts the workers of a group.
    pub(crate) fn spawn<W: Work>(
        &self,
        work: W,
        group: GroupName,
        tasks: &[TaskInputs],
        workers: usize,
        progress: &Arc<Progress>,
    ) -> Result<(), StartError> {
        let seats = u32::try_from(workers.clamp(1, tasks.len().max(1))).unwrap_or(1);
        let label = work.label().to_owned();
        self.options.metrics.introduce(&label);
        let work = Arc::new(work);
        for seat in 0..seats {
            let worker = Worker {
                log: Arc::clone(&self.log),
                membership: Membership { group: group.clone(), tasks: tasks.to_vec(), seat, seats, takes_over: false },
                work: Arc::clone(&work),
                progress: Arc::clone(progress),
                metrics: self.options.metrics.clone(),
                clock: self.options.clock.clone(),
                shutdown: self.shutdown.subscribe(),
            };
            let thread = self.execution.start(format!("{label}-{seat}"), worker, Arc::clone(progress))?;
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).extend(thread);
        }
        Ok(())
    }

    /// Resolves with the pipeline and reason when one stops.
    pub async fn stopped(&self) -> (PipelineName, String) {
        let mut receivers: Vec<_> = self.running.iter().map(|(name, progress)| (name, progress.stopped())).collect();
        loop {
            for (name, receiver) in &mut receivers {
                if let Some(reason) = receiver.borrow_and_update().clone() {
                    return (name.pipeline.clone(), reason);
                }
            }
            // Stops are rare and final, so looking now and then is enough.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// Lets every worker commit what it has in hand, then ends them. Blocks until they have.
    pub fn shutdown(&self) {
        self.shutdown.send_replace(true);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(worker = name, "a worker had panicked");
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Tasks that read one partition of a topic each, with its number.
pub(crate) fn task_per_partition(topic: &TopicName, partitions: u32) -> Vec<TaskInputs> {
    let input = |number| TopicPartition::new(topic.clone(), Partition(number));
    (0..partitions).map(|number| TaskInputs { task: TaskId(number), inputs: vec![input(number)] }).collect()
}

/// Every topic the log must have: the declared ones and those of dead letters.
#[must_use]
pub fn topic_specs(topology: &Topology) -> Vec<TopicSpec> {
    let kept_for_ever = |name, partitions| TopicSpec { name, partitions, retention: Retention::default() };
    let declared = topology.topics.values().map(|topic| TopicSpec {
        name: topic.name.clone(),
        partitions: topic.partitions,
        retention: Retention {
            age: topic.retention_age,
            partition_bytes: topic.retention_bytes,
            compaction: topic.compact.map(|compact| compaction(topology, topic, compact)),
        },
    });
    let of_pipelines = topology.pipelines.values().map(|pipeline| {
        kept_for_ever(TopicName::dead_letters_of(&pipeline.name), topology.task_count(pipeline).max(1))
    });
    let meetings = topology.pipelines.values().flat_map(|pipeline| topology.meeting_topics(pipeline));
    let meetings = meetings.map(|meeting| TopicSpec {
        name: meeting.name,
        partitions: meeting.partitions,
        retention: Retention { age: meeting.retention, ..Retention::default() },
    });
    let of_models = topology.models.values().map(|model| {
        let partitions = topology.topics.get(&model.from).map_or(1, |topic| topic.partitions);
        kept_for_ever(TopicName::dead_letters_of_model(&model.name), partitions)
    });
    declared.chain(meetings).chain(of_pipelines).chain(of_models).collect()
}

/// What lies within the longest history of the models it feeds stays whole.
fn compaction(topology: &Topology, topic: &Topic, compact: Compact) -> Compaction {
    let fed = topology.models.values().filter(|model| model.from == topic.name);
    // A model kept for ever is refused by the check of the topology; here it keeps everything.
    let history = fed.map(|model| model.history.unwrap_or(Duration::MAX)).max().unwrap_or_default();
    Compaction { after: compact.after, history, deletions: compact.deletions }
}

/// The models that at least one pipeline does not keep in its own tasks.
fn broadcast_models(topology: &Topology) -> impl Iterator<Item = riverrun_topology::Model> {
    let broadcast = |model: &&riverrun_topology::Model| {
        topology.pipelines.values().any(|pipeline| !is_own(topology, pipeline, model))
    };
    topology.models.values().filter(broadcast).cloned()
}

fn known(pipelines: &BTreeMap<PipelineName, Pipeline>) -> String {
    pipelines.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn state_left_behind(steps: &[Dropped]) -> String {
    let steps: Vec<String> = steps.iter().map(|step| format!("  {step}")).collect();
    format!(
        "the log holds state of steps that are not there any more, or mean something else now:\n{}\nGive a step its former name \
         with `name`, or start once with --drop-state, which deletes this state",
        steps.join("\n")
    )
}
