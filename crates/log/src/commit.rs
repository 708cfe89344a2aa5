//! The commit: everything one or more tasks of a worker decided, changed atomically. All or nothing.
//!
//! Timers and effects enter as state rows of their own operators; their issues add no field here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{
    AppName, ConsumerName, ModelName, Offset, OperatorName, Partition, PipelineName, Time, TopicName, TopicPartition,
};

use crate::append::NewRecord;

/// A group of tasks that share positions: one per pipeline, model and replay, and one per consumer and topic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// `<app>.<pipeline>`, as lag tools see it.
    #[must_use]
    pub fn pipeline(app: &AppName, pipeline: &PipelineName) -> Self {
        Self(format!("{app}.{pipeline}").into())
    }

    /// `<app>.<pipeline>:<step>`: the subtopology of a pipeline behind one of its repartitions.
    #[must_use]
    pub fn stage(app: &AppName, pipeline: &PipelineName, behind: &OperatorName) -> Self {
        Self(format!("{app}.{pipeline}:{behind}").into())
    }

    /// `<app>.model:<model>`; the colon keeps it apart from every pipeline.
    #[must_use]
    pub fn model(app: &AppName, model: &ModelName) -> Self {
        Self(format!("{app}.model:{model}").into())
    }

    /// `<app>.door:<topic>`: the deduplication of what doors take in for a topic, a task for each partition.
    #[must_use]
    pub fn door(app: &AppName, topic: &TopicName) -> Self {
        Self(format!("{app}.door:{topic}").into())
    }

    /// `<app>.steps:<pipeline>`: which steps of a pipeline keep state.
    #[must_use]
    pub fn steps(app: &AppName, pipeline: &PipelineName) -> Self {
        Self(format!("{app}.steps:{pipeline}").into())
    }

    /// `<app>.<pipeline>.replay:<topic>`: a replay of a pipeline into another topic.
    #[must_use]
    pub fn replay(app: &AppName, pipeline: &PipelineName, to: &TopicName) -> Self {
        Self(format!("{app}.{pipeline}.replay:{to}").into())
    }

    /// `<app>.<pipeline>:<step>.replay:<topic>`: that of such a subtopology.
    #[must_use]
    pub fn stage_replay(app: &AppName, pipeline: &PipelineName, behind: &OperatorName, to: &TopicName) -> Self {
        Self(format!("{app}.{pipeline}:{behind}.replay:{to}").into())
    }

    /// `<app>.consumer:<consumer>:<topic>`: the positions of a consumer in one topic, a task for each partition.
    #[must_use]
    pub fn consumer(app: &AppName, consumer: &ConsumerName, topic: &TopicName) -> Self {
        Self(format!("{app}.consumer:{consumer}:{topic}").into())
    }

    /// `<app>.consumers:`: which consumers there are.
    #[must_use]
    pub fn consumers(app: &AppName) -> Self {
        Self(format!("{app}.consumers:").into())
    }

    /// A name as read back from a log.
    #[must_use]
    pub fn stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", &*self.0)
    }
}

/// A task of a group: one subtopology on one partition number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u32);

impl fmt::Display for TaskId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Counts the owners a task has had. A commit with an older epoch is refused: its owner is a zombie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// How often a worker commits while more and more comes in: after this time, or when this much of an input waits, whichever is first. What
/// comes after a while without anything is committed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitInterval {
    /// From one commit to the next.
    pub time: Duration,
    /// Most bytes that one task takes from one input partition for one commit.
    pub bytes: usize,
}

impl CommitInterval {
    /// One commit after the other. 512 KiB spread the cost of a sync, and a commit stays far below the 4 MiB that a log takes in one go.
    pub const AT_ONCE: Self = Self { time: Duration::ZERO, bytes: 512 * 1024 };
}

/// One atomic change by the tasks of one member.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// Each task at most once.
    pub tasks: Vec<TaskCommit>,
}

impl Commit {
    /// Roughly how many bytes the commit takes; permits count with it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.tasks.iter().map(TaskCommit::bytes).sum()
    }
}

/// What one task changes in a commit.
#[derive(Clone, Debug)]
pub struct TaskCommit {
    /// The task.
    pub task: TaskId,
    /// As it was assigned.
    pub epoch: Epoch,
    /// Records out, in order within each partition. Never deduplicated: a commit happens once.
    pub records: Vec<NewRecord>,
    /// State changes; of two for the same row the later one counts.
    pub state: Vec<StateChange>,
    /// Per input partition, the offset of the next record to read.
    pub positions: Vec<(TopicPartition, Offset)>,
    /// In which order the inputs were processed and what was known of the models. None where a replay needs none (models, replays).
    pub order: Option<Order>,
}

impl TaskCommit {
    /// A commit of this task that changes nothing yet.
    #[must_use]
    pub fn new(task: TaskId, epoch: Epoch) -> Self {
        Self { task, epoch, records: Vec::new(), state: Vec::new(), positions: Vec::new(), order: None }
    }

    /// Roughly how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let records: usize = self.records.iter().map(NewRecord::bytes).sum();
        let state: usize = self.state.iter().map(StateChange::bytes).sum();
        // 64: a position or order row with its key.
        records + state + 64 * (self.positions.len() + 1)
    }
}

/// One row of a task's keyed state, put or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The operator that owns the row.
    pub operator: OperatorName,
    /// The row's key within the operator and task; rows are ordered by it.
    pub key: Bytes,
    /// The value; `None` deletes the row.
    pub value: Option<Bytes>,
}

impl StateChange {
    /// Roughly how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        16 + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// What a replay needs to give the same bytes: the order of one commit's inputs and the models' frontiers it saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// What the wall clock said, where it fired timers before the first range.
    pub tick: Option<Time>,
    /// Input ranges in processing order.
    pub ranges: Vec<InputRange>,
    /// Per model partition, how far the model was known.
    pub frontiers: Vec<ModelFrontier>,
    /// What calls to the outside answered that the commit used.
    pub answers: Vec<CallAnswer>,
}

/// What a call to the outside answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAnswer {
    /// Names the call within its task: by whom it was made, for which event, and what was asked.
    pub call: Bytes,
    /// The answer, in the caller's own bytes.
    pub answer: Bytes,
}

/// Records of one input partition that were processed in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRange {
    /// The input.
    pub input: TopicPartition,
    /// The first offset.
    pub from: Offset,
    /// The offset after the last one.
    pub to: Offset,
}

/// How far one partition of a model's topic was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFrontier {
    /// The model.
    pub model: ModelName,
    /// The partition of the topic that feeds it.
    pub partition: Partition,
    /// The next offset to apply: versions below it are visible.
    pub next: Offset,
}

/// The answer to a commit that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Numbers the log's atomic changes; increases.
    pub number: u64,
}

/// Why a commit did not happen, or may not have. The member's tasks are over in every case: they restart from the last
/// committed position. A commit is never retried in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The task belongs to another member by now; nothing was changed.
    #[error("task {task} was taken over by another member")]
    Fenced {
        /// The task.
        task: TaskId,
    },
    /// A record is meant for a topic or partition that does not exist; nothing was changed.
    #[error("topic {topic} does not exist or has no partition {partition}")]
    UnknownTopic {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: Partition,
    },
    /// The log takes no record of this size; nothing was changed, and trying again would change nothing.
    #[error("{0}")]
    TooLarge(String),
    /// Nothing is known about the outcome.
    #[error("the outcome of the commit is unknown: {0}")]
    Uncertain(String),
    /// The log failed and takes no more.
    #[error("the log failed: {0}")]
    Failed(String),
}
