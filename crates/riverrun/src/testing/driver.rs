//! The driver: an app on an in-memory log, all of it on the caller's thread.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use riverrun_accept::{AcceptError, Acceptor, Received, Target};
use riverrun_event::{Key, Offset, Partition, PipelineName, Record, Time, TopicName, TopicPartition};
use riverrun_ingest::http::problem::DoorError;
use riverrun_log::memory::MemoryLog;
use riverrun_log::{AppendBatch, Log, Logged, NewRecord, ReadError, Topics};
use riverrun_runtime::{Metrics, PipelineState, Runtime, RuntimeOptions, StartError, WallClock};
use riverrun_topology::Topology;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::LocalSet;

use super::clock::Clock;
use crate::app::App;
use crate::event::{Event, EventError};
use crate::view::View;

/// Runs an app on an in-memory log. Use it in a plain `#[test]`; its calls block.
///
/// Each published event is processed to its end before the call returns. The clock starts at 2026-01-01T00:00:00Z and follows the
/// newest event until it is moved by hand; then it stands still until it is moved again.
pub struct Driver {
    topology: Arc<Topology>,
    log: MemoryLog,
    clock: Clock,
    acceptor: Acceptor,
    pipelines: Option<Vec<PipelineName>>,
    running: Option<Running>,
    executor: tokio::runtime::Runtime,
    read: HashMap<TopicPartition, Offset>,
    published: u64,
}

/// The workers, as tasks of this thread. They are dropped with the set.
struct Running {
    runtime: Runtime,
    tasks: LocalSet,
}

/// Why the driver could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The app cannot run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The door refused the event.
    #[error("{}: {}", .0.code(), .0)]
    Refused(#[from] DoorError),
    /// The topic cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event's data does not fit.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A pipeline stopped.
    #[error("pipeline {pipeline} stopped: {reason}")]
    Stopped {
        /// The pipeline.
        pipeline: PipelineName,
        /// Why.
        reason: String,
    },
    /// The clock would go back to before something that was accepted already.
    #[error("the clock stands at {now} and cannot go back to {asked}")]
    Backwards {
        /// Where it stands.
        now: Time,
        /// Where it was to go.
        asked: Time,
    },
    /// No step declares the view.
    #[error("there is no view {0:?}")]
    UnknownView(String),
    /// Something of the machine is missing.
    #[error("{0}")]
    Machine(String),
}

impl Driver {
    /// Starts the app.
    ///
    /// # Errors
    /// [`DriverError`] when it cannot run.
    pub fn start(app: App) -> Result<Self, DriverError> {
        Self::start_pipelines(app, None)
    }

    /// Starts the app with these pipelines only.
    pub(super) fn start_pipelines(app: App, pipelines: Option<Vec<PipelineName>>) -> Result<Self, DriverError> {
        let limits = app.settings().limits;
        let topology = app.into_topology();
        let machine = |error: &dyn std::fmt::Display| DriverError::Machine(error.to_string());
        let acceptor = Acceptor::new(topology.topics.values().cloned(), limits).map_err(|error| machine(&error))?;
        let clock = Clock::new();
        let of_log = clock.clone();
        let executor = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let mut driver = Self {
            topology: Arc::new(topology),
            log: MemoryLog::with_clock(move || of_log.now()),
            clock,
            acceptor,
            pipelines,
            running: None,
            executor: executor.map_err(|error| machine(&error))?,
            read: HashMap::new(),
            published: 0,
        };
        driver.run()?;
        Ok(driver)
    }

    fn run(&mut self) -> Result<(), DriverError> {
        let options = RuntimeOptions {
            workers: 1,
            pipelines: self.pipelines.clone(),
            metrics: Metrics::default(),
            clock: WallClock::Manual(self.clock.moved()),
            drop_state: false,
            entrances: None,
        };
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        let tasks = LocalSet::new();
        let starting = Runtime::start_local(Arc::clone(&self.topology), log, options);
        let runtime = tasks.block_on(&self.executor, starting)?;
        self.running = Some(Running { runtime, tasks });
        self.work()
    }

    /// Stops all work and starts it again from what was committed.
    ///
    /// # Errors
    /// [`DriverError`] when it cannot run.
    pub fn restart(&mut self) -> Result<(), DriverError> {
        self.running = None;
        self.run()
    }

    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Moves the clock by hand. Before the first event it may go anywhere, later only ahead.
    ///
    /// # Errors
    /// [`DriverError::Backwards`].
    pub fn set_time(&mut self, time: Time) -> Result<(), DriverError> {
        let now = self.clock.now();
        if self.clock.set(time, self.published == 0) {
            self.work()
        } else {
            Err(DriverError::Backwards { now, asked: time })
        }
    }

    /// Moves the clock ahead.
    ///
    /// # Errors
    /// [`DriverError`] when a pipeline cannot go on.
    pub fn advance(&mut self, duration: Duration) -> Result<(), DriverError> {
        self.set_time(self.clock.now().plus(duration))
    }

    /// Publishes an event through the rules of the doors. Without an id it gets `test-<n>`.
    ///
    /// # Errors
    /// [`DriverError`] when the door or the log refuses it.
    pub fn publish<T: Serialize>(&mut self, topic: &str, event: Event<T>) -> Result<(), DriverError> {
        let mut event = event.to_wire()?;
        if event.id.is_empty() {
            event.id = self.next_id().into();
        }
        if event.source.is_empty() {
            event.source = "/test".into();
        }
        let partition_key = event.key.take().as_ref().and_then(Key::as_str).map(Into::into);
        self.send(topic, Received { event, partition_key, bare: false, data_checked: true })?;
        self.work()
    }

