//! How the runtime is doing, as plain values for `/status`, health and the command line.

use riverrun_event::{ModelName, Offset, Partition, PipelineName, TopicPartition};
use riverrun_log::TaskId;

use crate::metrics::Counts;

/// One pipeline.
#[derive(Clone, Debug)]
pub struct PipelineStatus {
    /// Its name.
    pub name: PipelineName,
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
}
