//! `GET /status`: what the app consists of and how far everything is.

use riverrun_ingest::consumers::ConsumerReport;
use riverrun_ingest::http::ConsumerStatus;
use riverrun_log::{Health, ReadError};
use riverrun_runtime::{DoorStatus, ModelStatus, PipelineState, PipelineStatus, TaskStatus};
use serde::Serialize;

use super::relay::OutboxStatus;
use super::{Parts, idle};

#[derive(Serialize)]
pub(super) struct Status {
    app: String,
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    idle: bool,
    topics: Vec<Topic>,
    models: Vec<Model>,
    pipelines: Vec<Pipeline>,
    /// Only where tasks behind the doors recognise what is sent again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    doors: Vec<Door>,
    consumers: Vec<ConsumerStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outbox: Option<OutboxStatus>,
}

#[derive(Serialize)]
struct Topic {
    name: String,
    partitions: Vec<Bounds>,
}

#[derive(Serialize)]
struct Bounds {
    start: u64,
    end: u64,
}

#[derive(Serialize)]
struct Model {
    name: String,
    partitions: Vec<ModelPartition>,
}

#[derive(Serialize)]
struct ModelPartition {
    partition: u32,
    next: u64,
    end: u64,
}

#[derive(Serialize)]
struct Pipeline {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    received: u64,
    emitted: u64,
    dropped: u64,
    dead_letters: u64,
    skipped: u64,
    late: u64,
    tasks: Vec<Task>,
}

#[derive(Serialize)]
struct Task {
    task: u32,
    lag_events: u64,
    lag_seconds: f64,
    inputs: Vec<Input>,
}

#[derive(Serialize)]
struct Input {
    partition: String,
    next: u64,
    end: u64,
}

#[derive(Serialize)]
struct Door {
    topic: String,
    let_in: u64,
    duplicates: u64,
    dead_letters: u64,
    waiting: Vec<u64>,
}

impl Status {
    /// The status as of now.
    ///
    /// # Errors
    /// [`ReadError`] when the log cannot be read.
    pub(super) fn of(parts: &Parts, consumers: &[ConsumerReport]) -> Result<Self, ReadError> {
        let (health, reason) = match parts.log.health() {
            Health::Serving => ("serving", None),
            Health::Unreachable { reason } => ("unreachable", Some(reason)),
            Health::Stopped { reason } => ("stopped", Some(reason)),
        };
        let topics = parts.topology.topics.keys().map(|name| {
            let described = parts.log.describe(name)?;
            let bounds = described.offsets.iter().map(|offsets| Bounds { start: offsets.start.0, end: offsets.end.0 });
            Ok(Topic { name: name.to_string(), partitions: bounds.collect() })
        });
        Ok(Self {
            app: parts.topology.app.to_string(),
            health,
            reason,
            idle: idle::is_idle(parts)?,
            topics: topics.collect::<Result<_, ReadError>>()?,
            models: models(&parts.runtime.models()?),
            pipelines: parts.runtime.pipelines()?.into_iter().map(Pipeline::from).collect(),
            doors: parts.runtime.doors()?.into_iter().map(Door::from).collect(),
            consumers: consumers.iter().map(ConsumerStatus::from).collect(),
            outbox: parts.relay.as_ref().map(|relay| relay.get().into()),
        })
    }
}

fn models(statuses: &[ModelStatus]) -> Vec<Model> {
    let by_model = statuses.chunk_by(|one, next| one.model == next.model);
    let model = |partitions: &[ModelStatus]| {
        let name = partitions.first()?.model.to_string();
        let partition = |status: &ModelStatus| ModelPartition {
            partition: status.partition.0,
            next: status.next.0,
            end: status.end.0,
        };
        Some(Model { name, partitions: partitions.iter().map(partition).collect() })
    };
    by_model.filter_map(model).collect()
}

impl From<PipelineStatus> for Pipeline {
    fn from(status: PipelineStatus) -> Self {
        let (state, reason) = match status.state {
            PipelineState::Running => ("running", None),
            PipelineState::Stopped { reason } => ("stopped", Some(reason)),
        };
        Self {
            name: status.name.to_string(),
            state,
            reason,
            received: status.counts.received,
            emitted: status.counts.emitted,
            dropped: status.counts.dropped,
            dead_letters: status.counts.dead_letters,
            skipped: status.counts.skipped,
            late: status.counts.late,
            tasks: status.tasks.into_iter().map(Task::from).collect(),
        }
    }
}

impl From<DoorStatus> for Door {
    fn from(status: DoorStatus) -> Self {
        Self {
            topic: status.topic.to_string(),
            let_in: status.counts.emitted,
            duplicates: status.counts.dropped,
            dead_letters: status.counts.dead_letters,
            waiting: status.waiting,
        }
    }
}

impl From<TaskStatus> for Task {
    fn from(status: TaskStatus) -> Self {
        let input = |input: riverrun_runtime::InputStatus| Input {
            partition: input.partition.to_string(),
            next: input.next.0,
            end: input.end.0,
        };
        Self {
            task: status.task.0,
            lag_events: status.lag_events,
            lag_seconds: status.lag_seconds,
            inputs: status.inputs.into_iter().map(input).collect(),
        }
    }
}
