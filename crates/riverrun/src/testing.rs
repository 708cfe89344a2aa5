//! Tests of an app without disk or network: the real door rules, topology and runtime on an in-memory log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Key, Offset, Partition, PipelineName, Record, Time, TopicName, TopicPartition};
use riverrun_ingest::{AcceptError, Acceptor, Received, Target};
use riverrun_log::memory::MemoryLog;
use riverrun_log::{AppendBatch, AppendError, Log, ReadError, Topics};
use riverrun_runtime::{Metrics, PipelineState, Runtime, RuntimeOptions, StartError};
use riverrun_topology::Topology;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::event::{Event, EventError};

/// Where the driver's clock starts; each append is a millisecond later.
const CLOCK_START: &str = "2026-01-01T00:00:00Z";

/// Runs an app on an in-memory log. Use it in a plain `#[test]`; its calls block.
pub struct Driver {
    topology: Arc<Topology>,
    log: MemoryLog,
    acceptor: Acceptor,
    running: Option<Runtime>,
    executor: tokio::runtime::Runtime,
    read: HashMap<TopicPartition, Offset>,
    published: u64,
}

/// Why the driver could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The app cannot run.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The door refused the event.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// The log refused the event.
    #[error(transparent)]
    Append(#[from] AppendError),
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
        let limits = app.settings().limits;
        let topology = app.into_topology();
        let machine = |error: &dyn std::fmt::Display| DriverError::Machine(error.to_string());
        let acceptor = Acceptor::new(topology.topics.values().cloned(), limits).map_err(|error| machine(&error))?;
        let start = Time::parse(CLOCK_START).unwrap_or(Time::EPOCH);
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut driver = Self {
            topology: Arc::new(topology),
            log: MemoryLog::stepping(start, Duration::from_millis(1)),
            acceptor,
            running: None,
            executor: executor.map_err(|error| machine(&error))?,
            read: HashMap::new(),
            published: 0,
        };
        driver.run()?;
        Ok(driver)
    }

    fn run(&mut self) -> Result<(), DriverError> {
        let options = RuntimeOptions { workers: 2, pipelines: None, metrics: Metrics::default() };
        let log: Arc<dyn Log> = Arc::new(self.log.clone());
        let running = self.executor.block_on(Runtime::start(Arc::clone(&self.topology), log, options))?;
        self.running = Some(running);
        Ok(())
    }

    /// Stops all work and starts it again from what was committed.
    ///
    /// # Errors
    /// [`DriverError`] when it cannot run.
    pub fn restart(&mut self) -> Result<(), DriverError> {
        self.running = None;
        self.run()
    }

    /// Publishes an event through the rules of the doors. Without an id it gets `test-<n>`.
    ///
    /// # Errors
    /// [`DriverError`] when the door or the log refuses it.
    pub fn publish<T: Serialize>(&mut self, topic: &str, event: Event<T>) -> Result<(), DriverError> {
        let mut event = event.to_wire()?;
        self.published += 1;
        if event.id.is_empty() {
            event.id = format!("test-{}", self.published).into();
        }
        if event.source.is_empty() {
            event.source = "/test".into();
        }
        let partition_key = event.key.take().as_ref().and_then(Key::as_str).map(Into::into);
        let received = Received { event, partition_key, bare: false, data_checked: true };
        let target = Target::Topic(self.acceptor.topic(topic)?);
        let record = self.acceptor.accept(target, received, Time::now())?;
        self.executor.block_on(self.log.append(AppendBatch { records: vec![record] }))?;
        Ok(())
    }

    /// Waits until everything is processed, then gives the topic's events that were not read yet, partition by partition.
    ///
    /// # Errors
    /// [`DriverError`] when a pipeline has stopped or an event does not fit `T`.
    pub fn read<T: DeserializeOwned>(&mut self, topic: &str) -> Result<Vec<Event<T>>, DriverError> {
        let records = self.read_records(topic)?;
        records.iter().map(|record| Ok(Event::from_wire(&record.event)?)).collect()
    }

    /// Waits until everything is processed, then gives the dead letters of a pipeline that were not read yet, as they are.
    ///
    /// # Errors
    /// [`DriverError`] when a pipeline has stopped or there is none of that name.
    pub fn dead_letters(&mut self, pipeline: &str) -> Result<Vec<Record>, DriverError> {
        self.read_records(&format!("_dead-letters.{pipeline}"))
    }

    fn read_records(&mut self, topic: &str) -> Result<Vec<Record>, DriverError> {
        self.settle()?;
        let topic =
            TopicName::internal(topic).map_err(|error| DriverError::Machine(format!("topic {topic:?}: {error}")))?;
        let partitions = self.log.describe(&topic)?.spec.partitions;
        let mut records = Vec::new();
        for partition in (0..partitions).map(|number| TopicPartition::new(topic.clone(), Partition(number))) {
            loop {
                let next = self.read.get(&partition).copied().unwrap_or_default();
                let read = self.log.read(&partition.at(next), usize::MAX)?;
                let Some(last) = read.last() else { break };
                self.read.insert(partition.clone(), last.position.offset.next());
                records.extend(read);
            }
        }
        Ok(records)
    }

    /// Waits until nothing is left to do.
    fn settle(&self) -> Result<(), DriverError> {
        let Some(running) = &self.running else { return Ok(()) };
        loop {
            let pipelines = running.pipelines()?;
            for pipeline in &pipelines {
                if let PipelineState::Stopped { reason } = &pipeline.state {
                    return Err(DriverError::Stopped { pipeline: pipeline.name.clone(), reason: reason.clone() });
                }
            }
            let models = running.models()?;
            if pipelines.iter().all(|pipeline| pipeline.is_idle()) && models.iter().all(|model| model.next == model.end)
            {
                return Ok(());
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}