    /// An id for an event that has none.
    pub(super) fn next_id(&self) -> String {
        format!("test-{}", self.published + 1)
    }

    /// Hands an event to the door. What it sets off waits for [`Self::work`].
    pub(super) fn send(&mut self, topic: &str, received: Received) -> Result<Logged, DoorError> {
        self.published += 1;
        let refused = |error| DoorError::Accept { index: None, error };
        let record = match self.accept(topic, received.clone()) {
            Err(AcceptError::TimeAhead { time, .. }) if self.clock.follow(time) => self.accept(topic, received),
            accepted => accepted,
        };
        let record = record.map_err(refused)?;
        if let Some(time) = record.event.time {
            self.clock.follow(time);
        }
        let logged = self.executor.block_on(self.log.append(AppendBatch { records: vec![record] }))?;
        logged.into_iter().next().ok_or_else(|| refused(self.acceptor.unknown_topic(topic)))
    }

    fn accept(&self, topic: &str, received: Received) -> Result<NewRecord, AcceptError> {
        let target = Target::Topic(self.acceptor.topic(topic)?);
        self.acceptor.accept(target, received, self.clock.now())
    }

    /// The declared topic of this name.
    pub(super) fn topic(&self, name: &TopicName) -> Option<&riverrun_topology::Topic> {
        self.topology.topics.get(name)
    }

    /// The topic's events that were not read yet, partition by partition.
    ///
    /// # Errors
    /// [`DriverError`] when a pipeline has stopped or an event does not fit `T`.
    pub fn read<T: DeserializeOwned>(&mut self, topic: &str) -> Result<Vec<Event<T>>, DriverError> {
        let records = self.read_running(topic)?;
        records.iter().map(|record| Ok(Event::from_wire(&record.event)?)).collect()
    }

    /// The view of this name. It shows what is committed; every published event is.
    ///
    /// # Errors
    /// [`DriverError::UnknownView`].
    pub fn view(&self, name: &str) -> Result<View, DriverError> {
        let view = self.running.as_ref().and_then(|running| View::of(&running.runtime, name));
        view.ok_or_else(|| DriverError::UnknownView(name.to_owned()))
    }

    /// The dead letters of a pipeline that were not read yet, as they are.
    ///
    /// # Errors
    /// [`DriverError`] when a pipeline has stopped or there is none of that name.
    pub fn dead_letters(&mut self, pipeline: &str) -> Result<Vec<Record>, DriverError> {
        self.read_running(&format!("_dead-letters.{pipeline}"))
    }

    fn read_running(&mut self, topic: &str) -> Result<Vec<Record>, DriverError> {
        if let Some((pipeline, reason)) = self.stopped()?.into_iter().next() {
            return Err(DriverError::Stopped { pipeline, reason });
        }
        let topic =
            TopicName::internal(topic).map_err(|error| DriverError::Machine(format!("topic {topic:?}: {error}")))?;
        self.read_records(&topic)
    }

    /// The topic's records that were not read yet.
    pub(super) fn read_records(&mut self, topic: &TopicName) -> Result<Vec<Record>, DriverError> {
        let described = self.log.describe(topic)?;
        let mut records = Vec::new();
        for (number, offsets) in (0..).zip(described.offsets) {
            let partition = TopicPartition::new(topic.clone(), Partition(number));
            let mut next = self.read.get(&partition).copied().unwrap_or_default();
            while next < offsets.end {
                let read = self.log.read(&partition.at(next), usize::MAX)?;
                let Some(last) = read.last() else { break };
                next = last.position.offset.next();
                records.extend(read);
            }
            self.read.insert(partition, next);
        }
        Ok(records)
    }

    /// The pipelines that have stopped, and why.
    pub(super) fn stopped(&self) -> Result<Vec<(PipelineName, String)>, DriverError> {
        let Some(running) = &self.running else { return Ok(Vec::new()) };
        let stopped = running.runtime.pipelines()?.into_iter().filter_map(|pipeline| match pipeline.state {
            PipelineState::Stopped { reason } => Some((pipeline.name.pipeline, reason)),
            PipelineState::Running => None,
        });
        Ok(stopped.collect())
    }

    /// Works until nothing is left to do.
    pub(super) fn work(&mut self) -> Result<(), DriverError> {
        let Some(running) = &self.running else { return Ok(()) };
        while !running.is_idle(self.clock.now())? {
            // Lets every worker that can go on do so, once.
            running.tasks.block_on(&self.executor, tokio::task::yield_now());
        }
        Ok(())
    }
}

impl Running {
    fn is_idle(&self, now: Time) -> Result<bool, ReadError> {
        let has_ended = |pipeline: &riverrun_runtime::PipelineStatus| pipeline.state != PipelineState::Running;
        let is_idle = |pipeline: &riverrun_runtime::PipelineStatus| pipeline.is_idle() && !pipeline.is_due(now);
        let idle = self.runtime.pipelines()?.iter().all(|pipeline| has_ended(pipeline) || is_idle(pipeline));
        Ok(idle && self.runtime.models()?.iter().all(|model| model.next == model.end))
    }
}
